/* SPDX-License-Identifier: Apache-2.0 */
#include "differ/gate.h"

#include <stdbool.h>
#include <time.h>

enum { POLL_NS = 50 * 1000 * 1000 };

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

/* A while, or until somebody leaves. */
static void wait_a_while(struct wcow_gate *gate)
{
    struct timespec until = {0};
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += POLL_NS;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_nsec -= 1000000000L;
        until.tv_sec++;
    }
    (void)pthread_cond_timedwait(&gate->left, &gate->lock, &until);
}

int wcow_gate_enter(struct wcow_gate *gate, unsigned weight, const atomic_bool *cancel,
                    struct wcow_error *err)
{
    bool cancelled = false;
    pthread_mutex_lock(&gate->lock);
    while (gate->room < weight && !cancelled) {
        wait_a_while(gate);
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
