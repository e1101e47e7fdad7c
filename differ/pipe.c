/* SPDX-License-Identifier: Apache-2.0 */
#include "differ/pipe.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
    SLOT_BYTES = 512 << 10, /* a hand-over is a wake-up: few of them */
    /* What stands in the ring evens out stretches of small files, where the reader is the slower,
     * and of large ones. One pipe at a time has a long ring; others at once make do with a short
     * one, which bounds their memory. */
    N_SLOTS = 20,
    N_SLOTS_SHORT = 8,
    SLOT_ALIGN = 4096, /* the processor copies whole pages far faster from such addresses */
};

/* A pipe has the long ring. */
static atomic_flag long_ring_taken = ATOMIC_FLAG_INIT;

struct slot {
    size_t len;
    uint8_t *data;
};

/* Chunks are counted from the first; chunk i lies in slot i % n_slots. */
struct wcow_pipe {
    struct wcow_pipe_work work;
    pthread_t thread;
    pthread_t looker;
    bool has_looker;
    pthread_mutex_t lock;
    pthread_cond_t filled; /* there is one more to take, or to look at, or none will come */
    pthread_cond_t freed;  /* there may be a slot to fill, or a chunk to look at */
    uint64_t n_filled;
    uint64_t n_looked;
    uint64_t n_taken; /* by the reader */
    bool holds;       /* the reader still uses the last that it took */
    bool looking;     /* somebody looks at chunk n_looked */
    bool ended;
    bool stop;
    int code; /* of the source, once ended */
    struct wcow_error error;
    bool is_long;
    size_t n_slots;
    uint8_t *memory; /* of the slots */
    struct slot slots[N_SLOTS];
};

static bool is_full(const struct wcow_pipe *p)
{
    uint64_t n_read = p->n_taken - (p->holds ? 1 : 0);
    uint64_t n_done = n_read < p->n_looked ? n_read : p->n_looked;
    return p->n_filled - n_done >= p->n_slots;
}

/* Under the lock, which is given away meanwhile. False where there is nothing to look at, or
 * somebody does so already. */
static bool look_at_one(struct wcow_pipe *p)
{
    if (p->looking || p->stop || p->n_looked == p->n_filled)
        return false;
    const struct slot *slot = &p->slots[p->n_looked % p->n_slots];
    p->looking = true;
    pthread_mutex_unlock(&p->lock);
    p->work.look(p->work.look_ctx, slot->data, slot->len);
    pthread_mutex_lock(&p->lock);
    p->looking = false;
    p->n_looked++;
    pthread_cond_signal(&p->freed);
    pthread_cond_broadcast(&p->filled);
    return true;
}

/* A free slot, or NULL where nobody reads any more. */
static struct slot *wait_for_slot(struct wcow_pipe *p)
{
    pthread_mutex_lock(&p->lock);
    while (!p->stop && is_full(p)) {
        if (!look_at_one(p))
            pthread_cond_wait(&p->freed, &p->lock);
    }
    bool over = p->stop;
    pthread_mutex_unlock(&p->lock);
    return over ? NULL : &p->slots[p->n_filled % p->n_slots];
}

static void give_slot(struct wcow_pipe *p)
{
    pthread_mutex_lock(&p->lock);
    p->n_filled++;
    pthread_cond_broadcast(&p->filled);
    pthread_mutex_unlock(&p->lock);
}

