/* SPDX-License-Identifier: Apache-2.0 */
#include "differ/pipe.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
    SLOT_BYTES = 512 << 10, /* a hand-over is a wake-up: few of them */
    /* What stands in the ring evens out stretches of small files, where the readers are the slower,
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

struct reader {
    struct wcow_pipe *pipe;
    uint64_t next; /* the chunk it reads next */
    bool holds;    /* chunk next - 1 is still in use */
};

struct wcow_pipe {
    wcow_pipe_read_fn read;
    void *ctx;
    const atomic_bool *cancel;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t filled;
    pthread_cond_t freed;
    uint64_t n_filled; /* chunks given so far */
    bool ended;
    bool stop;
    int code; /* of the source, once ended */
    struct wcow_error error;
    struct reader readers[WCOW_PIPE_READERS];
    bool is_long;
    size_t n_slots;
    uint8_t *memory; /* of the slots */
    struct slot slots[N_SLOTS];
};

/* The oldest chunk that a reader still needs. */
static uint64_t oldest_needed(const struct wcow_pipe *p)
{
    uint64_t oldest = p->n_filled;
    for (size_t i = 0; i < WCOW_PIPE_READERS; i++) {
        const struct reader *r = &p->readers[i];
        uint64_t at = r->next - (r->holds ? 1 : 0);
        if (at < oldest)
            oldest = at;
    }
    return oldest;
}

/* A free slot, or NULL where nobody reads any more. */
static struct slot *wait_for_slot(struct wcow_pipe *p)
{
    pthread_mutex_lock(&p->lock);
    while (!p->stop && p->n_filled - oldest_needed(p) >= p->n_slots)
        pthread_cond_wait(&p->freed, &p->lock);
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
        if (p->cancel && atomic_load(p->cancel))
            return WCOW_FAIL(err, WCOW_E_CANCELLED, "cancelled by the caller");
        slot->len = 0;
        int r = p->read(p->ctx, slot->data, SLOT_BYTES, &slot->len, err);
        if (r < 0 || slot->len == 0)
            return r;
        give_slot(p);
    }
}

static void *run(void *arg)
{
    struct wcow_pipe *p = arg;
    struct wcow_error error = {0};
    int code = pump(p, &error);
    pthread_mutex_lock(&p->lock);
    p->code = code;
    p->error = error;
    p->ended = true;
    pthread_cond_broadcast(&p->filled);
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

static int reader_next(void *ctx, const uint8_t **ret_data, size_t *ret_len, struct wcow_error *err)
{
    struct reader *r = ctx;
    struct wcow_pipe *p = r->pipe;
    int code = WCOW_OK;
    *ret_len = 0;
    pthread_mutex_lock(&p->lock);
    if (r->holds) {
        r->holds = false;
        pthread_cond_signal(&p->freed);
    }
    while (r->next == p->n_filled && !p->ended && !p->stop)
        pthread_cond_wait(&p->filled, &p->lock);
    if (p->stop) {
        code = WCOW_FAIL(err, WCOW_E_CANCELLED, "stopped");
    } else if (r->next < p->n_filled) {
        const struct slot *slot = &p->slots[r->next % p->n_slots];
        r->next++;
        r->holds = true;
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

struct wcow_source wcow_pipe_reader(struct wcow_pipe *pipe, unsigned i)
{
    return (struct wcow_source){.next = reader_next, .ctx = &pipe->readers[i]};
}

void wcow_pipe_stop(struct wcow_pipe *pipe)
{
    pthread_mutex_lock(&pipe->lock);
    pipe->stop = true;
    pthread_cond_signal(&pipe->freed);
    pthread_cond_broadcast(&pipe->filled);
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

static void give_memory_back(struct wcow_pipe *p)
{
    free(p->memory);
    if (p->is_long)
        atomic_flag_clear(&long_ring_taken);
}

int wcow_pipe_new(wcow_pipe_read_fn read, void *ctx, const atomic_bool *cancel,
                  struct wcow_pipe **ret, struct wcow_error *err)
{
    struct wcow_pipe *p = calloc(1, sizeof(*p));
    if (!p)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a pipeline");
    int r = take_memory(p, err);
    if (r < 0) {
        give_memory_back(p);
        free(p);
        return r;
    }
    p->read = read;
    p->ctx = ctx;
    p->cancel = cancel;
    for (size_t i = 0; i < WCOW_PIPE_READERS; i++)
        p->readers[i].pipe = p;
    (void)pthread_mutex_init(&p->lock, NULL);
    (void)pthread_cond_init(&p->filled, NULL);
    (void)pthread_cond_init(&p->freed, NULL);
    if (pthread_create(&p->thread, NULL, run, p) != 0) {
        give_memory_back(p);
        free(p);
        return WCOW_FAIL(err, WCOW_E_LIMIT, "no thread to be had for unpacking");
    }
    *ret = p;
    return WCOW_OK;
}

void wcow_pipe_free(struct wcow_pipe *pipe)
{
    if (!pipe)
        return;
    wcow_pipe_stop(pipe);
    (void)pthread_join(pipe->thread, NULL);
    (void)pthread_cond_destroy(&pipe->filled);
    (void)pthread_cond_destroy(&pipe->freed);
    (void)pthread_mutex_destroy(&pipe->lock);
    give_memory_back(pipe);
    free(pipe);
}
