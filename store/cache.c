/* SPDX-License-Identifier: Apache-2.0 */
#include "store/cache.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/beneath.h"
#include "base/bytes.h"

/* Of another version it is as good as none: it is set aside. */
enum { SCHEMA_VERSION = 2, BUSY_MS = 5000, PAUSE_MS = 5, APPLICATION_ID = 0x77636263 /* "wcbc" */ };
enum { MAX_PENDING = 4096 }; /* files in memory, about 1 MiB: others wait while they are written */

/* The log is not written back when a build ends, for that costs four syncs: the next one reads it,
 * so it is kept short. Losing the last seconds of a cache on power loss costs nothing: NORMAL. */
static const char modes[] =
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 200;"
    "PRAGMA temp_store = MEMORY;";

/* Each statement is prepared when first used. */
enum query {
    FILE_GET,
    RECENT_GET,
    RECENT_PUT,
    SHAPE_HAS,
    LAYER_GET,
    LAYER_USED,
    LAYER_PUT,
    LAYER_DROP,
    LAYERS_ALL,
    LAYER_OTHER,
    TEXT_GET,
    TEXT_PUT,
    N_QUERIES,
};

static const char *const texts[N_QUERIES] = {
    [FILE_GET] = "SELECT digest FROM files WHERE dev = ?1 AND ino = ?2 AND size_bytes = ?3 AND "
                 "mtime_ns = ?4 AND ctime_ns = ?5",
    [RECENT_GET] = "SELECT digest FROM temp.recent WHERE dev = ?1 AND ino = ?2 AND "
                   "size_bytes = ?3 AND mtime_ns = ?4 AND ctime_ns = ?5",
    [RECENT_PUT] = "INSERT OR REPLACE INTO temp.recent (dev, ino, size_bytes, mtime_ns, ctime_ns, "
                   "digest, is_pending) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [SHAPE_HAS] = "SELECT 1 FROM layers WHERE shape = ?1 LIMIT 1",
    [LAYER_GET] = "SELECT diff_id, digest, size_bytes, tar_bytes, created_s, used_s FROM layers "
                  "WHERE key = ?1",
    [LAYER_USED] = "UPDATE layers SET used_s = ?2 WHERE key = ?1",
    [LAYER_PUT] = "INSERT OR REPLACE INTO layers (key, shape, diff_id, digest, size_bytes, "
                  "tar_bytes, created_s, used_s) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    [LAYER_DROP] = "DELETE FROM layers WHERE key = ?1",
    [LAYERS_ALL] = "SELECT diff_id, digest, size_bytes, tar_bytes, created_s, used_s, key "
                   "FROM layers ORDER BY used_s DESC, key",
    [LAYER_OTHER] = "SELECT key, shape FROM layers WHERE digest = ?1 AND key <> ?2 AND shape <> ?3 "
                    "AND shape <> key ORDER BY used_s DESC, key LIMIT 1",
    [TEXT_GET] = "SELECT text FROM texts WHERE key = ?1",
    [TEXT_PUT] = "INSERT OR REPLACE INTO texts (key, text) VALUES (?1, ?2)",
};

static const char schema[] =
    "CREATE TABLE files (dev INTEGER NOT NULL, ino INTEGER NOT NULL, size_bytes INTEGER NOT NULL,"
    " mtime_ns INTEGER NOT NULL, ctime_ns INTEGER NOT NULL, digest TEXT NOT NULL,"
    " PRIMARY KEY (dev, ino)) WITHOUT ROWID, STRICT;"
    "CREATE TABLE layers (key TEXT PRIMARY KEY, shape TEXT NOT NULL, diff_id TEXT NOT NULL,"
    " digest TEXT NOT NULL, size_bytes INTEGER NOT NULL, tar_bytes INTEGER NOT NULL,"
    " created_s INTEGER NOT NULL, used_s INTEGER NOT NULL) WITHOUT ROWID, STRICT;"
    "CREATE INDEX layers_shape ON layers (shape);"
    "CREATE TABLE texts (key TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID, STRICT;";

