/* SPDX-License-Identifier: Apache-2.0 */
/* Reading layer.db. It is immutable once it has its name, so sqlite is told so: no locks, no
 * journal look-ups. What it says is checked as foreign bytes are: a wrong type is WCOW_E_CORRUPT.
 */
#include "store/layer_index.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/beneath.h"
#include "layer/names.h"
#include "store/layer_index_schema.h"

struct wcow_layer_index {
    sqlite3 *db;
    struct wcow_layer_info info;
    sqlite3_stmt *by_key;
    sqlite3_stmt *host_path;
    sqlite3_stmt *streams;
    sqlite3_stmt *each;
    sqlite3_stmt *eas;
    sqlite3_stmt *headers;
};

/* The descriptor is looked up in the same statement, as column 18. */
#define ROW_SELECT                                                                                 \
    "SELECT e.id, e.type, e.name, e.dir, e.leaf, e.link, e.size, e.attributes, e.records, "        \
    "e.mtime, e.atime, e.ctime, e.creation, e.descriptor, e.host_path, e.data, e.segment, e.eas, " \
    "s.raw, d.key FROM entries e JOIN dirs d ON d.id = e.dir "                                     \
    "LEFT JOIN descriptors s ON s.id = e.descriptor "
#define CHILDREN_SELECT ROW_SELECT "WHERE d.key = ?1 AND e.type <> 5 ORDER BY e.id"
enum { COL_SD = WCOW_COL_EAS + 1, COL_DIR_KEY };

void wcow_layer_index_close(struct wcow_layer_index *index)
{
    if (!index)
        return;
    sqlite3_stmt *stmts[] = {index->by_key, index->host_path, index->streams,
                             index->each,   index->eas,       index->headers};
    for (size_t i = 0; i < sizeof(stmts) / sizeof(stmts[0]); i++)
        (void)sqlite3_finalize(stmts[i]);
    wcow_index_close_db(&index->db);
    free(index);
}

static int prepare_all(struct wcow_layer_index *index, struct wcow_error *err)
{
    const struct {
        const char *sql;
        sqlite3_stmt **stmt;
    } all[] = {
        /* A name both whited out and present: what is present counts. */
        {ROW_SELECT "WHERE d.key = ?1 AND e.leaf = ?2 ORDER BY e.type >= 6, e.id LIMIT 1",
         &index->by_key},
        {"SELECT coalesce(e.host_path, e.name) FROM entries e JOIN dirs d ON d.id = e.dir "
         "WHERE d.key = ?1 AND e.leaf = ?2 ORDER BY e.type >= 6, e.id LIMIT 1",
         &index->host_path},
        {ROW_SELECT "WHERE d.key = ?1 AND e.leaf > ?2 || ':' AND e.leaf < ?2 || ';' "
                    "AND e.type = 5 ORDER BY e.id",
         &index->streams},
        {ROW_SELECT "WHERE e.segment >= 0 ORDER BY e.id", &index->each},
        {"SELECT name, value FROM eas WHERE entry = ? ORDER BY seq", &index->eas},
        {"SELECT codec, raw_len, data FROM headers WHERE seq = ?", &index->headers},
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        int r = wcow_index_prepare(index->db, all[i].sql, all[i].stmt, err);
        if (r < 0)
            return r;
    }
    return WCOW_OK;
}

static int pragma_int(sqlite3 *db, const char *sql, int *ret, struct wcow_error *err)
{
    sqlite3_stmt *stmt = NULL;
    int r = wcow_index_prepare(db, sql, &stmt, err);
    if (r < 0)
        return r;
    int rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        *ret = sqlite3_column_int(stmt, 0);
    else
        r = wcow_index_sql_error(db, rc, "read its version", err);
    (void)sqlite3_finalize(stmt);
    return r;
}

