/* SPDX-License-Identifier: Apache-2.0 */
#include "differ/outflow.h"

#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum {
    /* The size of a message to containerd: passed on without another copy. */
    SLOT_BYTES = 128 << 10,
    N_SLOTS = 16,
};

struct slot {
    size_t len;
    uint8_t data[SLOT_BYTES];
};

struct wcow_outflow {
    struct wcow_sink to;
    pthread_t thread;
    bool running;
    pthread_mutex_t lock;
    pthread_cond_t filled;
    pthread_cond_t freed;
    uint64_t n_filled;
    uint64_t n_written;
    bool ended;
    bool stop; /* write no more */
    int code;
    struct wcow_error error;
    size_t len; /* of the slot being filled; the filler's own */
    struct slot slots[N_SLOTS];
};

static void *run(void *arg)
{
    struct wcow_outflow *o = arg;
    pthread_mutex_lock(&o->lock);
    for (;;) {
        while (o->n_written == o->n_filled && !o->ended && !o->stop)
            pthread_cond_wait(&o->filled, &o->lock);
        if (o->stop || o->code < 0 || o->n_written == o->n_filled)
            break;
        const struct slot *slot = &o->slots[o->n_written % N_SLOTS];
        pthread_mutex_unlock(&o->lock);
        struct wcow_error error = {0};
        int r = wcow_sink_write(&o->to, slot->data, slot->len, &error);
        pthread_mutex_lock(&o->lock);
        o->n_written++;
        if (r < 0) {
            o->code = r;
            o->error = error;
        }
        pthread_cond_signal(&o->freed);
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

/* Hand on the slot that was filled, and have the next one free. */
static int pass_on(struct wcow_outflow *o, struct wcow_error *err)
{
    pthread_mutex_lock(&o->lock);
    o->slots[o->n_filled % N_SLOTS].len = o->len;
    o->len = 0;
    o->n_filled++;
    pthread_cond_signal(&o->filled);
    while (o->code == WCOW_OK && o->n_filled - o->n_written == N_SLOTS)
        pthread_cond_wait(&o->freed, &o->lock);
    int r = failed(o, err);
    pthread_mutex_unlock(&o->lock);
    return r;
}

static int outflow_write(void *ctx, const void *data, size_t len, struct wcow_error *err)
{
    struct wcow_outflow *o = ctx;
    const uint8_t *p = data;
    while (len) {
        size_t n = SLOT_BYTES - o->len;
        if (n > len)
            n = len;
        memcpy(o->slots[o->n_filled % N_SLOTS].data + o->len, p, n);
        o->len += n;
        p += n;
        len -= n;
        int r = o->len == SLOT_BYTES ? pass_on(o, err) : WCOW_OK;
        if (r < 0)
            return r;
    }
    return WCOW_OK;
}

struct wcow_sink wcow_outflow_sink(struct wcow_outflow *o)
{
    return (struct wcow_sink){.write = outflow_write, .ctx = o};
}

int wcow_outflow_new(const struct wcow_sink *to, struct wcow_outflow **ret, struct wcow_error *err)
{
    struct wcow_outflow *o = malloc(sizeof(*o));
    if (!o)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a blob");
    memset(o, 0, offsetof(struct wcow_outflow, slots)); /* buffers that stay unused cost nothing */
    o->to = *to;
    (void)pthread_mutex_init(&o->lock, NULL);
    (void)pthread_cond_init(&o->filled, NULL);
    (void)pthread_cond_init(&o->freed, NULL);
    o->running = pthread_create(&o->thread, NULL, run, o) == 0;
    if (!o->running) {
        wcow_outflow_free(o);
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
    (void)pthread_cond_destroy(&o->filled);
    (void)pthread_cond_destroy(&o->freed);
    (void)pthread_mutex_destroy(&o->lock);
    free(o);
}
