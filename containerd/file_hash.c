/* SPDX-License-Identifier: Apache-2.0 */
#include "containerd/file_hash.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/beneath.h"

enum { CHUNK_BYTES = 256 << 10, CHUNK_ALIGN = 4096 };

struct wcow_file_hash {
    int fd;
    pthread_t thread;
    bool running;
    atomic_bool stop;
    atomic_bool is_waited_for;
    struct wcow_hash *hash;
    int sys_errno; /* of the thread's failure */
    uint8_t *chunk;
};

/* Where it cannot be changed, nothing is lost but time. */
static void set_policy(pthread_t thread, int policy)
{
    const struct sched_param none = {0};
    (void)pthread_setschedparam(thread, policy, &none);
}

static void *run(void *arg)
{
    struct wcow_file_hash *h = arg;
    off_t at = 0;
    set_policy(pthread_self(), SCHED_IDLE);
    /* Who waits may have hurried it before it was slow. */
    if (atomic_load(&h->is_waited_for))
        set_policy(pthread_self(), SCHED_OTHER);
    while (!atomic_load(&h->stop)) {
        ssize_t n = pread(h->fd, h->chunk, CHUNK_BYTES, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            h->sys_errno = n < 0 ? errno : 0;
            break;
        }
        wcow_hash_add(h->hash, h->chunk, (size_t)n);
        at += n;
    }
    return NULL;
}

int wcow_file_hash_new(int fd, struct wcow_file_hash **ret, struct wcow_error *err)
{
    struct wcow_file_hash *h = calloc(1, sizeof(*h));
    int r = h ? wcow_hash_new(&h->hash, err) : WCOW_E_NOMEM;
    if (r == WCOW_OK && !(h->chunk = aligned_alloc(CHUNK_ALIGN, CHUNK_BYTES)))
        r = WCOW_E_NOMEM;
    if (r == WCOW_E_NOMEM)
        r = WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for hashing a file");
    if (r == WCOW_OK) {
        h->fd = fd;
        h->running = pthread_create(&h->thread, NULL, run, h) == 0;
        if (!h->running)
            r = WCOW_FAIL(err, WCOW_E_LIMIT, "no thread to be had for hashing a file");
    }
    if (r < 0)
        wcow_file_hash_free(h);
    else
        *ret = h;
    return r;
}

static void join(struct wcow_file_hash *h)
{
    if (h->running)
        (void)pthread_join(h->thread, NULL);
    h->running = false;
}

int wcow_file_hash_digest(struct wcow_file_hash *hash, struct wcow_digest *ret,
                          struct wcow_error *err)
{
    atomic_store(&hash->is_waited_for, true);
    if (hash->running)
        set_policy(hash->thread, SCHED_OTHER);
    join(hash);
    errno = hash->sys_errno;
    if (errno)
        return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "hash a file");
    return wcow_hash_digest(hash->hash, ret, err);
}

void wcow_file_hash_free(struct wcow_file_hash *hash)
{
    if (!hash)
        return;
    atomic_store(&hash->stop, true);
    join(hash);
    wcow_hash_free(hash->hash);
    free(hash->chunk);
    free(hash);
}