static int check_version(struct wcow_layer_index *index, struct wcow_error *err)
{
    int application = 0;
    int version = 0;
    int r = pragma_int(index->db, "PRAGMA application_id", &application, err);
    if (r == WCOW_OK)
        r = pragma_int(index->db, "PRAGMA user_version", &version, err);
    if (r < 0)
        return r;
    if (application != WCOW_INDEX_APPLICATION)
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "layer.db is no layer index of wcow");
    if (version > WCOW_INDEX_VERSION)
        return WCOW_FAIL(err, WCOW_E_UNSUPPORTED,
                         "layer.db has schema version %d and this wcow knows up to %d: it was "
                         "written by a newer wcow; use that one",
                         version, WCOW_INDEX_VERSION);
    if (version != WCOW_INDEX_VERSION)
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "layer.db has the unknown schema version %d",
                         version);
    return WCOW_OK;
}

static int read_info(struct wcow_layer_index *index, struct wcow_error *err)
{
    sqlite3_stmt *stmt = NULL;
    int r = wcow_index_prepare(
        index->db, "SELECT diff_id, tar_bytes, entries FROM layer WHERE id = 1", &stmt, err);
    if (r < 0)
        return r;
    const char *diff_id = NULL;
    if (sqlite3_step(stmt) == SQLITE_ROW &&
        (diff_id = (const char *)sqlite3_column_text(stmt, 0)) &&
        (!*diff_id || wcow_digest_is_valid(diff_id))) {
        (void)snprintf(index->info.diff_id.text, sizeof(index->info.diff_id.text), "%s", diff_id);
        index->info.tar_bytes = (uint64_t)sqlite3_column_int64(stmt, 1);
        index->info.n_entries = (uint64_t)sqlite3_column_int64(stmt, 2);
    } else {
        r = WCOW_FAIL(err, WCOW_E_CORRUPT, "layer.db does not say what layer it is of");
    }
    (void)sqlite3_finalize(stmt);
    return r;
}

/* Indexes of before have no such table. What is not as it should be is not known: nothing depends
 * on it but the way that a Diff goes. */
static int read_origin(struct wcow_layer_index *index, struct wcow_error *err)
{
    int tables = 0;
    int r = pragma_int(index->db, "SELECT count(*) FROM sqlite_master WHERE name = 'origin'",
                       &tables, err);
    if (r < 0 || tables == 0)
        return r;
    sqlite3_stmt *stmt = NULL;
    r = wcow_index_prepare(index->db, "SELECT blob, bytes, compression FROM origin WHERE id = 1",
                           &stmt, err);
    if (r < 0)
        return r;
    struct wcow_layer_origin *o = &index->info.origin;
    const char *blob = NULL;
    const char *compression = NULL;
    if (sqlite3_step(stmt) == SQLITE_ROW && (blob = (const char *)sqlite3_column_text(stmt, 0)) &&
        wcow_digest_is_valid(blob) && (compression = (const char *)sqlite3_column_text(stmt, 2)) &&
        strlen(compression) < sizeof(o->compression)) {
        (void)snprintf(o->blob.text, sizeof(o->blob.text), "%s", blob);
        (void)snprintf(o->compression, sizeof(o->compression), "%s", compression);
        o->bytes = (uint64_t)sqlite3_column_int64(stmt, 1);
    }
    (void)sqlite3_finalize(stmt);
    return WCOW_OK;
}

int wcow_layer_index_open(int layer_fd, struct wcow_layer_index **ret, struct wcow_error *err)
{
    struct stat st;
    if (fstatat(layer_fd, WCOW_INDEX_NAME, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "layer index %s", WCOW_INDEX_NAME);
    if (!S_ISREG(st.st_mode))
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "%s is no regular file", WCOW_INDEX_NAME);
    WCOW_CLEANUP(wcow_layer_index_close_p)
    struct wcow_layer_index *index = calloc(1, sizeof(*index));
    if (!index)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a layer index");
    char uri[96];
    (void)snprintf(uri, sizeof(uri), "file:/proc/self/fd/%d/%s?mode=ro&immutable=1", layer_fd,
                   WCOW_INDEX_NAME);
    int rc = sqlite3_open_v2(uri, &index->db,
                             SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc != SQLITE_OK)
        return wcow_index_sql_error(index->db, rc, "open", err);
    int r = check_version(index, err);
    if (r == WCOW_OK)
        r = read_info(index, err);
    if (r == WCOW_OK)
        r = read_origin(index, err);
    if (r == WCOW_OK)
        r = prepare_all(index, err);
    if (r == WCOW_OK)
        *ret = WCOW_TAKE_PTR(index);
    return r;
}

