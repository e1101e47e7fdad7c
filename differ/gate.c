/* SPDX-License-Identifier: Apache-2.0 */
#include "differ/gate.h"

#include <stdbool.h>

#include "base/cond.h"

enum { POLL_MS = 50 };

void wcow_gate_init(struct wcow_gate *gate, unsigned room)
{
    (void)pthread_mutex_init(&gate->lock, NULL);
    (void)pthread_cond_init(&gate->left, NULL);
    gate->room = room;
}

void wcow_gate_done(struct wcow_gate *gate)
{
    (void)pthread_cond_destroy(&gate->left);
    (void)pthread_mutex_destroy(&gate->lock);
}

int wcow_gate_enter(struct wcow_gate *gate, unsigned weight, const atomic_bool *cancel,
                    struct wcow_error *err)
{
    bool cancelled = false;
    pthread_mutex_lock(&gate->lock);
    while (gate->room < weight && !cancelled) {
        wcow_cond_wait_ms(&gate->left, &gate->lock, POLL_MS);
        cancelled = cancel && atomic_load(cancel);
    }
    if (!cancelled)
        gate->room -= weight;
    pthread_mutex_unlock(&gate->lock);
    return cancelled ? WCOW_FAIL(err, WCOW_E_CANCELLED,
                                 "cancelled by the caller while other layers were worked on")
                     : WCOW_OK;
}

void wcow_gate_leave(struct wcow_gate *gate, unsigned weight)
{
    pthread_mutex_lock(&gate->lock);
    gate->room += weight;
    pthread_cond_broadcast(&gate->left);
    pthread_mutex_unlock(&gate->lock);
}