/* Of this process, in memory: those that are for it alone, and those that are still to be written
 * to the file. */
static const char schema_recent[] =
    "CREATE TEMP TABLE recent (dev INTEGER NOT NULL, ino INTEGER NOT NULL,"
    " size_bytes INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, ctime_ns INTEGER NOT NULL,"
    " digest TEXT NOT NULL, is_pending INTEGER NOT NULL, PRIMARY KEY (dev, ino))"
    " WITHOUT ROWID, STRICT;";

static const char write_pending[] =
    "INSERT OR REPLACE INTO files (dev, ino, size_bytes, mtime_ns, ctime_ns, digest) "
    "SELECT dev, ino, size_bytes, mtime_ns, ctime_ns, digest FROM temp.recent WHERE is_pending;";

struct wcow_build_cache {
    sqlite3 *db;
    bool has_recent;
    size_t n_pending; /* rows of it */
    sqlite3_stmt *queries[N_QUERIES];
    bool reading;         /* a transaction is open: files are asked for by the thousand, and each
                             question alone would lock the file anew */
    pthread_mutex_t lock; /* of all above, but not when opening and closing */
};

static pthread_mutex_t *lock(struct wcow_build_cache *c)
{
    (void)pthread_mutex_lock(&c->lock);
    return &c->lock;
}

static void unlock(pthread_mutex_t **held)
{
    (void)pthread_mutex_unlock(*held);
}

/* Until the end of the block. */
#define HOLD(c) WCOW_CLEANUP(unlock) pthread_mutex_t *held = lock(c)

static int failed(const struct wcow_build_cache *c, struct wcow_error *err)
{
    return WCOW_FAIL(err, WCOW_E_IO, "the build cache: %s", sqlite3_errmsg(c->db));
}

static int exec(struct wcow_build_cache *c, const char *sql, struct wcow_error *err)
{
    return sqlite3_exec(c->db, sql, NULL, NULL, NULL) == SQLITE_OK ? WCOW_OK : failed(c, err);
}

/* ---- transactions ---- */

static int begin_reading(struct wcow_build_cache *c, struct wcow_error *err)
{
    if (c->reading)
        return WCOW_OK;
    int r = exec(c, "BEGIN", err);
    c->reading = r == WCOW_OK;
    return r;
}

/* Whoever asks for more than files sees what others have remembered meanwhile. */
static int end_reading(struct wcow_build_cache *c, struct wcow_error *err)
{
    if (!c->reading)
        return WCOW_OK;
    c->reading = false;
    return exec(c, "COMMIT", err);
}

/* Others wait until it is ended, which is within the same call. The pending files come first. */
static int begin_writing(struct wcow_build_cache *c, struct wcow_error *err)
{
    int r = end_reading(c, err);
    if (r == WCOW_OK)
        r = exec(c, "BEGIN IMMEDIATE", err);
    if (r == WCOW_OK && c->n_pending)
        r = exec(c, write_pending, err);
    return r;
}

/* @param r of what was done in it; below 0 nothing of it stays */
static int end_writing(struct wcow_build_cache *c, int r, struct wcow_error *err)
{
    if (r == WCOW_OK)
        r = exec(c, "COMMIT", err);
    if (r < 0) {
        if (!sqlite3_get_autocommit(c->db))
            (void)exec(c, "ROLLBACK", NULL);
        return r;
    }
    if (c->n_pending && exec(c, "DELETE FROM temp.recent WHERE is_pending", NULL) == WCOW_OK)
        c->n_pending = 0;
    return WCOW_OK;
}

static int write_files(struct wcow_build_cache *c, struct wcow_error *err)
{
    return c->n_pending ? end_writing(c, begin_writing(c, err), err) : WCOW_OK;
}

