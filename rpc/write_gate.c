/* SPDX-License-Identifier: Apache-2.0 */
#include "rpc/write_gate.h"

#include <stddef.h>
#include <time.h>

enum { LOOK_AGAIN_US = 200 };

void wcow_write_gate_init(struct wcow_write_gate *gate)
{
    *gate = (struct wcow_write_gate){0};
    (void)pthread_mutex_init(&gate->lock, NULL);
    gate->last = &gate->first;
}

void wcow_write_gate_done(struct wcow_write_gate *gate)
{
    (void)pthread_mutex_destroy(&gate->lock);
}

/* Counted before the gate is looked at, so that who closes it and then counts misses nobody. */
bool wcow_write_gate_enter(struct wcow_write_gate *gate, struct wcow_write_gate_visitor *visitor)
{
    (void)atomic_fetch_add(&gate->n_inside, 1);
    if (!atomic_load(&gate->is_closed))
        return true;
    (void)pthread_mutex_lock(&gate->lock);
    bool waits = atomic_load(&gate->is_closed);
    if (waits) {
        (void)atomic_fetch_sub(&gate->n_inside, 1);
        visitor->next = NULL;
        *gate->last = visitor;
        gate->last = &visitor->next;
    }
    (void)pthread_mutex_unlock(&gate->lock);
    return !waits;
}

void wcow_write_gate_leave(struct wcow_write_gate *gate)
{
    (void)atomic_fetch_sub(&gate->n_inside, 1);
}

bool wcow_write_gate_close(struct wcow_write_gate *gate, uint32_t timeout_ms)
{
    const struct timespec pause = {.tv_nsec = LOOK_AGAIN_US * 1000L};
    (void)pthread_mutex_lock(&gate->lock);
    atomic_store(&gate->is_closed, true);
    (void)pthread_mutex_unlock(&gate->lock);
    for (uint64_t us = 0; atomic_load(&gate->n_inside) > 0; us += LOOK_AGAIN_US) {
        if (us >= (uint64_t)timeout_ms * 1000)
            return false;
        (void)nanosleep(&pause, NULL);
    }
    return true;
}

void wcow_write_gate_open(struct wcow_write_gate *gate)
{
    (void)pthread_mutex_lock(&gate->lock);
    atomic_store(&gate->is_closed, false);
    struct wcow_write_gate_visitor *visitor = gate->first;
    gate->first = NULL;
    gate->last = &gate->first;
    (void)pthread_mutex_unlock(&gate->lock);
    while (visitor) {
        struct wcow_write_gate_visitor *next = visitor->next; /* go() may free the visitor */
        (void)atomic_fetch_add(&gate->n_inside, 1);
        visitor->go(visitor);
        visitor = next;
    }
}
