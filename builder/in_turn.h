/* SPDX-License-Identifier: Apache-2.0 */
/** @file in_turn.h
 *  Several things of a kind, done by a few threads of which each takes the next one. */
#ifndef WCOW_BUILDER_IN_TURN_H
#define WCOW_BUILDER_IN_TURN_H

#include <stddef.h>

#include "base/error.h"

enum { WCOW_IN_TURN_MAX_THREADS = 8 };

struct wcow_in_turn {
    /** Number @p i, at the same time as others. */
    int (*one)(void *ctx, size_t i, struct wcow_error *err);
    void *ctx;
    size_t n;           /**< may be 0 */
    unsigned n_threads; /**< at most, the caller's among them; up to WCOW_IN_TURN_MAX_THREADS */
};

/** Until all are done. After an error no further one is begun, and the first error is what this
 *  gives. */
WCOW_NODISCARD int wcow_in_turn(const struct wcow_in_turn *work, struct wcow_error *err);

#endif
