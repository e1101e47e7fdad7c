/* SPDX-License-Identifier: Apache-2.0 */
#include "differ/pipe.h"

#include <pthread.h>
#include <stdlib.h>

enum {
    CHUNK_BYTES = 512 << 10, /* a hand-over is a wake-up: few of them */
    /* What waits evens out stretches of small files, where the reader is the slower, and of large
     * ones. How much may is what bounds the memory of several pipes at once. */
    N_OWN = 4,     /* chunks of each pipe */
    N_SHARED = 28, /* more, for all pipes together */
    N_CHUNKS = N_OWN + N_SHARED,
    MANY_WAIT = 10,     /* to be read */
    CHUNK_ALIGN = 4096, /* the processor copies whole pages far faster from such addresses */
};

static atomic_uint n_shared_taken;

struct chunk {
    size_t len;
    uint8_t *data;
};

/* Chunks are counted from the first; chunk i is chunks[i % N_CHUNKS]. */
struct wcow_pipe {
    struct wcow_pipe_work work;
    pthread_t thread;
    pthread_t looker;
    bool has_looker;
    pthread_mutex_t lock;
    pthread_cond_t filled; /* there is one more to take, or to look at, or none will come */
    pthread_cond_t freed;  /* there may be room for a chunk, or one to look at */
    uint64_t n_events;     /* so many times the above were told something */
    uint64_t n_filled;
    uint64_t n_looked;
    uint64_t n_taken; /* by the reader */
    bool holds;       /* the reader still uses the last that it took */
    bool looking;     /* somebody looks at chunk n_looked */
    bool (*help)(void *ctx);
    void *help_ctx;
    bool ended;
    bool stop;
    int code; /* of the source, once ended */
    struct wcow_error error;
    struct chunk chunks[N_CHUNKS];
    uint64_t n_done;   /* read and looked at: their memory is spare, or in use again */
    uint8_t *memory;   /* N_CHUNKS times CHUNK_BYTES; what is not used costs nothing ... */
    size_t n_memories; /* ... so as few are as will do */
    uint8_t *spare[N_CHUNKS];
    size_t n_spare; /* the last one was used last, and is in a cache yet */
};

static void tell_filled(struct wcow_pipe *p)
{
    p->n_events++;
    pthread_cond_broadcast(&p->filled);
}

static void tell_freed(struct wcow_pipe *p)
{
    p->n_events++;
    pthread_cond_signal(&p->freed);
}

static bool take_shared(void)
{
    unsigned n = atomic_load(&n_shared_taken);
    while (n < N_SHARED && !atomic_compare_exchange_weak(&n_shared_taken, &n, n + 1))
        continue;
    return n < N_SHARED;
}

static void give_back_shared(const struct wcow_pipe *p)
{
    if (p->n_memories > N_OWN)
        atomic_fetch_sub(&n_shared_taken, (unsigned)(p->n_memories - N_OWN));
}

/* There is memory for one more chunk. */
static bool find_room(struct wcow_pipe *p)
{
    if (!p->n_spare && (p->n_memories < N_OWN || take_shared()))
        p->spare[p->n_spare++] = p->memory + CHUNK_BYTES * p->n_memories++;
    return p->n_spare > 0;
}

/* What was read and looked at makes room for others. */
static void make_room(struct wcow_pipe *p)
{
    uint64_t n_read = p->n_taken - (p->holds ? 1 : 0);
    while (p->n_done < n_read && p->n_done < p->n_looked)
        p->spare[p->n_spare++] = p->chunks[p->n_done++ % N_CHUNKS].data;
    tell_freed(p);
}

/* Under the lock, which is given away meanwhile. False where there is nothing to look at, or
 * somebody does so already. */
static bool look_at_one(struct wcow_pipe *p)
{
    if (p->looking || p->stop || p->n_looked == p->n_filled)
        return false;
    const struct chunk *chunk = &p->chunks[p->n_looked % N_CHUNKS];
    p->looking = true;
    pthread_mutex_unlock(&p->lock);
    p->work.look(p->work.look_ctx, chunk->data, chunk->len);
    pthread_mutex_lock(&p->lock);
    p->looking = false;
    p->n_looked++;
    make_room(p);
    tell_filled(p);
    return true;
}

/* Under the lock, which is given away meanwhile. False where there is no such work, and nothing
 * happened while that was asked. */
static bool do_other(struct wcow_pipe *p, bool (*work)(void *ctx), void *ctx)
{
    if (!work || p->stop)
        return false;
    uint64_t n_events = p->n_events;
    pthread_mutex_unlock(&p->lock);
    bool did = work(ctx);
    pthread_mutex_lock(&p->lock);
    return did || p->n_events != n_events;
}

static bool supply(struct wcow_pipe *p)
{
    return do_other(p, p->work.supply, p->work.supply_ctx);
}

/* Until something was told, or meanwhile do something useful. */
static void wait_for(struct wcow_pipe *p, pthread_cond_t *told)
{
    if (!look_at_one(p) && !supply(p) && !do_other(p, p->help, p->help_ctx))
        pthread_cond_wait(told, &p->lock);
}

/* The next chunk, with memory; NULL where nobody reads any more. */
static struct chunk *wait_for_room(struct wcow_pipe *p)
{
    struct chunk *chunk = NULL;
    pthread_mutex_lock(&p->lock);
    while (!p->stop && !find_room(p))
        wait_for(p, &p->freed);
    if (!p->stop) {
        chunk = &p->chunks[p->n_filled % N_CHUNKS];
        chunk->data = p->spare[--p->n_spare];
    }
    pthread_mutex_unlock(&p->lock);
    return chunk;
}