/* ---- opening ---- */

static int make_folder(const char *path, struct wcow_error *err)
{
    wcow_autofree char *dir = strdup(path);
    if (!dir)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for the build cache");
    for (char *p = dir + 1; *p; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        if (mkdir(dir, 0700) < 0 && errno != EEXIST)
            return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "make the folder %s", dir);
        *p = '/';
    }
    return WCOW_OK;
}

/* What the file says that it is. */
enum file_kind { FILE_READY, FILE_NEW, FILE_FOREIGN };

static int pragma_int(struct wcow_build_cache *c, const char *sql, int *ret)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(c->db, sql, -1, &stmt, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        *ret = sqlite3_column_int(stmt, 0);
    (void)sqlite3_finalize(stmt);
    return rc;
}

/* Both numbers of one moment: another process may be writing them just now. */
static int tell_kind(struct wcow_build_cache *c, enum file_kind *ret, struct wcow_error *err)
{
    int id = 0;
    int version = 0;
    int r = exec(c, "BEGIN", err);
    if (r < 0)
        return r;
    int rc = pragma_int(c, "PRAGMA application_id", &id);
    if (rc == SQLITE_ROW)
        rc = pragma_int(c, "PRAGMA user_version", &version);
    if (rc == SQLITE_NOTADB || rc == SQLITE_CORRUPT)
        *ret = FILE_FOREIGN;
    else if (rc != SQLITE_ROW)
        r = failed(c, err);
    else if (id == 0 && version == 0)
        *ret = FILE_NEW;
    else
        *ret = id == APPLICATION_ID && version == SCHEMA_VERSION ? FILE_READY : FILE_FOREIGN;
    (void)exec(c, "COMMIT", NULL);
    return r;
}

static int try_open(const char *path, struct wcow_build_cache **ret, enum file_kind *ret_kind,
                    struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_build_cache_close_p) struct wcow_build_cache *c = calloc(1, sizeof(*c));
    if (!c)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for the build cache");
    (void)pthread_mutex_init(&c->lock, NULL);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(path, &c->db, flags, NULL) != SQLITE_OK)
        return failed(c, err);
    (void)sqlite3_busy_timeout(c->db, BUSY_MS);
    int r = tell_kind(c, ret_kind, err);
    if (r == WCOW_OK)
        *ret = WCOW_TAKE_PTR(c);
    return r;
}

/* What is no cache of ours is kept under another name, in case that was a mistake. */
static int set_aside(const char *path, struct wcow_error *err)
{
    wcow_autobuf old = {0};
    int r = wcow_buf_addf(&old, err, "%s.old", path);
    if (r == WCOW_OK && rename(path, (const char *)old.data) < 0)
        r = WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "set %s aside", path);
    static const char *const beside[] = {"-wal", "-shm"};
    for (size_t i = 0; r == WCOW_OK && i < 2; i++) {
        wcow_autobuf name = {0};
        r = wcow_buf_addf(&name, err, "%s%s", path, beside[i]);
        if (r == WCOW_OK)
            (void)unlink((const char *)name.data);
    }
    return r;
}

static int fill_new(struct wcow_build_cache *c, struct wcow_error *err)
{
    char stamp[96];
    (void)sqlite3_snprintf((int)sizeof(stamp), stamp,
                           "PRAGMA application_id = %d; PRAGMA user_version = %d;", APPLICATION_ID,
                           SCHEMA_VERSION);
    int r = exec(c, "BEGIN IMMEDIATE", err);
    if (r < 0)
        return r;
    r = exec(c, schema, err);
    if (r == WCOW_OK)
        r = exec(c, stamp, err);
    int end = exec(c, r == WCOW_OK ? "COMMIT" : "ROLLBACK", r == WCOW_OK ? err : NULL);
    return r < 0 ? r : end;
}

