/* SPDX-License-Identifier: Apache-2.0 */
#include "base/key_lock.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cond.h"

enum { POLL_MS = 50 };

void wcow_key_locks_init(struct wcow_key_locks *locks)
{
    *locks = (struct wcow_key_locks){0};
    (void)pthread_mutex_init(&locks->mutex, NULL);
    (void)pthread_cond_init(&locks->given, NULL);
}

void wcow_key_locks_done(struct wcow_key_locks *locks)
{
    free(locks->held);
    (void)pthread_cond_destroy(&locks->given);
    (void)pthread_mutex_destroy(&locks->mutex);
}

static size_t find(const struct wcow_key_locks *locks, const char *key)
{
    size_t i = 0;
    while (i < locks->n && strcmp(locks->held[i], key) != 0)
        i++;
    return i;
}

static int add(struct wcow_key_locks *locks, const char *key, struct wcow_error *err)
{
    char **grown = reallocarray(locks->held, locks->n + 1, sizeof(char *));
    if (grown)
        locks->held = grown;
    char *copy = grown ? strdup(key) : NULL;
    if (!copy)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a lock");
    grown[locks->n++] = copy;
    return WCOW_OK;
}

int wcow_key_lock_take(struct wcow_key_locks *locks, const char *key, const atomic_bool *cancel,
                       struct wcow_error *err)
{
    bool is_cancelled = false;
    (void)pthread_mutex_lock(&locks->mutex);
    while (find(locks, key) < locks->n && !(is_cancelled = cancel && atomic_load(cancel)))
        wcow_cond_wait_ms(&locks->given, &locks->mutex, POLL_MS); /* to look at the flag again */
    int r = is_cancelled ? WCOW_FAIL(err, WCOW_E_CANCELLED, "cancelled") : add(locks, key, err);
    (void)pthread_mutex_unlock(&locks->mutex);
    return r;
}

void wcow_key_lock_give(struct wcow_key_locks *locks, const char *key)
{
    (void)pthread_mutex_lock(&locks->mutex);
    size_t i = find(locks, key);
    if (i < locks->n) {
        free(locks->held[i]);
        locks->held[i] = locks->held[--locks->n];
    }
    (void)pthread_cond_broadcast(&locks->given);
    (void)pthread_mutex_unlock(&locks->mutex);
}

int wcow_key_lock_hold(struct wcow_key_locks *locks, const char *key, const atomic_bool *cancel,
                       struct wcow_key_hold *ret, struct wcow_error *err)
{
    char *copy = strdup(key);
    int r = copy ? wcow_key_lock_take(locks, key, cancel, err)
                 : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a lock");
    if (r < 0) {
        free(copy);
        return r;
    }
    *ret = (struct wcow_key_hold){.locks = locks, .key = copy};
    return WCOW_OK;
}

void wcow_key_hold_done(struct wcow_key_hold *hold)
{
    if (hold->key)
        wcow_key_lock_give(hold->locks, hold->key);
    free(hold->key);
    *hold = (struct wcow_key_hold){0};
}
