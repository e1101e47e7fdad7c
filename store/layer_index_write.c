/* SPDX-License-Identifier: Apache-2.0 */
/* Writing layer.db. The file is private to its writer until the rename, so it needs neither journal
 * nor locks: a crash leaves a .tmp that the next writer or the daemon's sweep removes. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/path_tree.h"
#include "layer/names.h"
#include "layer/sd.h"
#include "store/bytes_map.h"
#include "store/layer_index.h"
#include "store/layer_index_schema.h"

enum {
    DIRS_HEAP_BYTES = 4 << 20, /* of some 50,000 directories */
    MAX_DESCRIPTOR_BYTES = 4 << 20,
};

/* A descriptor that stands in the database, by number. */
struct interned {
    int64_t id;
    uint8_t bytes[];
};

struct wcow_layer_index_writer {
    int layer_fd;
    sqlite3 *db;
    sqlite3_stmt *add_entry;
    sqlite3_stmt *add_dir;
    sqlite3_stmt *add_descriptor;
    sqlite3_stmt *add_ea;
    sqlite3_stmt *add_headers;
    struct wcow_path_tree *dirs; /* int64_t, by key */
    int64_t n_dirs;
    struct wcow_bytes_map descriptors;
    size_t descriptor_bytes; /* that are in the map */
    int64_t n_descriptors;
    int64_t n_entries;
    int64_t n_implied; /* of those, the ones that the tar does not have */
    int64_t n_headers;
};

static void close_writer(struct wcow_layer_index_writer *w)
{
    sqlite3_stmt *stmts[] = {w->add_entry, w->add_dir, w->add_descriptor, w->add_ea,
                             w->add_headers};
    for (size_t i = 0; i < sizeof(stmts) / sizeof(stmts[0]); i++)
        (void)sqlite3_finalize(stmts[i]);
    w->add_entry = w->add_dir = w->add_descriptor = w->add_ea = w->add_headers = NULL;
    wcow_index_close_db(&w->db);
}

void wcow_layer_index_abort(struct wcow_layer_index_writer *w)
{
    if (!w)
        return;
    close_writer(w);
    (void)unlinkat(w->layer_fd, WCOW_INDEX_TMP, 0);
    wcow_path_tree_free(w->dirs);
    wcow_bytes_map_done(&w->descriptors, free);
    free(w);
}

static int prepare_all(struct wcow_layer_index_writer *w, struct wcow_error *err)
{
    const struct {
        const char *sql;
        sqlite3_stmt **stmt;
    } all[] = {
        {"INSERT INTO entries(" WCOW_INDEX_COLUMNS ") VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
         &w->add_entry},
        {"INSERT INTO dirs(id, key) VALUES (?, ?)", &w->add_dir},
        {"INSERT INTO descriptors(id, raw, sddl) VALUES (?, ?, ?)", &w->add_descriptor},
        {"INSERT INTO eas(entry, seq, name, value) VALUES (?, ?, ?, ?)", &w->add_ea},
        {"INSERT INTO headers(seq, codec, raw_len, data) VALUES (?, ?, ?, ?)", &w->add_headers},
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        int r = wcow_index_prepare(w->db, all[i].sql, all[i].stmt, err);
        if (r < 0)
            return r;
    }
    return WCOW_OK;
}

int wcow_layer_index_create(int layer_fd, struct wcow_layer_index_writer **ret,
                            struct wcow_error *err)
{
    if (unlinkat(layer_fd, WCOW_INDEX_TMP, 0) < 0 && errno != ENOENT)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "remove an old %s", WCOW_INDEX_TMP);
    WCOW_CLEANUP(wcow_layer_index_abort_p)
    struct wcow_layer_index_writer *w = calloc(1, sizeof(*w));
    if (!w)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a layer index");
    w->layer_fd = layer_fd;
    const struct wcow_path_tree_options dirs = {
        .value_bytes = sizeof(int64_t), .heap_bytes = DIRS_HEAP_BYTES, .dirfd = layer_fd};
    int r = wcow_path_tree_new(&dirs, &w->dirs, err);
    if (r < 0)
        return r;

    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", layer_fd, WCOW_INDEX_TMP);
    int rc = sqlite3_open_v2(
        path, &w->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc != SQLITE_OK)
        return wcow_index_sql_error(w->db, rc, "create " WCOW_INDEX_TMP, err);
    char setup[256];
    (void)snprintf(setup, sizeof(setup),
                   "PRAGMA page_size = 8192; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
                   "PRAGMA locking_mode = EXCLUSIVE; PRAGMA application_id = %d;"
                   "PRAGMA user_version = %d; BEGIN;",
                   WCOW_INDEX_APPLICATION, WCOW_INDEX_VERSION);
    r = wcow_index_exec(w->db, setup, "set it up", err);
    if (r == WCOW_OK)
        r = wcow_index_exec(w->db, wcow_index_tables_sql, "make its tables", err);
    if (r == WCOW_OK)
        r = prepare_all(w, err);
    if (r == WCOW_OK)
        *ret = WCOW_TAKE_PTR(w);
    return r;
}

