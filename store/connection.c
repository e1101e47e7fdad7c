/* SPDX-License-Identifier: Apache-2.0 */
/* One sqlite connection and its prepared statements. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "store/db_internal.h"
#include "store/log_file.h"

enum { BUSY_TIMEOUT_MS = 5000, SHARED_MEMORY_BYTES = 32768 };

static int code_of(int sqlite_code)
{
    switch (sqlite_code & 0xff) {
    case SQLITE_NOMEM:
        return WCOW_E_NOMEM;
    case SQLITE_FULL:
        return WCOW_E_LIMIT;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_CANTOPEN:
        return WCOW_E_DENIED;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return WCOW_E_CORRUPT;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return WCOW_E_UNAVAILABLE;
    case SQLITE_IOERR:
        return WCOW_E_IO;
    case SQLITE_TOOBIG:
        return WCOW_E_LIMIT;
    default:
        return WCOW_E_INTERNAL;
    }
}

/* What a person can do about it. */
static const char *advice(int code)
{
    switch (code) {
    case WCOW_E_LIMIT:
        return "; free some space on its file system";
    case WCOW_E_DENIED:
        return "; check that its folder is writable and its file system not read-only";
    case WCOW_E_CORRUPT:
        return "; stop wcowd, check the file with: sqlite3 metadata.db 'PRAGMA integrity_check', "
               "and put it back from a backup";
    case WCOW_E_UNAVAILABLE:
        return "; another program holds a lock on it (an sqlite3 shell?): close that";
    case WCOW_E_IO:
        return "; check the disk and the kernel's log";
    default:
        return "";
    }
}

/* What the system said is nearer to the cause than sqlite's "disk I/O error". */
static int refine(int sqlite_code, int sys_errno)
{
    int primary = sqlite_code & 0xff;
    if ((primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN) &&
        (sys_errno == ENOSPC || sys_errno == EDQUOT))
        return WCOW_E_LIMIT;
    if (primary == SQLITE_IOERR && sys_errno == EROFS)
        return WCOW_E_DENIED;
    return code_of(sqlite_code);
}

int wcow_db_fail(struct wcow_db *db, const char *what, struct wcow_error *err)
{
    int sqlite_code = db->handle ? sqlite3_extended_errcode(db->handle) : SQLITE_NOMEM;
    int sys_errno = db->handle ? sqlite3_system_errno(db->handle) : 0;
    int code = refine(sqlite_code, sys_errno);
    const char *says = db->handle ? sqlite3_errmsg(db->handle) : "out of memory";
    if ((sqlite_code & 0xff) == SQLITE_CANTOPEN && (sys_errno == EMFILE || sys_errno == ENFILE))
        return WCOW_FAIL(err, WCOW_E_LIMIT,
                         "metadata.db: cannot %s: Too many open files; raise the limit of "
                         "descriptors (LimitNOFILE= of the service)",
                         what);
    if ((sqlite_code & 0xff) != SQLITE_IOERR || sys_errno == 0)
        return WCOW_FAIL(err, code, "metadata.db: cannot %s: %s (sqlite %d)%s", what, says,
                         sqlite_code, advice(code));
    errno = sys_errno;
    return WCOW_FAIL_ERRNO(err, code, "metadata.db: cannot %s: %s (sqlite %d)%s", what, says,
                           sqlite_code, advice(code));
}

void wcow_db_wait_when_busy(struct wcow_db *db, bool wait)
{
    (void)sqlite3_busy_timeout(db->handle, wait ? BUSY_TIMEOUT_MS : 0);
}

int wcow_db_blame(int code, struct wcow_error *err)
{
    if (code != WCOW_E_CORRUPT)
        return code;
    if (err)
        err->code = WCOW_E_INTERNAL;
    return WCOW_E_INTERNAL;
}

int wcow_db_script(struct wcow_db *db, const char *sql, struct wcow_error *err)
{
    if (sqlite3_exec(db->handle, sql, NULL, NULL, NULL) != SQLITE_OK)
        return wcow_db_fail(db, "run a script", err);
    return WCOW_OK;
}

static int set_up(struct wcow_db *db, enum wcow_db_mode mode, struct wcow_error *err)
{
    (void)sqlite3_extended_result_codes(db->handle, 1);
    (void)sqlite3_busy_timeout(db->handle, BUSY_TIMEOUT_MS);
    if (mode == WCOW_DB_READER)
        return wcow_db_script(db, "PRAGMA query_only = 1; PRAGMA cache_size = -1024", err);
    if (mode == WCOW_DB_COPIER)
        return wcow_db_script(db, "PRAGMA synchronous = FULL; PRAGMA cache_size = -256", err);
    return wcow_db_script(db,
                          "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                          "PRAGMA foreign_keys = ON; PRAGMA cache_size = -2048",
                          err); /* store/wal.h checkpoints */
}