/* sqlite does not wait for those who look at a new file just now. */
static int set_modes(struct wcow_build_cache *c, struct wcow_error *err)
{
    int r = exec(c, modes, err);
    for (int i = 0; r < 0 && sqlite3_errcode(c->db) == SQLITE_BUSY && i < BUSY_MS / PAUSE_MS; i++) {
        (void)usleep(PAUSE_MS * 1000);
        r = exec(c, modes, err);
    }
    return r;
}

/* Held by who begins a file or sets one aside: others find it ready, or wait. */
static int lock_folder(const char *path, int *ret, struct wcow_error *err)
{
    wcow_autofree char *folder = strdup(path);
    if (!folder)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for the build cache");
    char *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = '\0';
    wcow_autoclose int fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = fd < 0 ? fd : flock(fd, LOCK_EX);
    while (r < 0 && errno == EINTR)
        r = flock(fd, LOCK_EX);
    if (r < 0)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "lock the folder of the cache");
    *ret = WCOW_TAKE_FD(fd);
    return WCOW_OK;
}

static int begin_anew(const char *path, struct wcow_build_cache **ret, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_build_cache_close_p) struct wcow_build_cache *c = NULL;
    enum file_kind kind = FILE_NEW;
    wcow_autoclose int lock_fd = -1;
    int r = lock_folder(path, &lock_fd, err);
    if (r == WCOW_OK)
        r = try_open(path, &c, &kind, err);
    if (r == WCOW_OK && kind == FILE_FOREIGN) {
        wcow_build_cache_close(WCOW_TAKE_PTR(c));
        r = set_aside(path, err);
        if (r == WCOW_OK)
            r = try_open(path, &c, &kind, err);
    }
    if (r == WCOW_OK)
        r = set_modes(c, err);
    if (r == WCOW_OK && kind == FILE_NEW)
        r = fill_new(c, err);
    if (r == WCOW_OK)
        *ret = WCOW_TAKE_PTR(c);
    return r;
}

static int open_ready(const char *path, struct wcow_build_cache **ret, bool *ret_is_ready,
                      struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_build_cache_close_p) struct wcow_build_cache *c = NULL;
    enum file_kind kind = FILE_NEW;
    int r = try_open(path, &c, &kind, err);
    *ret_is_ready = r == WCOW_OK && kind == FILE_READY;
    if (!*ret_is_ready)
        return r;
    r = set_modes(c, err);
    (void)sqlite3_db_config(c->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (r == WCOW_OK)
        *ret = WCOW_TAKE_PTR(c);
    return r;
}

int wcow_build_cache_open(const char *path, struct wcow_build_cache **ret, struct wcow_error *err)
{
    bool is_ready = false;
    int r = make_folder(path, err);
    if (r == WCOW_OK)
        r = open_ready(path, ret, &is_ready, err);
    if (r == WCOW_OK && !is_ready)
        r = begin_anew(path, ret, err);
    return r < 0 ? wcow_error_wrap(r, err, "%s", path) : WCOW_OK;
}

void wcow_build_cache_close(struct wcow_build_cache *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < N_QUERIES; i++)
        (void)sqlite3_finalize(c->queries[i]);
    (void)!write_files(c, NULL);
    (void)!end_reading(c, NULL);
    (void)sqlite3_close(c->db);
    (void)pthread_mutex_destroy(&c->lock);
    free(c);
}

/* ---- statements ---- */

static int begin(struct wcow_build_cache *c, enum query query, sqlite3_stmt **ret,
                 struct wcow_error *err)
{
    sqlite3_stmt **stmt = &c->queries[query];
    if (!*stmt && sqlite3_prepare_v3(c->db, texts[query], -1, SQLITE_PREPARE_PERSISTENT, stmt,
                                     NULL) != SQLITE_OK)
        return failed(c, err);
    (void)sqlite3_reset(*stmt);
    *ret = *stmt;
    return WCOW_OK;
}