static int step(struct wcow_layer_index_writer *w, sqlite3_stmt *stmt, struct wcow_error *err)
{
    int rc = sqlite3_step(stmt);
    if (rc != SQLITE_DONE)
        return wcow_index_sql_error(w->db, rc, "add a row", err);
    return WCOW_OK;
}

static int intern_dir(struct wcow_layer_index_writer *w, struct wcow_bytes key, int64_t *ret,
                      struct wcow_error *err)
{
    const char *text = (const char *)key.data;
    const int64_t *known = wcow_path_tree_find(w->dirs, text, key.len);
    if (known) {
        *ret = *known;
        return WCOW_OK;
    }
    void *place = NULL;
    int r = wcow_path_tree_add(w->dirs, text, key.len, &place, err);
    if (r < 0)
        return r;
    *ret = ++w->n_dirs;
    memcpy(place, ret, sizeof(*ret));
    wcow_autoreset *stmt = w->add_dir;
    (void)sqlite3_bind_int64(stmt, 1, *ret);
    (void)sqlite3_bind_text64(stmt, 2, text, key.len, SQLITE_STATIC, SQLITE_UTF8);
    return step(w, stmt, err);
}

/* 1 where it is new (and then has the next number), 0 where it was there. A few dozen serve a
 * layer; of one that has very many, some may stand in the database twice. */
static int number_descriptor(struct wcow_layer_index_writer *w, const struct wcow_entry *e,
                             int64_t *ret, struct wcow_error *err)
{
    const struct interned *known = wcow_bytes_map_find(&w->descriptors, e->sd, e->sd_len_bytes);
    if (known) {
        *ret = known->id;
        return 0;
    }
    if (w->descriptor_bytes > MAX_DESCRIPTOR_BYTES) {
        wcow_bytes_map_done(&w->descriptors, free);
        w->descriptor_bytes = 0;
    }
    struct interned *added = calloc(1, sizeof(*added) + e->sd_len_bytes + 1);
    if (!added)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a layer index");
    added->id = w->n_descriptors + 1;
    if (e->sd_len_bytes)
        memcpy(added->bytes, e->sd, e->sd_len_bytes);
    int r = wcow_bytes_map_add(&w->descriptors, added->bytes, e->sd_len_bytes, added, err);
    if (r < 0) {
        free(added);
        return r;
    }
    *ret = ++w->n_descriptors;
    w->descriptor_bytes += sizeof(*added) + e->sd_len_bytes;
    return 1;
}

static int intern_descriptor(struct wcow_layer_index_writer *w, const struct wcow_entry *e,
                             int64_t *ret, struct wcow_error *err)
{
    int r = number_descriptor(w, e, ret, err);
    if (r <= 0)
        return r;
    wcow_autobuf sddl = {0};
    bool readable = wcow_sd_to_sddl(e->sd, e->sd_len_bytes, &sddl, NULL) == WCOW_OK;
    wcow_autoreset *stmt = w->add_descriptor;
    (void)sqlite3_bind_int64(stmt, 1, *ret);
    (void)sqlite3_bind_blob64(stmt, 2, e->sd, e->sd_len_bytes, SQLITE_STATIC);
    if (readable)
        (void)sqlite3_bind_text64(stmt, 3, (const char *)sddl.data, sddl.len, SQLITE_STATIC,
                                  SQLITE_UTF8);
    return step(w, stmt, err);
}