static void give_chunk(struct wcow_pipe *p)
{
    pthread_mutex_lock(&p->lock);
    p->n_filled++;
    tell_filled(p);
    pthread_mutex_unlock(&p->lock);
}

static int pump(struct wcow_pipe *p, struct wcow_error *err)
{
    for (;;) {
        struct chunk *chunk = wait_for_room(p);
        if (!chunk)
            return WCOW_OK;
        if (p->work.cancel && atomic_load(p->work.cancel))
            return WCOW_FAIL(err, WCOW_E_CANCELLED, "cancelled by the caller");
        chunk->len = 0;
        int r = p->work.read(p->work.read_ctx, chunk->data, CHUNK_BYTES, &chunk->len, err);
        if (r < 0 || chunk->len == 0)
            return r;
        give_chunk(p);
    }
}

static void *read_all(void *arg)
{
    struct wcow_pipe *p = arg;
    struct wcow_error error = {0};
    int code = pump(p, &error);
    pthread_mutex_lock(&p->lock);
    p->code = code;
    p->error = error;
    p->ended = true;
    tell_filled(p);
    /* The reader may have much to do yet. */
    while (!p->stop)
        wait_for(p, &p->filled);
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

static void *look_at_all(void *arg)
{
    struct wcow_pipe *p = arg;
    pthread_mutex_lock(&p->lock);
    while (!p->stop)
        wait_for(p, &p->filled);
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* So much waits for the reader that the other thread will have time. */
static bool is_behind(const struct wcow_pipe *p)
{
    return p->n_filled - p->n_taken >= MANY_WAIT;
}

/* The reader that keeps up takes what work it can from the other thread. What was just read is in
 * this processor's cache yet. */
static void take_work(struct wcow_pipe *p)
{
    while (!p->has_looker && p->n_looked < p->n_taken && !is_behind(p) && look_at_one(p))
        continue;
    if (!is_behind(p))
        (void)supply(p);
}

static int reader_next(void *ctx, const uint8_t **ret_data, size_t *ret_len, struct wcow_error *err)
{
    struct wcow_pipe *p = ctx;
    int code = WCOW_OK;
    *ret_len = 0;
    pthread_mutex_lock(&p->lock);
    take_work(p);
    if (p->holds) {
        p->holds = false;
        make_room(p);
    }
    while (p->n_taken == p->n_filled && !p->ended)
        wait_for(p, &p->filled);
    if (p->n_taken < p->n_filled) {
        const struct chunk *chunk = &p->chunks[p->n_taken++ % N_CHUNKS];
        p->holds = true;
        *ret_data = chunk->data;
        *ret_len = chunk->len;
    } else {
        code = p->code;
        if (code < 0 && err)
            *err = p->error;
    }
    pthread_mutex_unlock(&p->lock);
    return code;
}

struct wcow_source wcow_pipe_reader(struct wcow_pipe *pipe)
{
    return (struct wcow_source){.next = reader_next, .ctx = pipe};
}

void wcow_pipe_settle(struct wcow_pipe *pipe)
{
    pthread_mutex_lock(&pipe->lock);
    while (pipe->n_looked < pipe->n_filled)
        wait_for(pipe, &pipe->filled);
    pthread_mutex_unlock(&pipe->lock);
}

void wcow_pipe_help(struct wcow_pipe *pipe, bool (*help)(void *ctx), void *ctx)
{
    pthread_mutex_lock(&pipe->lock);
    pipe->help = help;
    pipe->help_ctx = ctx;
    pthread_mutex_unlock(&pipe->lock);
}

void wcow_pipe_call(struct wcow_pipe *pipe)
{
    pthread_mutex_lock(&pipe->lock);
    tell_freed(pipe);
    tell_filled(pipe);
    pthread_mutex_unlock(&pipe->lock);
}

/* Without threads. */
static void destroy(struct wcow_pipe *p)
{
    (void)pthread_cond_destroy(&p->filled);
    (void)pthread_cond_destroy(&p->freed);
    (void)pthread_mutex_destroy(&p->lock);
    give_back_shared(p);
    free(p->memory);
    free(p);
}

int wcow_pipe_new(const struct wcow_pipe_work *work, struct wcow_pipe **ret, struct wcow_error *err)
{
    struct wcow_pipe *p = calloc(1, sizeof(*p));
    if (p)
        p->memory = aligned_alloc(CHUNK_ALIGN, (size_t)N_CHUNKS * CHUNK_BYTES);
    if (!p || !p->memory) {
        free(p);
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a pipeline");
    }
    p->work = *work;
    (void)pthread_mutex_init(&p->lock, NULL);
    (void)pthread_cond_init(&p->filled, NULL);
    (void)pthread_cond_init(&p->freed, NULL);
    if (pthread_create(&p->thread, NULL, read_all, p) != 0) {
        destroy(p);
        return WCOW_FAIL(err, WCOW_E_LIMIT, "no thread to be had for unpacking");
    }
    /* Where there is no thread for it the others look. */
    p->has_looker = work->own_looker && pthread_create(&p->looker, NULL, look_at_all, p) == 0;
    *ret = p;
    return WCOW_OK;
}

void wcow_pipe_free(struct wcow_pipe *pipe)
{
    if (!pipe)
        return;
    pthread_mutex_lock(&pipe->lock);
    pipe->stop = true;
    tell_freed(pipe);
    tell_filled(pipe);
    pthread_mutex_unlock(&pipe->lock);
    (void)pthread_join(pipe->thread, NULL);
    if (pipe->has_looker)
        (void)pthread_join(pipe->looker, NULL);
    destroy(pipe);
}