static void bind_text(sqlite3_stmt *stmt, int at, const char *text)
{
    (void)sqlite3_bind_text(stmt, at, text, -1, SQLITE_TRANSIENT);
}

static void bind_u64(sqlite3_stmt *stmt, int at, uint64_t value)
{
    (void)sqlite3_bind_int64(stmt, at, (sqlite3_int64)value);
}

/* 1 a row, 0 none. */
static int step(struct wcow_build_cache *c, sqlite3_stmt *stmt, struct wcow_error *err)
{
    int r = sqlite3_step(stmt);
    if (r == SQLITE_ROW)
        return 1;
    return r == SQLITE_DONE ? 0 : failed(c, err);
}

static int change(struct wcow_build_cache *c, sqlite3_stmt *stmt, struct wcow_error *err)
{
    int r = step(c, stmt, err);
    (void)sqlite3_reset(stmt);
    return r < 0 ? r : WCOW_OK;
}

static bool take_digest(sqlite3_stmt *stmt, int column, struct wcow_digest *ret)
{
    const unsigned char *text = sqlite3_column_text(stmt, column);
    if (!text || !wcow_digest_is_valid((const char *)text))
        return false;
    memcpy(ret->text, text, sizeof(ret->text));
    return true;
}

/* ---- files ---- */

static void bind_stamp(sqlite3_stmt *stmt, const struct wcow_file_stamp *stamp)
{
    bind_u64(stmt, 1, stamp->dev);
    bind_u64(stmt, 2, stamp->ino);
    bind_u64(stmt, 3, stamp->size_bytes);
    (void)sqlite3_bind_int64(stmt, 4, stamp->mtime_ns);
    (void)sqlite3_bind_int64(stmt, 5, stamp->ctime_ns);
}

/* By FILE_GET or RECENT_GET: 1 or 0. */
static int find_file(struct wcow_build_cache *c, enum query query,
                     const struct wcow_file_stamp *stamp, struct wcow_digest *ret,
                     struct wcow_error *err)
{
    sqlite3_stmt *stmt = NULL;
    int r = begin(c, query, &stmt, err);
    if (r < 0)
        return r;
    bind_stamp(stmt, stamp);
    r = step(c, stmt, err);
    if (r == 1 && !take_digest(stmt, 0, ret))
        r = 0;
    (void)sqlite3_reset(stmt);
    return r;
}

static int put_file(struct wcow_build_cache *c, const struct wcow_file_stamp *stamp,
                    const struct wcow_digest *digest, bool is_pending, struct wcow_error *err)
{
    sqlite3_stmt *stmt = NULL;
    int r = c->has_recent ? WCOW_OK : exec(c, schema_recent, err);
    c->has_recent |= r == WCOW_OK;
    if (r == WCOW_OK)
        r = begin(c, RECENT_PUT, &stmt, err);
    if (r < 0)
        return r;
    bind_stamp(stmt, stamp);
    bind_text(stmt, 6, digest->text);
    (void)sqlite3_bind_int(stmt, 7, is_pending);
    return change(c, stmt, err);
}

int wcow_build_cache_file(struct wcow_build_cache *c, const struct wcow_file_stamp *stamp,
                          struct wcow_digest *ret, struct wcow_error *err)
{
    HOLD(c);
    int r = begin_reading(c, err);
    if (r == WCOW_OK)
        r = find_file(c, FILE_GET, stamp, ret, err);
    return r == 0 && c->has_recent ? find_file(c, RECENT_GET, stamp, ret, err) : r;
}

int wcow_build_cache_remember_file(struct wcow_build_cache *c, const struct wcow_file_stamp *stamp,
                                   const struct wcow_digest *digest, struct wcow_error *err)
{
    HOLD(c);
    int r = put_file(c, stamp, digest, true, err);
    if (r < 0)
        return r;
    return ++c->n_pending % MAX_PENDING == 0 ? write_files(c, err) : WCOW_OK;
}

