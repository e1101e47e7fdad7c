/* SPDX-License-Identifier: Apache-2.0 */
/** @file key_lock.h
 *  Locks with names: whoever holds "image x" makes others that want it wait, and nobody else. For
 *  work that several threads might begin and one should do. */
#ifndef WCOW_BASE_KEY_LOCK_H
#define WCOW_BASE_KEY_LOCK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "base/error.h"

struct wcow_key_locks {
    pthread_mutex_t mutex;
    pthread_cond_t given; /**< some key was given back */
    char **held;
    size_t n;
};
void wcow_key_locks_init(struct wcow_key_locks *locks);
/** Nothing may be held. */
void wcow_key_locks_done(struct wcow_key_locks *locks);

/** Wait until nobody holds @p key, and hold it. Not recursive.
 *  @param cancel  polled; may be NULL. WCOW_E_CANCELLED, WCOW_E_NOMEM */
WCOW_NODISCARD int wcow_key_lock_take(struct wcow_key_locks *locks, const char *key,
                                      const atomic_bool *cancel, struct wcow_error *err);
void wcow_key_lock_give(struct wcow_key_locks *locks, const char *key);

/** Held until the end of a block: take one with wcow_key_lock_hold(), release with
 *  wcow_key_hold_done(). Zero-initialise. */
struct wcow_key_hold {
    struct wcow_key_locks *locks;
    char *key;
};
WCOW_NODISCARD int wcow_key_lock_hold(struct wcow_key_locks *locks, const char *key,
                                      const atomic_bool *cancel, struct wcow_key_hold *ret,
                                      struct wcow_error *err);
void wcow_key_hold_done(struct wcow_key_hold *hold);

#endif