static int add_eas(struct wcow_layer_index_writer *w, const struct wcow_entry *e, int64_t id,
                   struct wcow_error *err)
{
    for (size_t i = 0; i < e->n_eas; i++) {
        wcow_autoreset *stmt = w->add_ea;
        (void)sqlite3_bind_int64(stmt, 1, id);
        (void)sqlite3_bind_int64(stmt, 2, (int64_t)i);
        (void)sqlite3_bind_text(stmt, 3, e->eas[i].name, -1, SQLITE_STATIC);
        if (e->eas[i].len_bytes)
            (void)sqlite3_bind_blob64(stmt, 4, e->eas[i].value, e->eas[i].len_bytes, SQLITE_STATIC);
        else
            (void)sqlite3_bind_zeroblob(stmt, 4, 0);
        int r = step(w, stmt, err);
        if (r < 0)
            return r;
    }
    return WCOW_OK;
}

static void bind_text(sqlite3_stmt *stmt, enum wcow_index_column col, const char *text)
{
    (void)sqlite3_bind_text(stmt, (int)col + 1, text, -1, SQLITE_STATIC);
}

static void bind_int(sqlite3_stmt *stmt, enum wcow_index_column col, uint64_t v)
{
    (void)sqlite3_bind_int64(stmt, (int)col + 1, (int64_t)v);
}

static void bind_data(sqlite3_stmt *stmt, const struct wcow_index_row *row)
{
    if (!row->is_inlined)
        return;
    if (row->inlined.len)
        (void)sqlite3_bind_blob64(stmt, WCOW_COL_DATA + 1, row->inlined.data, row->inlined.len,
                                  SQLITE_STATIC);
    else
        (void)sqlite3_bind_zeroblob(stmt, WCOW_COL_DATA + 1, 0);
}

static int add_row(struct wcow_layer_index_writer *w, const struct wcow_index_row *row,
                   const char *key, struct wcow_error *err)
{
    const struct wcow_entry *e = row->entry;
    struct wcow_index_key split = wcow_index_split(key);
    int64_t dir = 0;
    int r = intern_dir(w, split.dir, &dir, err);
    if (r < 0)
        return r;
    int64_t descriptor = 0;
    if (e->sd && (r = intern_descriptor(w, e, &descriptor, err)) < 0)
        return r;

    wcow_autoreset *stmt = w->add_entry;
    bind_int(stmt, WCOW_COL_ID, (uint64_t)++w->n_entries);
    bind_int(stmt, WCOW_COL_TYPE, e->type);
    bind_text(stmt, WCOW_COL_NAME, e->name);
    bind_int(stmt, WCOW_COL_DIR, (uint64_t)dir);
    bind_text(stmt, WCOW_COL_LEAF, (const char *)split.leaf.data);
    bind_text(stmt, WCOW_COL_LINK, e->link);
    bind_int(stmt, WCOW_COL_SIZE, e->size_bytes);
    bind_int(stmt, WCOW_COL_ATTRIBUTES, e->attributes);
    bind_int(stmt, WCOW_COL_RECORDS, e->has);
    bind_int(stmt, WCOW_COL_MTIME, e->mtime);
    bind_int(stmt, WCOW_COL_ATIME, e->atime);
    bind_int(stmt, WCOW_COL_CTIME, e->ctime);
    bind_int(stmt, WCOW_COL_CREATION, e->creation);
    if (descriptor)
        bind_int(stmt, WCOW_COL_DESCRIPTOR, (uint64_t)descriptor);
    if (row->host_path && strcmp(row->host_path, e->name) != 0)
        bind_text(stmt, WCOW_COL_HOST_PATH, row->host_path);
    bind_data(stmt, row);
    bind_int(stmt, WCOW_COL_SEGMENT, row->is_implied ? UINT64_MAX : row->segment_len);
    w->n_implied += row->is_implied;
    bind_int(stmt, WCOW_COL_EAS, e->n_eas);
    r = step(w, stmt, err);
    return r < 0 ? r : add_eas(w, e, w->n_entries, err);
}

/* A stream is kept beside its file, under a key of its own: "FILES/A.TXT:STREAM". */
static int key_of_entry(const struct wcow_entry *e, char **ret, struct wcow_error *err)
{
    return e->type == WCOW_ENTRY_STREAM ? wcow_name_key(e->name, ret, err)
                                        : wcow_entry_key(e, ret, err);
}

int wcow_layer_index_add(struct wcow_layer_index_writer *w, const struct wcow_index_row *row,
                         struct wcow_error *err)
{
    if (row->key)
        return add_row(w, row, row->key, err);
    wcow_autofree char *key = NULL;
    int r = key_of_entry(row->entry, &key, err);
    return r < 0 ? r : add_row(w, row, key, err);
}

