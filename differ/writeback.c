/* SPDX-License-Identifier: Apache-2.0 */
#include "differ/writeback.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/beneath.h"

enum {
    N_SLOTS = 128,              /* descriptors that are open at once */
    START_AT_BYTES = 32 * 1024, /* smaller files are better written together, by the sync */
    KEPT_BYTES = 64 << 20,      /* of a layer that stay in the page cache */
    N_UNDER_WAY = 64,           /* more descriptors, of files that leave it once they are written */
    LAGS_AT_US = 2000,          /* a disk that makes one wait so long has enough to do */
};

struct file {
    int fd;
    uint64_t size_bytes;
};

/* Files whose writeback has begun, oldest first. */
struct under_way {
    int fds[N_UNDER_WAY];
    unsigned from;
    unsigned n;
};

struct wcow_writeback {
    int giver_errno; /* of the giver's first failure */

    pthread_mutex_t turn; /* held while a file is sent off; what follows is under it */
    int sys_errno;        /* of the first failure */
    uint64_t n_kept_bytes;
    struct under_way under_way;
    atomic_bool disk_lags; /* as far as the last one that was sent off tells */

    pthread_mutex_t lock; /* of what follows; taken after turn */
    uint64_t n_given;
    uint64_t n_taken;
    struct file slots[N_SLOTS];
};

static int close_file(int fd)
{
    return close(fd) < 0 && errno != EINTR ? errno : 0;
}

static int take_oldest(struct under_way *u)
{
    int fd = u->fds[u->from];
    u->from = (u->from + 1) % N_UNDER_WAY;
    u->n--;
    return fd;
}

/* The oldest leaves the page cache: its pages take the next files, so that a large layer neither
 * pushes out what others use nor takes memory that was not in use, which costs a virtual machine
 * several times as much to write to. */
static int let_go(struct under_way *u)
{
    int fd = take_oldest(u);
    if (sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE) == 0)
        (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    return close_file(fd);
}

static int send_off(struct wcow_writeback *w, const struct file *file)
{
    /* A file system that cannot is no error: the sync will do it all. */
    if (sync_file_range(file->fd, 0, 0, SYNC_FILE_RANGE_WRITE) < 0)
        return close_file(file->fd);
    if (w->n_kept_bytes + file->size_bytes <= KEPT_BYTES) {
        w->n_kept_bytes += file->size_bytes;
        return close_file(file->fd);
    }
    struct under_way *u = &w->under_way;
    int sys_errno = u->n == N_UNDER_WAY ? let_go(u) : 0;
    u->fds[(u->from + u->n++) % N_UNDER_WAY] = file->fd;
    return sys_errno;
}

static bool take(struct wcow_writeback *w, struct file *ret)
{
    pthread_mutex_lock(&w->lock);
    bool any = w->n_taken < w->n_given;
    if (any)
        *ret = w->slots[w->n_taken++ % N_SLOTS];
    pthread_mutex_unlock(&w->lock);
    return any;
}

static int64_t now_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void note(int *first_errno, int sys_errno)
{
    if (!*first_errno)
        *first_errno = sys_errno;
}

bool wcow_writeback_help(struct wcow_writeback *w)
{
    struct file file;
    if (pthread_mutex_trylock(&w->turn) != 0)
        return false;
    bool any = take(w, &file);
    if (any) {
        int64_t from_us = now_us();
        note(&w->sys_errno, send_off(w, &file));
        atomic_store(&w->disk_lags, now_us() - from_us >= LAGS_AT_US);
    }
    pthread_mutex_unlock(&w->turn);
    return any;
}

int wcow_writeback_new(struct wcow_writeback **ret, struct wcow_error *err)
{
    struct wcow_writeback *w = calloc(1, sizeof(*w));
    if (!w)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for unpacking");
    (void)pthread_mutex_init(&w->turn, NULL);
    (void)pthread_mutex_init(&w->lock, NULL);
    *ret = w;
    return WCOW_OK;
}

static bool queue(struct wcow_writeback *w, struct file file)
{
    pthread_mutex_lock(&w->lock);
    bool has_room = w->n_given - w->n_taken < N_SLOTS;
    if (has_room)
        w->slots[w->n_given++ % N_SLOTS] = file;
    pthread_mutex_unlock(&w->lock);
    return has_room;
}

/* Where nobody else had the time, and the disk takes it quickly, the giver makes room. */
static bool queue_or_make_room(struct wcow_writeback *w, struct file file)
{
    if (queue(w, file))
        return true;
    return !atomic_load(&w->disk_lags) && wcow_writeback_help(w) && queue(w, file);
}

void wcow_writeback_give(struct wcow_writeback *w, int fd, uint64_t size_bytes)
{
    struct file file = {.fd = fd, .size_bytes = size_bytes};
    if (size_bytes < START_AT_BYTES || !queue_or_make_room(w, file))
        note(&w->giver_errno, close_file(fd));
}

/* What is left is the sync's. */
static void close_all(struct wcow_writeback *w)
{
    struct file file;
    pthread_mutex_lock(&w->turn);
    while (take(w, &file))
        note(&w->sys_errno, close_file(file.fd));
    while (w->under_way.n)
        note(&w->sys_errno, close_file(take_oldest(&w->under_way)));
    pthread_mutex_unlock(&w->turn);
}

int wcow_writeback_finish(struct wcow_writeback *w, struct wcow_error *err)
{
    close_all(w);
    errno = w->sys_errno ? w->sys_errno : w->giver_errno;
    if (!errno)
        return WCOW_OK;
    return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "close a file of the layer");
}

void wcow_writeback_free(struct wcow_writeback *w)
{
    if (!w)
        return;
    close_all(w);
    (void)pthread_mutex_destroy(&w->lock);
    (void)pthread_mutex_destroy(&w->turn);
    free(w);
}
