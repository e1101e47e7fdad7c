/* SPDX-License-Identifier: Apache-2.0 */
#include "store/log_file.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_GATHERED_BYTES = 64 << 10 };

static const char vfs_name[] = "wcow-log";

/* Of a log; other files are the system's VFS's own. */
struct log_file {
    sqlite3_file base;
    sqlite3_file *real; /* behind this structure */
    uint8_t *gathered;  /* not written yet; NULL where there was no memory for it */
    size_t n_gathered;
    sqlite3_int64 at; /* where the first of them belongs */
};

/* sqlite aligns what it gives to 8 bytes. */
enum { REAL_OFFSET = (sizeof(struct log_file) + 7) & ~(size_t)7 };

static struct log_file *log_of(sqlite3_file *file)
{
    return (struct log_file *)(void *)file;
}

/* What could not be written is forgotten: the transaction whose sync this is has failed. */
static int write_gathered(struct log_file *log)
{
    size_t n = log->n_gathered;
    log->n_gathered = 0;
    return n ? log->real->pMethods->xWrite(log->real, log->gathered, (int)n, log->at) : SQLITE_OK;
}

static bool has_room(const struct log_file *log, size_t n, sqlite3_int64 at)
{
    return log->n_gathered + n <= MAX_GATHERED_BYTES &&
           (log->n_gathered == 0 || at == log->at + (sqlite3_int64)log->n_gathered);
}

static int log_write(sqlite3_file *file, const void *data, int len, sqlite3_int64 at)
{
    struct log_file *log = log_of(file);
    size_t n = (size_t)len;
    int r = has_room(log, n, at) ? SQLITE_OK : write_gathered(log);
    if (r != SQLITE_OK)
        return r;
    if (!log->gathered || n > MAX_GATHERED_BYTES)
        return log->real->pMethods->xWrite(log->real, data, len, at);
    if (log->n_gathered == 0)
        log->at = at;
    memcpy(log->gathered + log->n_gathered, data, n);
    log->n_gathered += n;
    return SQLITE_OK;
}

static int log_close(sqlite3_file *file)
{
    struct log_file *log = log_of(file);
    int r = write_gathered(log);
    int closed = log->real->pMethods->xClose(log->real);
    free(log->gathered);
    return r != SQLITE_OK ? r : closed;
}

static int log_read(sqlite3_file *file, void *data, int len, sqlite3_int64 at)
{
    struct log_file *log = log_of(file);
    int r = write_gathered(log);
    return r != SQLITE_OK ? r : log->real->pMethods->xRead(log->real, data, len, at);
}

static int log_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    struct log_file *log = log_of(file);
    int r = write_gathered(log);
    return r != SQLITE_OK ? r : log->real->pMethods->xTruncate(log->real, size);
}

static int log_sync(sqlite3_file *file, int flags)
{
    struct log_file *log = log_of(file);
    int r = write_gathered(log);
    return r != SQLITE_OK ? r : log->real->pMethods->xSync(log->real, flags);
}

static int log_size(sqlite3_file *file, sqlite3_int64 *ret)
{
    struct log_file *log = log_of(file);
    int r = write_gathered(log);
    return r != SQLITE_OK ? r : log->real->pMethods->xFileSize(log->real, ret);
}

/* Nobody locks a log: the locks are the database's. */
static int log_lock(sqlite3_file *file, int level)
{
    sqlite3_file *real = log_of(file)->real;
    return real->pMethods->xLock(real, level);
}

static int log_unlock(sqlite3_file *file, int level)
{
    sqlite3_file *real = log_of(file)->real;
    return real->pMethods->xUnlock(real, level);
}

static int log_is_reserved(sqlite3_file *file, int *ret)
{
    sqlite3_file *real = log_of(file)->real;
    return real->pMethods->xCheckReservedLock(real, ret);
}

static int log_control(sqlite3_file *file, int op, void *arg)
{
    sqlite3_file *real = log_of(file)->real;
    return real->pMethods->xFileControl(real, op, arg);
}

static int log_sector_size(sqlite3_file *file)
{
    sqlite3_file *real = log_of(file)->real;
    return real->pMethods->xSectorSize(real);
}

static int log_traits(sqlite3_file *file)
{
    sqlite3_file *real = log_of(file)->real;
    return real->pMethods->xDeviceCharacteristics(real);
}

static const sqlite3_io_methods methods = {
    .iVersion = 1, /* no shared memory, no mapping: those too are the database's */
    .xClose = log_close,
    .xRead = log_read,
    .xWrite = log_write,
    .xTruncate = log_truncate,
    .xSync = log_sync,
    .xFileSize = log_size,
    .xLock = log_lock,
    .xUnlock = log_unlock,
    .xCheckReservedLock = log_is_reserved,
    .xFileControl = log_control,
    .xSectorSize = log_sector_size,
    .xDeviceCharacteristics = log_traits,
};

/* ---- the VFS: the system's, but for this ---- */

static sqlite3_vfs *system_vfs;

static int open_log(sqlite3_filename name, sqlite3_file *file, int flags, int *ret_flags)
{
    struct log_file *log = log_of(file);
    *log = (struct log_file){.real = (sqlite3_file *)(void *)((char *)file + REAL_OFFSET)};
    int r = system_vfs->xOpen(system_vfs, name, log->real, flags, ret_flags);
    if (!log->real->pMethods)
        return r;
    log->base.pMethods = &methods;
    log->gathered = malloc(MAX_GATHERED_BYTES);
    return r;
}

static int open_file(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file, int flags,
                     int *ret_flags)
{
    (void)vfs;
    if (flags & SQLITE_OPEN_WAL)
        return open_log(name, file, flags, ret_flags);
    return system_vfs->xOpen(system_vfs, name, file, flags, ret_flags);
}

static sqlite3_vfs log_vfs;
static bool registered;

static void add_vfs(void)
{
    system_vfs = sqlite3_vfs_find(NULL);
    if (!system_vfs)
        return;
    log_vfs = *system_vfs;
    log_vfs.pNext = NULL;
    log_vfs.zName = vfs_name;
    log_vfs.szOsFile = REAL_OFFSET + system_vfs->szOsFile;
    log_vfs.xOpen = open_file;
    registered = sqlite3_vfs_register(&log_vfs, 0) == SQLITE_OK;
}

const char *wcow_log_file_vfs(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, add_vfs);
    return registered ? vfs_name : NULL;
}
