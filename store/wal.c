/* SPDX-License-Identifier: Apache-2.0 */
#include "store/wal.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/beneath.h"

enum {
    START_PAGES = 2000,    /* 8 MB: pages written often are copied back once for many writes */
    RETRY_PAGES = 500,     /* more, where a reader held the log */
    KEPT_BYTES = 12 << 20, /* what a busy writer fills before the log begins anew */
    ZEROS_BYTES = 256 << 10,
};

/* Zeros behind the log's last frame are to sqlite what an end of file is. */
static int fill(int fd, off_t from)
{
    wcow_autofree char *zeros = calloc(1, ZEROS_BYTES);
    for (off_t at = from; zeros && at < KEPT_BYTES;) {
        size_t want = KEPT_BYTES - at < ZEROS_BYTES ? (size_t)(KEPT_BYTES - at) : ZEROS_BYTES;
        ssize_t n = pwrite(fd, zeros, want, at);
        if (n <= 0)
            return -1;
        at += n;
    }
    return zeros ? fdatasync(fd) : -1;
}

/* Only speed depends on it: a disk without the room is left as it was. */
static void reserve(const char *db_path)
{
    char path[4096];
    if (snprintf(path, sizeof(path), "%s-wal", db_path) >= (int)sizeof(path))
        return;
    wcow_autoclose int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat st = {0};
    if (fd < 0 || fstat(fd, &st) < 0 || st.st_size >= KEPT_BYTES)
        return;
    if (fill(fd, st.st_size) < 0)
        (void)!ftruncate(fd, st.st_size);
}

static int on_commit(void *arg, sqlite3 *handle, const char *name, int pages)
{
    struct wcow_wal *wal = arg;
    (void)handle;
    (void)name;
    wal->pages = pages;
    return SQLITE_OK;
}

/* Never waits for readers or the writer; what it cannot copy now it leaves, and every failure too:
 * the log holds all until a later one succeeds. */
static bool checkpoint(sqlite3 *handle)
{
    int in_log = 0;
    int copied = 0;
    int r = sqlite3_wal_checkpoint_v2(handle, NULL, SQLITE_CHECKPOINT_PASSIVE, &in_log, &copied);
    return r == SQLITE_OK && in_log == copied;
}

static void *copy_loop(void *arg)
{
    struct wcow_wal *wal = arg;
    (void)pthread_mutex_lock(&wal->mutex);
    for (;;) {
        while (wal->state != WCOW_WAL_WANTED && !wal->stopping)
            (void)pthread_cond_wait(&wal->wake, &wal->mutex);
        if (wal->stopping)
            break;
        (void)pthread_mutex_unlock(&wal->mutex);
        struct wcow_db *db = NULL;
        struct wcow_error ignored = {0};
        if (wcow_db_open(wal->db_path, WCOW_DB_COPIER, &db, &ignored) == WCOW_OK)
            (void)checkpoint(db->handle);
        wcow_db_close(db); /* idle it would only hold memory */
        (void)pthread_mutex_lock(&wal->mutex);
        wal->state = WCOW_WAL_COPIED;
    }
    (void)pthread_mutex_unlock(&wal->mutex);
    return NULL;
}

int wcow_wal_start(struct wcow_wal *wal, struct wcow_db *writer, const char *db_path,
                   struct wcow_error *err)
{
    *wal = (struct wcow_wal){.writer = writer, .db_path = db_path, .start_at = START_PAGES};
    (void)pthread_mutex_init(&wal->mutex, NULL);
    (void)pthread_cond_init(&wal->wake, NULL);
    int keep = 1;
    (void)sqlite3_file_control(writer->handle, NULL, SQLITE_FCNTL_PERSIST_WAL, &keep);
    (void)sqlite3_wal_hook(writer->handle, on_commit, wal);
    reserve(db_path);
    int e = pthread_create(&wal->thread, NULL, copy_loop, wal);
    if (e)
        return WCOW_FAIL(err, WCOW_E_LIMIT, "cannot start the store's thread: %d", e);
    wal->has_thread = true;
    return WCOW_OK;
}

bool wcow_wal_is_due(const struct wcow_wal *wal)
{
    return wal->pages >= wal->start_at;
}

void wcow_wal_tend(struct wcow_wal *wal)
{
    if (!wcow_wal_is_due(wal))
        return;
    (void)pthread_mutex_lock(&wal->mutex);
    enum wcow_wal_state state = wal->state;
    if (state == WCOW_WAL_RESTS)
        wal->state = WCOW_WAL_WANTED;
    else if (state == WCOW_WAL_COPIED)
        wal->state = WCOW_WAL_RESTS;
    (void)pthread_mutex_unlock(&wal->mutex);
    if (state == WCOW_WAL_RESTS)
        (void)pthread_cond_signal(&wal->wake);
    if (state == WCOW_WAL_COPIED)
        wal->start_at = checkpoint(wal->writer->handle) ? START_PAGES : wal->pages + RETRY_PAGES;
}

void wcow_wal_stop(struct wcow_wal *wal)
{
    if (wal->has_thread) {
        (void)pthread_mutex_lock(&wal->mutex);
        wal->stopping = true;
        (void)pthread_cond_signal(&wal->wake);
        (void)pthread_mutex_unlock(&wal->mutex);
        (void)pthread_join(wal->thread, NULL);
        wal->has_thread = false;
        (void)pthread_cond_destroy(&wal->wake);
        (void)pthread_mutex_destroy(&wal->mutex);
    }
}