const struct wcow_layer_info *wcow_layer_index_info(const struct wcow_layer_index *index)
{
    return &index->info;
}

/* ---- rows ---- */

/* A row as sqlite has it: everything but the EAs borrows from the statement. */
struct loaded {
    struct wcow_entry entry;
    char *key;
};

static void loaded_done(struct loaded *l)
{
    free(l->entry.eas);
    free(l->key);
    *l = (struct loaded){0};
}

static char *column_str(sqlite3_stmt *stmt, int col)
{
    /* The entry's strings are not const; nobody writes through a borrowed one. */
    union {
        const unsigned char *in;
        char *out;
    } u = {.in = sqlite3_column_text(stmt, col)};
    return u.out;
}

static uint8_t *column_blob(sqlite3_stmt *stmt, int col, size_t *ret_len)
{
    union {
        const void *in;
        uint8_t *out;
    } u = {.in = sqlite3_column_blob(stmt, col)};
    *ret_len = (size_t)sqlite3_column_bytes(stmt, col);
    return u.out;
}

static int load_eas(struct wcow_layer_index *index, int64_t id, size_t n, struct loaded *l,
                    struct wcow_error *err)
{
    /* The statement stays on its last row only; the values are copied into one block. */
    enum { MAX_EAS = 65536 };
    if (n > MAX_EAS)
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "layer.db: entry %lld has %zu extended attributes",
                         (long long)id, n);
    wcow_autobuf bytes = {0};
    size_t offsets[2] = {0};
    wcow_autofree size_t *at = calloc(n * 3 + 1, sizeof(*at));
    if (!at)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a layer index");
    wcow_autoreset *stmt = index->eas;
    (void)sqlite3_bind_int64(stmt, 1, id);
    size_t i = 0;
    int r = WCOW_OK;
    for (; r == WCOW_OK && i < n && sqlite3_step(stmt) == SQLITE_ROW; i++) {
        const char *name = column_str(stmt, 0);
        size_t len = 0;
        const uint8_t *value = column_blob(stmt, 1, &len);
        offsets[0] = bytes.len;
        r = wcow_buf_add(&bytes, name ? name : "", name ? strlen(name) + 1 : 1, err);
        offsets[1] = bytes.len;
        if (r == WCOW_OK && len)
            r = wcow_buf_add(&bytes, value, len, err);
        at[i * 3] = offsets[0];
        at[i * 3 + 1] = offsets[1];
        at[i * 3 + 2] = len;
    }
    if (r < 0)
        return r;
    if (i != n)
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "layer.db: entry %lld lacks extended attributes",
                         (long long)id);
    struct wcow_ea *eas = calloc(1, n * sizeof(*eas) + bytes.len + 1);
    if (!eas)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a layer index");
    uint8_t *store = (uint8_t *)(eas + n);
    memcpy(store, bytes.data, bytes.len);
    for (i = 0; i < n; i++)
        eas[i] = (struct wcow_ea){.name = (char *)store + at[i * 3],
                                  .value = store + at[i * 3 + 1],
                                  .len_bytes = at[i * 3 + 2]};
    l->entry.eas = eas;
    l->entry.n_eas = n;
    return WCOW_OK;
}

static int load_key(sqlite3_stmt *stmt, struct loaded *l, struct wcow_error *err)
{
    const char *dir = column_str(stmt, COL_DIR_KEY);
    const char *leaf = column_str(stmt, WCOW_COL_LEAF);
    if (!dir || !leaf)
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "layer.db: \"%s\" has no key", l->entry.name);
    size_t dir_len = strlen(dir);
    size_t leaf_len = strlen(leaf);
    l->key = malloc(dir_len + leaf_len + 2);
    if (!l->key)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a layer index");
    char *p = l->key;
    if (dir_len) {
        memcpy(p, dir, dir_len);
        p += dir_len;
        *p++ = '/';
    }
    memcpy(p, leaf, leaf_len);
    p[leaf_len] = '\0';
    return WCOW_OK;
}

