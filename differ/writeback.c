/* SPDX-License-Identifier: Apache-2.0 */
#include "differ/writeback.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/sched.h"

enum {
    N_SLOTS = 128, /* descriptors that are open at once */
    HANDFUL = 8,
    START_AT_BYTES = 32 * 1024, /* smaller files are better written together, by the sync */
    KEPT_BYTES = 64 << 20,      /* of a layer that stay in the page cache */
    N_UNDER_WAY = 64,           /* more descriptors, of files that leave it once they are written */
};

struct file {
    int fd;
    uint64_t size_bytes;
};

/* Files whose writeback has begun, oldest first; the thread's own. */
struct under_way {
    int fds[N_UNDER_WAY];
    unsigned from;
    unsigned n;
};

struct wcow_writeback {
    pthread_t thread;
    bool running;
    pthread_mutex_t lock;
    pthread_cond_t given;
    uint64_t n_given;
    uint64_t n_taken;
    atomic_bool ended; /* set under the lock */
    int sys_errno;     /* of the thread's first failure */
    int giver_errno;   /* of the giver's own */
    struct file slots[N_SLOTS];
    uint64_t n_kept_bytes; /* the thread's, as what follows */
    struct under_way under_way;
};

static int close_file(int fd)
{
    return close(fd) < 0 && errno != EINTR ? errno : 0;
}

/* Once all is given somebody waits: what the disk has not taken by then is left to the sync. */
static bool is_awaited(const struct wcow_writeback *w)
{
    return atomic_load_explicit(&w->ended, memory_order_relaxed);
}

/* The oldest is closed, and where nobody waits it leaves the page cache: its pages take the next
 * files, so that a large layer neither pushes out what others use nor takes memory that was not in
 * use, which costs a virtual machine several times as much to write to. */
static int let_go(struct wcow_writeback *w)
{
    struct under_way *u = &w->under_way;
    int fd = u->fds[u->from];
    u->from = (u->from + 1) % N_UNDER_WAY;
    u->n--;
    if (!is_awaited(w) && sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE) == 0)
        (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    return close_file(fd);
}

static int send_off(struct wcow_writeback *w, const struct file *file)
{
    /* A file system that cannot is no error: the sync will do it all. */
    if (is_awaited(w) || sync_file_range(file->fd, 0, 0, SYNC_FILE_RANGE_WRITE) < 0)
        return close_file(file->fd);
    if (w->n_kept_bytes + file->size_bytes <= KEPT_BYTES) {
        w->n_kept_bytes += file->size_bytes;
        return close_file(file->fd);
    }
    struct under_way *u = &w->under_way;
    int sys_errno = u->n == N_UNDER_WAY ? let_go(w) : 0;
    u->fds[(u->from + u->n++) % N_UNDER_WAY] = file->fd;
    return sys_errno;
}

static int let_all_go(struct wcow_writeback *w)
{
    int first_errno = 0;
    while (w->under_way.n) {
        int sys_errno = let_go(w);
        first_errno = first_errno ? first_errno : sys_errno;
    }
    return first_errno;
}

/* Takes all that waits at once, so that the giver is not held up by the lock. */
static void *run(void *arg)
{
    struct wcow_writeback *w = arg;
    wcow_sched_batch(); /* who unpacks is not pushed aside for it */
    pthread_mutex_lock(&w->lock);
    for (;;) {
        while (w->n_taken == w->n_given && !w->ended)
            pthread_cond_wait(&w->given, &w->lock);
        if (w->n_taken == w->n_given)
            break;
        uint64_t from = w->n_taken;
        uint64_t to = w->n_given;
        pthread_mutex_unlock(&w->lock);
        int sys_errno = 0;
        for (uint64_t i = from; i < to; i++) {
            int e = send_off(w, &w->slots[i % N_SLOTS]);
            sys_errno = sys_errno ? sys_errno : e;
        }
        pthread_mutex_lock(&w->lock);
        w->n_taken = to;
        w->sys_errno = w->sys_errno ? w->sys_errno : sys_errno;
    }
    pthread_mutex_unlock(&w->lock);
    int sys_errno = let_all_go(w);
    w->sys_errno = w->sys_errno ? w->sys_errno : sys_errno;
    return NULL;
}

int wcow_writeback_new(struct wcow_writeback **ret, struct wcow_error *err)
{
    struct wcow_writeback *w = calloc(1, sizeof(*w));
    if (!w)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for unpacking");
    (void)pthread_mutex_init(&w->lock, NULL);
    (void)pthread_cond_init(&w->given, NULL);
    w->running = pthread_create(&w->thread, NULL, run, w) == 0;
    if (!w->running) {
        wcow_writeback_free(w);
        return WCOW_FAIL(err, WCOW_E_LIMIT, "no thread to be had for unpacking");
    }
    *ret = w;
    return WCOW_OK;
}

/* A place in the queue; none where the disk cannot keep up. */
static bool queue(struct wcow_writeback *w, struct file file)
{
    pthread_mutex_lock(&w->lock);
    bool has_room = w->n_given - w->n_taken < N_SLOTS;
    if (has_room) {
        w->slots[w->n_given % N_SLOTS] = file;
        /* The thread is woken for a handful, not for each: a wake-up costs more than a close. */
        if (++w->n_given - w->n_taken == HANDFUL)
            pthread_cond_signal(&w->given);
    }
    pthread_mutex_unlock(&w->lock);
    return has_room;
}

void wcow_writeback_give(struct wcow_writeback *w, int fd, uint64_t size_bytes)
{
    struct file file = {.fd = fd, .size_bytes = size_bytes};
    if (size_bytes >= START_AT_BYTES && queue(w, file))
        return;
    int sys_errno = close_file(fd);
    w->giver_errno = w->giver_errno ? w->giver_errno : sys_errno;
}

static void end(struct wcow_writeback *w)
{
    if (!w->running)
        return;
    pthread_mutex_lock(&w->lock);
    w->ended = true;
    pthread_cond_signal(&w->given);
    pthread_mutex_unlock(&w->lock);
    (void)pthread_join(w->thread, NULL);
    w->running = false;
}

int wcow_writeback_finish(struct wcow_writeback *w, struct wcow_error *err)
{
    end(w);
    errno = w->sys_errno ? w->sys_errno : w->giver_errno;
    if (!errno)
        return WCOW_OK;
    return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "close a file of the layer");
}

void wcow_writeback_free(struct wcow_writeback *w)
{
    if (!w)
        return;
    end(w);
    (void)pthread_cond_destroy(&w->given);
    (void)pthread_mutex_destroy(&w->lock);
    free(w);
}
