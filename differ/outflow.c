/* SPDX-License-Identifier: Apache-2.0 */
#include "differ/outflow.h"

#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum {
    /* The size of a message to containerd. Whoever receives them is woken less often, and has less
     * to say in reply, where they are large; see docs/benchmarks.md. */
    SLOT_BYTES = 512 << 10,
    N_SLOTS = 8,
};

enum slot_state { SLOT_FREE, SLOT_FULL, SLOT_LENT };

struct slot {
    struct wcow_outflow *outflow;
    enum slot_state state; /* under the lock */
    size_t len;
    uint8_t data[SLOT_BYTES];
};

struct wcow_outflow {
    struct wcow_borrower to;
    pthread_t thread;
    bool running;
    pthread_mutex_t lock;
    pthread_cond_t filled;
    pthread_cond_t freed;
    size_t fill; /* the slot being filled */
    size_t next; /* the slot to hand on next */
    size_t n_lent;
    bool ended;
    bool stop; /* hand on no more */
    bool freed_by_owner;
    int code;
    struct wcow_error error;
    size_t len; /* of the slot being filled; the filler's own */
    struct slot slots[N_SLOTS];
};

static void destroy(struct wcow_outflow *o)
{
    (void)pthread_cond_destroy(&o->filled);
    (void)pthread_cond_destroy(&o->freed);
    (void)pthread_mutex_destroy(&o->lock);
    free(o);
}

/* The other side needs a slot no more: on any thread, perhaps after the outflow's owner has left.
 */
static void release(void *arg)
{
    struct slot *slot = arg;
    struct wcow_outflow *o = slot->outflow;
    pthread_mutex_lock(&o->lock);
    slot->state = SLOT_FREE;
    o->n_lent--;
    bool last = o->freed_by_owner && !o->n_lent;
    pthread_cond_signal(&o->freed);
    pthread_mutex_unlock(&o->lock);
    if (last)
        destroy(o);
}

static void *run(void *arg)
{
    struct wcow_outflow *o = arg;
    pthread_mutex_lock(&o->lock);
    for (;;) {
        struct slot *slot = &o->slots[o->next];
        while (slot->state != SLOT_FULL && !o->ended && !o->stop)
            pthread_cond_wait(&o->filled, &o->lock);
        if (o->stop || o->code < 0 || slot->state != SLOT_FULL)
            break;
        slot->state = SLOT_LENT;
        o->n_lent++;
        o->next = (o->next + 1) % N_SLOTS;
        pthread_mutex_unlock(&o->lock);
        struct wcow_error error = {0};
        const struct wcow_lent lent = {
            .data = slot->data, .len = slot->len, .release = release, .arg = slot};
        int r = wcow_borrower_take(&o->to, &lent, &error);
        pthread_mutex_lock(&o->lock);
        if (r < 0) {
            o->code = r;
            o->error = error;
            pthread_cond_signal(&o->freed);
        }
    }
    pthread_mutex_unlock(&o->lock);
    return NULL;
}

static int failed(const struct wcow_outflow *o, struct wcow_error *err)
{
    if (o->code < 0 && err)
        *err = o->error;
    return o->code;
}

/* Hand on the slot that was filled. */
static int pass_on(struct wcow_outflow *o, struct wcow_error *err)
{
    struct slot *slot = &o->slots[o->fill];
    slot->len = o->len;
    o->len = 0;
    o->fill = (o->fill + 1) % N_SLOTS;
    pthread_mutex_lock(&o->lock);
    slot->state = SLOT_FULL;
    pthread_cond_signal(&o->filled);
    int r = failed(o, err);
    pthread_mutex_unlock(&o->lock);
    return r;
}

/* Have the slot free that is to be filled next. */
static int wait_for_slot(struct wcow_outflow *o, struct wcow_error *err)
{
    const struct slot *slot = &o->slots[o->fill];
    pthread_mutex_lock(&o->lock);
    while (o->code == WCOW_OK && slot->state != SLOT_FREE)
        pthread_cond_wait(&o->freed, &o->lock);
    int r = failed(o, err);
    pthread_mutex_unlock(&o->lock);
    return r;
}

static uint8_t *outflow_room(void *ctx, size_t *ret_len)
{
    struct wcow_outflow *o = ctx;
    if (!o->len && wait_for_slot(o, NULL) < 0)
        return NULL; /* the next write tells why */
    *ret_len = SLOT_BYTES - o->len;
    return o->slots[o->fill].data + o->len;
}

static int outflow_write(void *ctx, const void *data, size_t len, struct wcow_error *err)
{
    struct wcow_outflow *o = ctx;
    const uint8_t *p = data;
    while (len) {
        int r = o->len ? WCOW_OK : wait_for_slot(o, err);
        if (r < 0)
            return r;
        size_t n = SLOT_BYTES - o->len;
        if (n > len)
            n = len;
        uint8_t *to = o->slots[o->fill].data + o->len;
        if (p != to)
            memcpy(to, p, n);
        o->len += n;
        p += n;
        len -= n;
        r = o->len == SLOT_BYTES ? pass_on(o, err) : WCOW_OK;
        if (r < 0)
            return r;
    }
    return WCOW_OK;
}

struct wcow_sink wcow_outflow_sink(struct wcow_outflow *o)
{
    return (struct wcow_sink){.write = outflow_write, .room = outflow_room, .ctx = o};
}

int wcow_outflow_new(const struct wcow_borrower *to, struct wcow_outflow **ret,
                     struct wcow_error *err)
{
    struct wcow_outflow *o = malloc(sizeof(*o));
    if (!o)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a blob");
    memset(o, 0, offsetof(struct wcow_outflow, slots)); /* buffers that stay unused cost nothing */
    for (size_t i = 0; i < N_SLOTS; i++) {
        o->slots[i].outflow = o;
        o->slots[i].state = SLOT_FREE;
    }
    o->to = *to;
    (void)pthread_mutex_init(&o->lock, NULL);
    (void)pthread_cond_init(&o->filled, NULL);
    (void)pthread_cond_init(&o->freed, NULL);
    o->running = pthread_create(&o->thread, NULL, run, o) == 0;
    if (!o->running) {
        destroy(o);
        return WCOW_FAIL(err, WCOW_E_LIMIT, "no thread to be had for writing a blob");
    }
    *ret = o;
    return WCOW_OK;
}

static void end(struct wcow_outflow *o, bool stop)
{
    if (!o->running)
        return;
    pthread_mutex_lock(&o->lock);
    o->ended = true;
    o->stop = stop;
    pthread_cond_signal(&o->filled);
    pthread_mutex_unlock(&o->lock);
    (void)pthread_join(o->thread, NULL);
    o->running = false;
}

int wcow_outflow_finish(struct wcow_outflow *o, struct wcow_error *err)
{
    int r = o->len ? pass_on(o, err) : WCOW_OK;
    end(o, false);
    return r < 0 ? r : failed(o, err);
}

void wcow_outflow_free(struct wcow_outflow *o)
{
    if (!o)
        return;
    end(o, true);
    pthread_mutex_lock(&o->lock);
    o->freed_by_owner = true;
    bool last = !o->n_lent;
    pthread_mutex_unlock(&o->lock);
    if (last)
        destroy(o);
}