int wcow_build_cache_note_file(struct wcow_build_cache *c, const struct wcow_file_stamp *stamp,
                               const struct wcow_digest *digest, struct wcow_error *err)
{
    HOLD(c);
    return put_file(c, stamp, digest, false, err);
}

/* ---- layers ---- */

int wcow_build_cache_has_shape(struct wcow_build_cache *c, const struct wcow_digest *shape,
                               struct wcow_error *err)
{
    HOLD(c);
    sqlite3_stmt *stmt = NULL;
    int r = end_reading(c, err);
    if (r == WCOW_OK)
        r = begin(c, SHAPE_HAS, &stmt, err);
    if (r < 0)
        return r;
    bind_text(stmt, 1, shape->text);
    r = step(c, stmt, err);
    (void)sqlite3_reset(stmt);
    return r;
}

static int touch(struct wcow_build_cache *c, const struct wcow_digest *key, struct wcow_error *err)
{
    sqlite3_stmt *stmt = NULL;
    int r = begin(c, LAYER_USED, &stmt, err);
    if (r < 0)
        return r;
    bind_text(stmt, 1, key->text);
    (void)sqlite3_bind_int64(stmt, 2, time(NULL));
    return change(c, stmt, err);
}

/* The columns as LAYER_GET has them. */
static bool take_layer(sqlite3_stmt *stmt, struct wcow_cached_layer *ret)
{
    struct wcow_cached_layer layer = {0};
    if (!take_digest(stmt, 0, &layer.diff_id) || !take_digest(stmt, 1, &layer.digest))
        return false;
    layer.size_bytes = (uint64_t)sqlite3_column_int64(stmt, 2);
    layer.tar_bytes = (uint64_t)sqlite3_column_int64(stmt, 3);
    layer.created_s = sqlite3_column_int64(stmt, 4);
    layer.used_s = sqlite3_column_int64(stmt, 5);
    *ret = layer;
    return true;
}

int wcow_build_cache_each_layer(struct wcow_build_cache *c, wcow_cached_layer_fn fn, void *arg,
                                struct wcow_error *err)
{
    HOLD(c);
    sqlite3_stmt *stmt = NULL;
    int r = begin(c, LAYERS_ALL, &stmt, err);
    while (r == WCOW_OK && (r = step(c, stmt, err)) == 1) {
        struct wcow_cached_layer layer = {0};
        struct wcow_digest key = {0};
        r = WCOW_OK;
        if (take_layer(stmt, &layer) && take_digest(stmt, 6, &key))
            r = fn(arg, &key, &layer, err);
        if (r > 0)
            r = WCOW_OK;
    }
    (void)sqlite3_reset(stmt);
    return r;
}

int wcow_build_cache_forget_files(struct wcow_build_cache *c, struct wcow_error *err)
{
    HOLD(c);
    int r = write_files(c, err);
    if (r == WCOW_OK)
        r = end_reading(c, err);
    return r < 0 ? r : exec(c, "DELETE FROM files; DELETE FROM texts", err);
}

int wcow_build_cache_layer(struct wcow_build_cache *c, const struct wcow_digest *key,
                           struct wcow_cached_layer *ret, struct wcow_error *err)
{
    HOLD(c);
    sqlite3_stmt *stmt = NULL;
    int r = end_reading(c, err);
    if (r == WCOW_OK)
        r = begin(c, LAYER_GET, &stmt, err);
    if (r < 0)
        return r;
    bind_text(stmt, 1, key->text);
    r = step(c, stmt, err);
    if (r == 1 && !take_layer(stmt, ret))
        r = 0;
    (void)sqlite3_reset(stmt);
    /* What is found is found, though another build may write for so long that this is not noted. */
    if (r == 1)
        (void)!touch(c, key, NULL);
    return r;
}