/* sqlite maps the log's shared memory, and does not say of a full disk what it is; on blocks
 * smaller than a page, touching the memory ends the process. Only before this process has a
 * connection: closing the file gives up the locks that its connections have there. */
static int reserve_shared_memory(const char *db_path, struct wcow_error *err)
{
    char path[4096];
    if (snprintf(path, sizeof(path), "%s-shm", db_path) >= (int)sizeof(path))
        return WCOW_OK;
    wcow_autoclose int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    int e = fd < 0 ? 0 : posix_fallocate(fd, 0, SHARED_MEMORY_BYTES);
    if (e != ENOSPC && e != EDQUOT)
        return WCOW_OK; /* what else is wrong sqlite finds out, and says */
    errno = e;
    return WCOW_FAIL_ERRNO(err, WCOW_E_LIMIT,
                           "%s: no room for %d bytes; free some space on its file system", path,
                           SHARED_MEMORY_BYTES);
}

/* sqlite allocates a cache's first pages in one piece, and gives it back with the last of them: for
 * the tables that a statement makes for itself that is each time. It counts all memory, too. */
static void configure(void)
{
    (void)sqlite3_config(SQLITE_CONFIG_PAGECACHE, NULL, 0, 0);
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

int wcow_db_open(const char *path, enum wcow_db_mode mode, struct wcow_db **ret,
                 struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_db_close_p) struct wcow_db *db = calloc(1, sizeof(*db));
    if (!db)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a database connection");
    /* A reader too is opened for writing, so that it can make the shared memory of the log where no
     * writer has; query_only keeps it from changing anything. */
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    if (mode == WCOW_DB_WRITER)
        flags |= SQLITE_OPEN_CREATE;
    int r = mode == WCOW_DB_WRITER ? reserve_shared_memory(path, err) : WCOW_OK;
    if (r < 0)
        return r;
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, configure);
    const char *vfs = mode == WCOW_DB_WRITER ? wcow_log_file_vfs() : NULL;
    if (sqlite3_open_v2(path, &db->handle, flags, vfs) != SQLITE_OK)
        return wcow_error_wrap(wcow_db_fail(db, "open it", err), err, "%s", path);
    r = set_up(db, mode, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "%s", path);
    *ret = WCOW_TAKE_PTR(db);
    return WCOW_OK;
}

void wcow_db_close(struct wcow_db *db)
{
    if (!db)
        return;
    for (size_t i = 0; i < WCOW_DB_STATEMENTS; i++)
        (void)sqlite3_finalize(db->cached[i].stmt);
    (void)sqlite3_close(db->handle);
    free(db);
}

int wcow_db_stmt(struct wcow_db *db, const char *sql, sqlite3_stmt **ret, struct wcow_error *err)
{
    size_t start = ((uintptr_t)sql >> 4) % WCOW_DB_STATEMENTS;
    for (size_t n = 0; n < WCOW_DB_STATEMENTS; n++) {
        size_t i = (start + n) % WCOW_DB_STATEMENTS;
        if (db->cached[i].sql == sql) {
            *ret = db->cached[i].stmt;
            return WCOW_OK;
        }
        if (db->cached[i].sql)
            continue;
        if (sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, ret, NULL) !=
            SQLITE_OK)
            return wcow_db_fail(db, "prepare a statement", err);
        db->cached[i].sql = sql;
        db->cached[i].stmt = *ret;
        return WCOW_OK;
    }
    return WCOW_FAIL(err, WCOW_E_INTERNAL, "more than %d statements on one connection",
                     WCOW_DB_STATEMENTS);
}

void wcow_db_reset_p(sqlite3_stmt **stmt)
{
    if (!*stmt)
        return;
    (void)sqlite3_reset(*stmt);
    (void)sqlite3_clear_bindings(*stmt);
    *stmt = NULL;
}

int wcow_db_step(struct wcow_db *db, sqlite3_stmt *stmt, struct wcow_error *err)
{
    int r = sqlite3_step(stmt);
    if (r == SQLITE_ROW)
        return 1;
    if (r == SQLITE_DONE)
        return 0;
    return wcow_db_fail(db, "read or write it", err);
}

int wcow_db_exec(struct wcow_db *db, const char *constant_sql, struct wcow_error *err)
{
    wcow_autoreset *stmt = NULL;
    int r = wcow_db_stmt(db, constant_sql, &stmt, err);
    return r < 0 ? r : wcow_db_step(db, stmt, err);
}
