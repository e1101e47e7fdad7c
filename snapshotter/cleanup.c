/* SPDX-License-Identifier: Apache-2.0 */
/* Cleanup: the one call that waits for what may take minutes. All that wait at once share one
 * thread, and whose caller is gone waits no longer. */
#include "snapshotter/internal.h"

enum { LOOK_MS = 100 }; /* how soon it is seen that a caller is gone */

void wcow_cleanups_init(struct wcow_cleanups *cleanups)
{
    *cleanups = (struct wcow_cleanups){0};
    (void)pthread_mutex_init(&cleanups->mutex, NULL);
}

void wcow_cleanups_done(struct wcow_cleanups *cleanups)
{
    (void)pthread_mutex_destroy(&cleanups->mutex);
}

static void answer(struct wcow_cleanup *first, int code, const struct wcow_error *err)
{
    for (struct wcow_cleanup *c = first, *next = NULL; c; c = next) {
        next = c->next; /* done may free it */
        c->done(c->arg, code, err);
    }
}

/* Takes those whose callers are gone out of the list. */
static struct wcow_cleanup *take_cancelled(struct wcow_cleanup **list)
{
    struct wcow_cleanup *gone = NULL;
    for (struct wcow_cleanup **at = list; *at;) {
        struct wcow_cleanup *c = *at;
        if (!atomic_load(c->cancelled)) {
            at = &c->next;
            continue;
        }
        *at = c->next;
        c->next = gone;
        gone = c;
    }
    return gone;
}

/* Nobody waits for what his caller does not. @return whether anybody is left in @p list */
static bool drop_cancelled(struct wcow_cleanups *cleanups, struct wcow_cleanup **list)
{
    (void)pthread_mutex_lock(&cleanups->mutex);
    struct wcow_cleanup *gone = take_cancelled(&cleanups->waiting);
    (void)pthread_mutex_unlock(&cleanups->mutex);
    struct wcow_error err = {0};
    int r = WCOW_FAIL(&err, WCOW_E_CANCELLED, "the caller of Cleanup went away");
    answer(gone, r, &err);
    answer(take_cancelled(list), r, &err);
    return *list != NULL;
}

/* Until all is gone that was removed before, or nobody waits any more. */
static void serve(struct wcow_snapshotter *s, struct wcow_cleanup *list)
{
    while (!wcow_sweeper_wait(&s->sweeper, LOOK_MS)) { /* which may have more for the reaper */
        if (!drop_cancelled(&s->cleanups, &list))
            return;
    }
    struct wcow_error err = {0};
    wcow_reaper_try_again(s->reaper);
    int r = WCOW_E_DEADLINE;
    while ((r = wcow_reaper_wait(s->reaper, LOOK_MS, &err)) == WCOW_E_DEADLINE) {
        if (!drop_cancelled(&s->cleanups, &list))
            return;
    }
    answer(list, r, &err);
}

/* @return those that have come, or NULL: then whoever comes next has to serve them */
static struct wcow_cleanup *take_waiting(struct wcow_cleanups *cleanups)
{
    (void)pthread_mutex_lock(&cleanups->mutex);
    struct wcow_cleanup *list = cleanups->waiting;
    cleanups->waiting = NULL;
    cleanups->is_served = list != NULL;
    (void)pthread_mutex_unlock(&cleanups->mutex);
    return list;
}

void wcow_snapshotter_cleanup(struct wcow_snapshotter *s, struct wcow_cleanup *cleanup)
{
    struct wcow_cleanups *cleanups = &s->cleanups;
    (void)pthread_mutex_lock(&cleanups->mutex);
    cleanup->next = cleanups->waiting;
    cleanups->waiting = cleanup;
    bool is_served = cleanups->is_served;
    cleanups->is_served = true;
    (void)pthread_mutex_unlock(&cleanups->mutex);
    if (is_served)
        return;
    for (struct wcow_cleanup *list = NULL; (list = take_waiting(cleanups));)
        serve(s, list);
}