static int put_layer(struct wcow_build_cache *c, const struct wcow_digest *shape,
                     const struct wcow_digest *key, const struct wcow_cached_layer *layer,
                     struct wcow_error *err)
{
    sqlite3_stmt *stmt = NULL;
    int r = begin(c, LAYER_PUT, &stmt, err);
    if (r < 0)
        return r;
    bind_text(stmt, 1, key->text);
    bind_text(stmt, 2, shape->text);
    bind_text(stmt, 3, layer->diff_id.text);
    bind_text(stmt, 4, layer->digest.text);
    bind_u64(stmt, 5, layer->size_bytes);
    bind_u64(stmt, 6, layer->tar_bytes);
    (void)sqlite3_bind_int64(stmt, 7, layer->created_s);
    (void)sqlite3_bind_int64(stmt, 8, time(NULL));
    return change(c, stmt, err);
}

int wcow_build_cache_remember_layer(struct wcow_build_cache *c, const struct wcow_digest *shape,
                                    const struct wcow_digest *key,
                                    const struct wcow_cached_layer *layer, struct wcow_error *err)
{
    HOLD(c);
    int r = begin_writing(c, err);
    if (r == WCOW_OK)
        r = put_layer(c, shape, key, layer, err);
    return end_writing(c, r, err);
}

int wcow_build_cache_other_key(struct wcow_build_cache *c, const struct wcow_digest *digest,
                               const struct wcow_digest *key, const struct wcow_digest *shape,
                               struct wcow_digest *ret_key, struct wcow_digest *ret_shape,
                               struct wcow_error *err)
{
    HOLD(c);
    sqlite3_stmt *stmt = NULL;
    struct wcow_digest found_key = {0};
    struct wcow_digest found_shape = {0};
    int r = begin(c, LAYER_OTHER, &stmt, err);
    if (r < 0)
        return r;
    bind_text(stmt, 1, digest->text);
    bind_text(stmt, 2, key->text);
    bind_text(stmt, 3, shape->text);
    r = step(c, stmt, err);
    if (r == 1 && (!take_digest(stmt, 0, &found_key) || !take_digest(stmt, 1, &found_shape)))
        r = 0;
    (void)sqlite3_reset(stmt);
    if (r == 1) {
        *ret_key = found_key;
        *ret_shape = found_shape;
    }
    return r;
}

int wcow_build_cache_text(struct wcow_build_cache *c, const struct wcow_digest *key, char **ret,
                          struct wcow_error *err)
{
    HOLD(c);
    sqlite3_stmt *stmt = NULL;
    int r = begin(c, TEXT_GET, &stmt, err);
    if (r < 0)
        return r;
    bind_text(stmt, 1, key->text);
    r = step(c, stmt, err);
    if (r == 1) {
        const char *text = (const char *)sqlite3_column_text(stmt, 0);
        char *copy = strdup(text ? text : "");
        if (copy)
            *ret = copy;
        else
            r = WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for the build cache");
    }
    (void)sqlite3_reset(stmt);
    return r;
}

int wcow_build_cache_remember_text(struct wcow_build_cache *c, const struct wcow_digest *key,
                                   const char *text, struct wcow_error *err)
{
    HOLD(c);
    sqlite3_stmt *stmt = NULL;
    int r = end_reading(c, err);
    if (r == WCOW_OK)
        r = begin(c, TEXT_PUT, &stmt, err);
    if (r < 0)
        return r;
    bind_text(stmt, 1, key->text);
    bind_text(stmt, 2, text);
    return change(c, stmt, err);
}

int wcow_build_cache_forget_layer(struct wcow_build_cache *c, const struct wcow_digest *key,
                                  struct wcow_error *err)
{
    HOLD(c);
    sqlite3_stmt *stmt = NULL;
    int r = end_reading(c, err);
    if (r == WCOW_OK)
        r = begin(c, LAYER_DROP, &stmt, err);
    if (r < 0)
        return r;
    bind_text(stmt, 1, key->text);
    return change(c, stmt, err);
}