static int load(struct wcow_layer_index *index, sqlite3_stmt *stmt, struct loaded *l,
                struct wcow_error *err)
{
    struct wcow_entry *e = &l->entry;
    int type = sqlite3_column_int(stmt, WCOW_COL_TYPE);
    e->name = column_str(stmt, WCOW_COL_NAME);
    e->link = column_str(stmt, WCOW_COL_LINK);
    if (type < WCOW_ENTRY_FILE || type > WCOW_ENTRY_OPAQUE || !e->name ||
        (!e->link && (type == WCOW_ENTRY_HARDLINK || type == WCOW_ENTRY_REPARSE)))
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "layer.db: row %lld is no entry",
                         (long long)sqlite3_column_int64(stmt, WCOW_COL_ID));
    e->type = (enum wcow_entry_type)type;
    e->size_bytes = (uint64_t)sqlite3_column_int64(stmt, WCOW_COL_SIZE);
    e->attributes = (uint32_t)sqlite3_column_int64(stmt, WCOW_COL_ATTRIBUTES);
    e->has = (uint32_t)sqlite3_column_int64(stmt, WCOW_COL_RECORDS);
    e->mtime = (uint64_t)sqlite3_column_int64(stmt, WCOW_COL_MTIME);
    e->atime = (uint64_t)sqlite3_column_int64(stmt, WCOW_COL_ATIME);
    e->ctime = (uint64_t)sqlite3_column_int64(stmt, WCOW_COL_CTIME);
    e->creation = (uint64_t)sqlite3_column_int64(stmt, WCOW_COL_CREATION);
    e->sd = column_blob(stmt, COL_SD, &e->sd_len_bytes);
    int64_t n_eas = sqlite3_column_int64(stmt, WCOW_COL_EAS);
    int r = load_key(stmt, l, err);
    if (r == WCOW_OK && n_eas > 0)
        r = load_eas(index, sqlite3_column_int64(stmt, WCOW_COL_ID), (size_t)n_eas, l, err);
    return r;
}

static int give_row(struct wcow_layer_index *index, sqlite3_stmt *stmt, wcow_index_row_fn fn,
                    void *arg, struct wcow_error *err)
{
    WCOW_CLEANUP(loaded_done) struct loaded l = {0};
    int r = load(index, stmt, &l, err);
    if (r < 0)
        return r;
    struct wcow_index_row row = {
        .entry = &l.entry,
        .key = l.key,
        .host_path = column_str(stmt, WCOW_COL_HOST_PATH),
        .is_inlined = sqlite3_column_type(stmt, WCOW_COL_DATA) != SQLITE_NULL,
        .segment_len = (uint64_t)sqlite3_column_int64(stmt, WCOW_COL_SEGMENT),
    };
    if (sqlite3_column_int64(stmt, WCOW_COL_SEGMENT) < 0) {
        row.is_implied = true;
        row.segment_len = 0;
    }
    if (row.is_inlined) {
        size_t len = 0;
        row.inlined.data = column_blob(stmt, WCOW_COL_DATA, &len);
        row.inlined.len = len;
    }
    if (!row.host_path)
        row.host_path = l.entry.name;
    return fn(arg, &row, err);
}

/* Run a bound statement to its end; the number of rows, or an error. */
static int each_row(struct wcow_layer_index *index, sqlite3_stmt *stmt, wcow_index_row_fn fn,
                    void *arg, struct wcow_error *err)
{
    int rc = SQLITE_ROW;
    int n = 0;
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        int r = give_row(index, stmt, fn, arg, err);
        if (r < 0)
            return r;
        n = 1;
    }
    return rc == SQLITE_DONE ? n : wcow_index_sql_error(index->db, rc, "read", err);
}

int wcow_layer_index_each(struct wcow_layer_index *index, wcow_index_row_fn fn, void *arg,
                          struct wcow_error *err)
{
    wcow_autoreset *stmt = index->each;
    int r = each_row(index, stmt, fn, arg, err);
    return r < 0 ? r : WCOW_OK;
}

