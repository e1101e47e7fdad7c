/* SPDX-License-Identifier: Apache-2.0 */
/** @file gate.h
 *  Bounds what calls take together: each states its weight, and waits until there is room. */
#ifndef WCOW_DIFFER_GATE_H
#define WCOW_DIFFER_GATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/error.h"

struct wcow_gate {
    pthread_mutex_t lock;
    pthread_cond_t left;
    unsigned room;
};

void wcow_gate_init(struct wcow_gate *gate, unsigned room);
void wcow_gate_done(struct wcow_gate *gate);
/** @param weight at most the gate's room @param cancel polled while waiting: WCOW_E_CANCELLED */
WCOW_NODISCARD int wcow_gate_enter(struct wcow_gate *gate, unsigned weight,
                                   const atomic_bool *cancel, struct wcow_error *err);
void wcow_gate_leave(struct wcow_gate *gate, unsigned weight);

#endif