static int pump(struct wcow_pipe *p, struct wcow_error *err)
{
    for (;;) {
        struct slot *slot = wait_for_slot(p);
        if (!slot)
            return WCOW_OK;
        if (p->work.cancel && atomic_load(p->work.cancel))
            return WCOW_FAIL(err, WCOW_E_CANCELLED, "cancelled by the caller");
        slot->len = 0;
        int r = p->work.read(p->work.read_ctx, slot->data, SLOT_BYTES, &slot->len, err);
        if (r < 0 || slot->len == 0)
            return r;
        give_slot(p);
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
    pthread_cond_broadcast(&p->filled);
    /* The reader may have a file to write yet. */
    while (look_at_one(p))
        continue;
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

static void *look_at_all(void *arg)
{
    struct wcow_pipe *p = arg;
    pthread_mutex_lock(&p->lock);
    while (!p->stop && !(p->ended && p->n_looked == p->n_filled)) {
        if (!look_at_one(p))
            pthread_cond_wait(&p->filled, &p->lock);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* What was just read is in this processor's cache yet, so the reader looks at it now, unless so
 * much waits for it that the other thread will have time to. */
static bool may_look_now(const struct wcow_pipe *p)
{
    return !p->has_looker && p->n_looked < p->n_taken && p->n_filled - p->n_taken < p->n_slots / 2;
}

static int reader_next(void *ctx, const uint8_t **ret_data, size_t *ret_len, struct wcow_error *err)
{
    struct wcow_pipe *p = ctx;
    int code = WCOW_OK;
    *ret_len = 0;
    pthread_mutex_lock(&p->lock);
    while (may_look_now(p) && look_at_one(p))
        continue;
    if (p->holds) {
        p->holds = false;
        pthread_cond_signal(&p->freed);
    }
    while (p->n_taken == p->n_filled && !p->ended) {
        if (!look_at_one(p))
            pthread_cond_wait(&p->filled, &p->lock);
    }
    if (p->n_taken < p->n_filled) {
        const struct slot *slot = &p->slots[p->n_taken % p->n_slots];
        p->n_taken++;
        p->holds = true;
        *ret_data = slot->data;
        *ret_len = slot->len;
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
    while (pipe->n_looked < pipe->n_filled) {
        if (!look_at_one(pipe))
            pthread_cond_wait(&pipe->filled, &pipe->lock);
    }
    pthread_mutex_unlock(&pipe->lock);
}

/* Memory that is not used costs nothing: a small layer fills few slots. */
static int take_memory(struct wcow_pipe *p, struct wcow_error *err)
{
    p->is_long = !atomic_flag_test_and_set(&long_ring_taken);
    p->n_slots = p->is_long ? N_SLOTS : N_SLOTS_SHORT;
    p->memory = aligned_alloc(SLOT_ALIGN, p->n_slots * SLOT_BYTES);
    if (!p->memory)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a pipeline");
    for (size_t i = 0; i < p->n_slots; i++)
        p->slots[i].data = p->memory + i * SLOT_BYTES;
    return WCOW_OK;
}

/* Without threads. */
static void destroy(struct wcow_pipe *p)
{
    (void)pthread_cond_destroy(&p->filled);
    (void)pthread_cond_destroy(&p->freed);
    (void)pthread_mutex_destroy(&p->lock);
    free(p->memory);
    if (p->is_long)
        atomic_flag_clear(&long_ring_taken);
    free(p);
}

int wcow_pipe_new(const struct wcow_pipe_work *work, struct wcow_pipe **ret, struct wcow_error *err)
{
    struct wcow_pipe *p = calloc(1, sizeof(*p));
    if (!p)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a pipeline");
    p->work = *work;
    (void)pthread_mutex_init(&p->lock, NULL);
    (void)pthread_cond_init(&p->filled, NULL);
    (void)pthread_cond_init(&p->freed, NULL);
    int r = take_memory(p, err);
    if (r == WCOW_OK && pthread_create(&p->thread, NULL, read_all, p) != 0)
        r = WCOW_FAIL(err, WCOW_E_LIMIT, "no thread to be had for unpacking");
    if (r < 0) {
        destroy(p);
        return r;
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
    pthread_cond_signal(&pipe->freed);
    pthread_cond_broadcast(&pipe->filled);
    pthread_mutex_unlock(&pipe->lock);
    (void)pthread_join(pipe->thread, NULL);
    if (pipe->has_looker)
        (void)pthread_join(pipe->looker, NULL);
    destroy(pipe);
}
