/* SPDX-License-Identifier: Apache-2.0 */
#include "base/read_ahead.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/sched.h"

enum {
    CHUNK_BYTES = 256 << 10, /* a few of them stay in a core's cache until they are used */
    CHUNK_ALIGN = 4096,      /* the processor copies to such addresses fastest */
    N_CHUNKS = 6,
    N_IN_USE = 2, /* of those given, the last ones */
};

struct chunk {
    size_t len;
    int sys_errno; /* instead of it */
    uint8_t *data;
};

/* Chunks are counted from the first; chunk i lies in chunks[i % N_CHUNKS]. */
struct wcow_read_ahead {
    int fd;
    void (*look)(void *ctx, const uint8_t *data, size_t len);
    void *look_ctx;
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t lock;   /* of what follows */
    pthread_cond_t changed; /* what follows */
    uint64_t n_read;
    uint64_t n_looked;
    uint64_t n_given;
    bool reading; /* somebody reads chunk n_read */
    bool looking; /* somebody looks at chunk n_looked */
    bool ended;   /* the last one that was read has nothing in it */
    bool stop;
    struct chunk chunks[N_CHUNKS];
    uint8_t *memory; /* of them all */
};

static void fill(const struct wcow_read_ahead *a, struct chunk *chunk, off_t at)
{
    chunk->len = 0;
    while (chunk->len < CHUNK_BYTES) {
        ssize_t n = pread(a->fd, chunk->data + chunk->len, CHUNK_BYTES - chunk->len,
                          at + (off_t)chunk->len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            chunk->sys_errno = errno;
        if (n <= 0)
            return;
        chunk->len += (size_t)n;
    }
}

static bool has_room(const struct wcow_read_ahead *a)
{
    uint64_t n_used = a->n_given < N_IN_USE ? 0 : a->n_given - N_IN_USE;
    uint64_t n_done = n_used < a->n_looked ? n_used : a->n_looked;
    return a->n_read - n_done < N_CHUNKS;
}

/* Under the lock, which is given away meanwhile; so is the next. */
static bool read_one(struct wcow_read_ahead *a)
{
    if (a->reading || a->ended || !has_room(a))
        return false;
    struct chunk *chunk = &a->chunks[a->n_read % N_CHUNKS];
    a->reading = true;
    pthread_mutex_unlock(&a->lock);
    fill(a, chunk, (off_t)(a->n_read * CHUNK_BYTES));
    pthread_mutex_lock(&a->lock);
    a->reading = false;
    a->ended = chunk->len == 0 || chunk->sys_errno;
    a->n_read++;
    pthread_cond_broadcast(&a->changed);
    return true;
}

static bool look_at_one(struct wcow_read_ahead *a)
{
    if (a->looking || a->n_looked == a->n_read)
        return false;
    const struct chunk *chunk = &a->chunks[a->n_looked % N_CHUNKS];
    a->looking = true;
    pthread_mutex_unlock(&a->lock);
    if (a->look && chunk->len && !chunk->sys_errno)
        a->look(a->look_ctx, chunk->data, chunk->len);
    pthread_mutex_lock(&a->lock);
    a->looking = false;
    a->n_looked++;
    pthread_cond_broadcast(&a->changed);
    return true;
}

bool wcow_read_ahead_help(struct wcow_read_ahead *a)
{
    pthread_mutex_lock(&a->lock);
    bool did = read_one(a) || look_at_one(a);
    pthread_mutex_unlock(&a->lock);
    return did;
}

static void *run(void *arg)
{
    struct wcow_read_ahead *a = arg;
    wcow_sched_batch();
    pthread_mutex_lock(&a->lock);
    while (!a->stop) {
        if (!read_one(a) && !look_at_one(a))
            pthread_cond_wait(&a->changed, &a->lock);
    }
    pthread_mutex_unlock(&a->lock);
    return NULL;
}

void wcow_read_ahead_start(struct wcow_read_ahead *a)
{
    if (!a->has_thread)
        a->has_thread = pthread_create(&a->thread, NULL, run, a) == 0;
}

static const struct chunk *next_chunk(struct wcow_read_ahead *a)
{
    pthread_mutex_lock(&a->lock);
    while (a->n_given == a->n_read) {
        if (!read_one(a) && !look_at_one(a))
            pthread_cond_wait(&a->changed, &a->lock);
    }
    const struct chunk *chunk = &a->chunks[a->n_given % N_CHUNKS];
    /* The end, or the error, stays what is next. */
    if (!a->ended || a->n_given + 1 < a->n_read) {
        a->n_given++;
        pthread_cond_broadcast(&a->changed);
    }
    pthread_mutex_unlock(&a->lock);
    return chunk;
}

int wcow_read_ahead_next(struct wcow_read_ahead *a, const uint8_t **ret_data, size_t *ret_len,
                         struct wcow_error *err)
{
    const struct chunk *chunk = next_chunk(a);
    errno = chunk->sys_errno;
    if (errno)
        return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "cannot read");
    *ret_data = chunk->data;
    *ret_len = chunk->len;
    return WCOW_OK;
}

void wcow_read_ahead_settle(struct wcow_read_ahead *a)
{
    pthread_mutex_lock(&a->lock);
    while (a->n_looked < a->n_given) {
        if (!look_at_one(a))
            pthread_cond_wait(&a->changed, &a->lock);
    }
    pthread_mutex_unlock(&a->lock);
}

int wcow_read_ahead_new(int fd, void (*look)(void *ctx, const uint8_t *data, size_t len),
                        void *look_ctx, struct wcow_read_ahead **ret, struct wcow_error *err)
{
    struct wcow_read_ahead *a = calloc(1, sizeof(*a));
    if (a)
        a->memory = aligned_alloc(CHUNK_ALIGN, (size_t)N_CHUNKS * CHUNK_BYTES);
    if (!a || !a->memory) {
        free(a);
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for reading ahead");
    }
    a->fd = fd;
    a->look = look;
    a->look_ctx = look_ctx;
    for (size_t i = 0; i < N_CHUNKS; i++)
        a->chunks[i].data = a->memory + i * CHUNK_BYTES;
    (void)pthread_mutex_init(&a->lock, NULL);
    (void)pthread_cond_init(&a->changed, NULL);
    *ret = a;
    return WCOW_OK;
}

void wcow_read_ahead_free(struct wcow_read_ahead *a)
{
    if (!a)
        return;
    pthread_mutex_lock(&a->lock);
    a->stop = true;
    pthread_cond_broadcast(&a->changed);
    pthread_mutex_unlock(&a->lock);
    if (a->has_thread)
        (void)pthread_join(a->thread, NULL);
    (void)pthread_cond_destroy(&a->changed);
    (void)pthread_mutex_destroy(&a->lock);
    free(a->memory);
    free(a);
}
