/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/in_turn.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct turns {
    const struct wcow_in_turn *work;
    atomic_size_t next;
    atomic_bool has_failed;
    int code; /* of whoever set has_failed, as is what follows */
    struct wcow_error err;
};

static void *take_turns(void *arg)
{
    struct turns *t = arg;
    for (;;) {
        size_t i = atomic_fetch_add(&t->next, 1);
        if (i >= t->work->n || atomic_load(&t->has_failed))
            return NULL;
        struct wcow_error err = {0};
        int r = t->work->one(t->work->ctx, i, &err);
        if (r < 0 && !atomic_exchange(&t->has_failed, true)) {
            t->code = r;
            t->err = err;
        }
    }
}

int wcow_in_turn(const struct wcow_in_turn *work, struct wcow_error *err)
{
    struct turns t = {.work = work};
    pthread_t threads[WCOW_IN_TURN_MAX_THREADS];
    size_t n_most = work->n < work->n_threads ? work->n : work->n_threads;
    size_t n = 0;
    /* Where no thread can be had, those that there are do it. */
    while (n + 1 < n_most && n < WCOW_IN_TURN_MAX_THREADS &&
           pthread_create(&threads[n], NULL, take_turns, &t) == 0)
        n++;
    (void)take_turns(&t);
    for (size_t i = 0; i < n; i++)
        (void)pthread_join(threads[i], NULL);
    if (!t.code)
        return WCOW_OK;
    if (err)
        *err = t.err;
    return t.code;
}
