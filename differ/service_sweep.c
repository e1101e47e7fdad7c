/* SPDX-License-Identifier: Apache-2.0 */
#include <stdatomic.h>
#include <stdlib.h>

#include "base/cond.h"
#include "base/log.h"
#include "containerd/content.h"
#include "containerd/leases.h"
#include "differ/leftovers.h"
#include "differ/service_internal.h"

enum { FIRST_WAIT_S = 1, LONGEST_WAIT_S = 60, CALL_MS = 5000 };

struct wcow_differ_sweeper {
    const struct wcow_differ_service *service;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    atomic_bool stopping; /* changes under the lock */
};

static int take_away(void *arg, const struct wcow_leftover *what, struct wcow_error *err)
{
    struct wcow_differ_sweeper *sweeper = arg;
    struct wcow_containerd_ctx ctx = {.client = sweeper->service->options.containerd,
                                      .ns = what->ns,
                                      .cancel = &sweeper->stopping,
                                      .timeout_ms = CALL_MS};
    int r = wcow_content_abort(&ctx, what->ref, err);
    if (r == WCOW_OK && *what->lease)
        r = wcow_lease_delete(&ctx, what->lease, false, err);
    if (r == WCOW_OK)
        wcow_log(WCOW_LOG_INFO, "an unfinished layer of before was taken away",
                 WCOW_STR("namespace", what->ns), WCOW_STR("ref", what->ref));
    return r;
}

/* @return whether to go on */
static bool wait_for(struct wcow_differ_sweeper *sweeper, unsigned seconds)
{
    const struct timespec until = wcow_after_ms(seconds * 1000);
    (void)pthread_mutex_lock(&sweeper->lock);
    int r = 0;
    while (!atomic_load(&sweeper->stopping) && r == 0)
        r = wcow_cond_wait_until(&sweeper->wake, &sweeper->lock, &until);
    (void)pthread_mutex_unlock(&sweeper->lock);
    return !atomic_load(&sweeper->stopping);
}

static void *sweep(void *arg)
{
    struct wcow_differ_sweeper *sweeper = arg;
    const char *folder = sweeper->service->options.leftovers;
    for (unsigned wait = FIRST_WAIT_S;; wait = wait < LONGEST_WAIT_S ? wait * 2 : wait) {
        struct wcow_error err = {0};
        int r = wcow_leftovers_each(folder, take_away, sweeper, &err);
        if (r < 0)
            wcow_log(WCOW_LOG_WARN, "unfinished layers of before cannot be taken away",
                     WCOW_STR("error", err.msg));
        if (r <= 0 || !wait_for(sweeper, wait))
            return NULL;
    }
}

int wcow_differ_sweeper_new(const struct wcow_differ_service *service,
                            struct wcow_differ_sweeper **ret, struct wcow_error *err)
{
    struct wcow_differ_sweeper *sweeper = calloc(1, sizeof(*sweeper));
    if (!sweeper)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for the differ");
    sweeper->service = service;
    (void)pthread_mutex_init(&sweeper->lock, NULL);
    (void)pthread_cond_init(&sweeper->wake, NULL);
    int e = pthread_create(&sweeper->thread, NULL, sweep, sweeper);
    if (e) {
        free(sweeper);
        return WCOW_FAIL(err, WCOW_E_LIMIT, "cannot start the differ's own thread: %d", e);
    }
    *ret = sweeper;
    return WCOW_OK;
}

void wcow_differ_sweeper_free(struct wcow_differ_sweeper *sweeper)
{
    if (!sweeper)
        return;
    (void)pthread_mutex_lock(&sweeper->lock);
    atomic_store(&sweeper->stopping, true);
    (void)pthread_cond_signal(&sweeper->wake);
    (void)pthread_mutex_unlock(&sweeper->lock);
    (void)pthread_join(sweeper->thread, NULL);
    (void)pthread_cond_destroy(&sweeper->wake);
    (void)pthread_mutex_destroy(&sweeper->lock);
    free(sweeper);
}