int wcow_layer_index_add_headers(struct wcow_layer_index_writer *w, const char *codec,
                                 uint64_t raw_len, const void *data, size_t len,
                                 struct wcow_error *err)
{
    wcow_autoreset *stmt = w->add_headers;
    (void)sqlite3_bind_int64(stmt, 1, ++w->n_headers);
    (void)sqlite3_bind_text(stmt, 2, codec, -1, SQLITE_STATIC);
    (void)sqlite3_bind_int64(stmt, 3, (int64_t)raw_len);
    if (len)
        (void)sqlite3_bind_blob64(stmt, 4, data, len, SQLITE_STATIC);
    else
        (void)sqlite3_bind_zeroblob(stmt, 4, 0);
    return step(w, stmt, err);
}

static int write_info(struct wcow_layer_index_writer *w, const struct wcow_layer_info *info,
                      struct wcow_error *err)
{
    sqlite3_stmt *stmt = NULL;
    int r = wcow_index_prepare(
        w->db, "INSERT INTO layer(id, diff_id, tar_bytes, entries) VALUES (1, ?, ?, ?)", &stmt,
        err);
    if (r < 0)
        return r;
    (void)sqlite3_bind_text(stmt, 1, info->diff_id.text, -1, SQLITE_STATIC);
    (void)sqlite3_bind_int64(stmt, 2, (int64_t)info->tar_bytes);
    (void)sqlite3_bind_int64(stmt, 3, w->n_entries - w->n_implied);
    r = step(w, stmt, err);
    (void)sqlite3_finalize(stmt);
    return r;
}

static int write_origin(struct wcow_layer_index_writer *w, const struct wcow_layer_origin *origin,
                        struct wcow_error *err)
{
    sqlite3_stmt *stmt = NULL;
    if (!origin->blob.text[0])
        return WCOW_OK;
    int r = wcow_index_prepare(
        w->db, "INSERT INTO origin(id, blob, bytes, compression) VALUES (1, ?, ?, ?)", &stmt, err);
    if (r < 0)
        return r;
    (void)sqlite3_bind_text(stmt, 1, origin->blob.text, -1, SQLITE_STATIC);
    (void)sqlite3_bind_int64(stmt, 2, (int64_t)origin->bytes);
    (void)sqlite3_bind_text(stmt, 3, origin->compression, -1, SQLITE_STATIC);
    r = step(w, stmt, err);
    (void)sqlite3_finalize(stmt);
    return r;
}

static int sync_file(int layer_fd, struct wcow_error *err)
{
    wcow_autoclose int fd = openat(layer_fd, WCOW_INDEX_TMP, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fsync(fd) < 0)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "sync %s", WCOW_INDEX_TMP);
    return WCOW_OK;
}

static int publish(struct wcow_layer_index_writer *w, bool sync, struct wcow_error *err)
{
    int r = sync ? sync_file(w->layer_fd, err) : WCOW_OK;
    if (r < 0)
        return r;
    if (renameat2(w->layer_fd, WCOW_INDEX_TMP, w->layer_fd, WCOW_INDEX_NAME, RENAME_NOREPLACE) <
        0) {
        if (errno == EEXIST)
            return WCOW_FAIL(err, WCOW_E_EXISTS,
                             "the layer folder has a %s already: it holds another layer",
                             WCOW_INDEX_NAME);
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "rename %s", WCOW_INDEX_TMP);
    }
    if (sync && fsync(w->layer_fd) < 0) {
        r = WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "sync the layer folder");
        (void)unlinkat(w->layer_fd, WCOW_INDEX_NAME, 0);
    }
    return r;
}

int wcow_layer_index_finish(struct wcow_layer_index_writer *w, const struct wcow_layer_info *info,
                            bool sync, struct wcow_error *err)
{
    int r = write_info(w, info, err);
    if (r == WCOW_OK)
        r = write_origin(w, &info->origin, err);
    if (r == WCOW_OK)
        r = wcow_index_exec(w->db, wcow_index_indexes_sql, "make its indexes", err);
    if (r == WCOW_OK)
        r = wcow_index_exec(w->db, "COMMIT", "commit", err);
    close_writer(w);
    if (r == WCOW_OK)
        r = publish(w, sync, err);
    wcow_layer_index_abort(w);
    return r;
}
