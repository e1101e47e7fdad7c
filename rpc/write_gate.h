/* SPDX-License-Identifier: Apache-2.0 */
/** @file gate.h
 *  Inside rpc/: what is written to clients passes a gate that can be closed for a moment. Behind a
 *  closed gate with nobody inside, no message is half written on any connection. */
#ifndef WCOW_RPC_WRITE_GATE_H
#define WCOW_RPC_WRITE_GATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/** Belongs to the caller, until it is let in. */
struct wcow_write_gate_visitor {
    struct wcow_write_gate_visitor *next;
    void (*go)(
        struct wcow_write_gate_visitor *visitor); /**< let in late, on the thread that opens */
};

struct wcow_write_gate {
    atomic_size_t n_inside;
    atomic_bool is_closed;
    pthread_mutex_t lock; /**< the rest */
    struct wcow_write_gate_visitor *first;
    struct wcow_write_gate_visitor **last;
};

void wcow_write_gate_init(struct wcow_write_gate *gate);
void wcow_write_gate_done(struct wcow_write_gate *gate);
/** True: inside, go on. False: @p visitor is let in later, by its go(). */
bool wcow_write_gate_enter(struct wcow_write_gate *gate, struct wcow_write_gate_visitor *visitor);
void wcow_write_gate_leave(struct wcow_write_gate *gate);
/** Lets nobody in and waits until all have left. False where some have not within the time. */
bool wcow_write_gate_close(struct wcow_write_gate *gate, uint32_t timeout_ms);
void wcow_write_gate_open(struct wcow_write_gate *gate);

#endif