int wcow_layer_index_headers(struct wcow_layer_index *index, uint64_t n, wcow_index_headers_fn fn,
                             void *arg, struct wcow_error *err)
{
    wcow_autoreset *stmt = index->headers;
    (void)sqlite3_bind_int64(stmt, 1, (int64_t)n + 1);
    int rc = sqlite3_step(stmt);
    if (rc == SQLITE_DONE)
        return 0;
    if (rc != SQLITE_ROW)
        return wcow_index_sql_error(index->db, rc, "read the headers", err);
    struct wcow_bytes data = {0};
    size_t len = 0;
    data.data = column_blob(stmt, 2, &len);
    data.len = len;
    const char *codec = column_str(stmt, 0);
    int r = fn(arg, codec ? codec : "", (uint64_t)sqlite3_column_int64(stmt, 1), data, err);
    return r < 0 ? r : 1;
}

static void bind_key(sqlite3_stmt *stmt, const char *key)
{
    struct wcow_index_key split = wcow_index_split(key);
    (void)sqlite3_bind_text64(stmt, 1, (const char *)split.dir.data, split.dir.len, SQLITE_STATIC,
                              SQLITE_UTF8);
    (void)sqlite3_bind_text64(stmt, 2, (const char *)split.leaf.data, split.leaf.len, SQLITE_STATIC,
                              SQLITE_UTF8);
}

int wcow_layer_index_streams(struct wcow_layer_index *index, const char *file_key,
                             wcow_index_row_fn fn, void *arg, struct wcow_error *err)
{
    wcow_autoreset *stmt = index->streams;
    bind_key(stmt, file_key);
    int r = each_row(index, stmt, fn, arg, err);
    return r < 0 ? r : WCOW_OK;
}

int wcow_layer_index_row(struct wcow_layer_index *index, const char *key, wcow_index_row_fn fn,
                         void *arg, struct wcow_error *err)
{
    wcow_autoreset *stmt = index->by_key;
    bind_key(stmt, key);
    return each_row(index, stmt, fn, arg, err);
}

int wcow_layer_index_host_path(struct wcow_layer_index *index, const char *key, char **ret,
                               struct wcow_error *err)
{
    wcow_autoreset *stmt = index->host_path;
    bind_key(stmt, key);
    int rc = sqlite3_step(stmt);
    if (rc == SQLITE_DONE)
        return 0;
    const char *path = rc == SQLITE_ROW ? column_str(stmt, 0) : NULL;
    if (!path)
        return wcow_index_sql_error(index->db, rc, "read", err);
    char *copy = strdup(path);
    if (!copy)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a path");
    *ret = copy;
    return 1;
}

/* ---- as a layer of a chain ---- */

static int copy_entry(void *arg, const struct wcow_index_row *row, struct wcow_error *err)
{
    return wcow_entry_copy(row->entry, arg, err);
}

static int view_lookup(void *layer, const char *key, struct wcow_entry *ret, struct wcow_error *err)
{
    wcow_autoentry copy = {0};
    int r = wcow_layer_index_row(layer, key, copy_entry, &copy, err);
    if (r <= 0)
        return r;
    *ret = copy;
    copy = (struct wcow_entry){0};
    return 1;
}

struct give_child {
    wcow_view_child_fn fn;
    void *arg;
};

static int on_child(void *arg, const struct wcow_index_row *row, struct wcow_error *err)
{
    const struct give_child *give = arg;
    return give->fn(give->arg, row->entry, err);
}

static int view_children(void *layer, const char *key, wcow_view_child_fn fn, void *arg,
                         struct wcow_error *err)
{
    struct wcow_layer_index *index = layer;
    struct give_child give = {.fn = fn, .arg = arg};
    /* A walk asks for the children of a child from inside the callback: one statement a level. */
    sqlite3_stmt *stmt = NULL;
    int r = wcow_index_prepare(index->db, CHILDREN_SELECT, &stmt, err);
    if (r < 0)
        return r;
    (void)sqlite3_bind_text(stmt, 1, key, -1, SQLITE_STATIC);
    r = each_row(index, stmt, on_child, &give, err);
    (void)sqlite3_finalize(stmt);
    return r < 0 ? r : WCOW_OK;
}

struct wcow_layer_view wcow_layer_index_view(struct wcow_layer_index *index)
{
    static const struct wcow_layer_view_ops ops = {.lookup = view_lookup,
                                                   .children = view_children};
    return (struct wcow_layer_view){.ops = &ops, .layer = index};
}
