/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshotter/syncer.h"

#include <unistd.h>

#include "base/beneath.h"

void wcow_syncer_init(struct wcow_syncer *syncer, int fd)
{
    *syncer = (struct wcow_syncer){.fd = fd};
    (void)pthread_mutex_init(&syncer->mutex, NULL);
    (void)pthread_cond_init(&syncer->done, NULL);
}

void wcow_syncer_done(struct wcow_syncer *syncer)
{
    (void)pthread_cond_destroy(&syncer->done);
    (void)pthread_mutex_destroy(&syncer->mutex);
}

/* With the mutex held. */
static void run_one(struct wcow_syncer *syncer)
{
    syncer->running = true;
    uint64_t mine = ++syncer->started;
    (void)pthread_mutex_unlock(&syncer->mutex);
    int e = syncfs(syncer->fd) < 0 ? errno : 0;
    (void)pthread_mutex_lock(&syncer->mutex);
    syncer->running = false;
    syncer->finished = mine;
    syncer->sys_errno = e;
    (void)pthread_cond_broadcast(&syncer->done);
}

int wcow_syncer_sync(struct wcow_syncer *syncer, struct wcow_error *err)
{
    (void)pthread_mutex_lock(&syncer->mutex);
    /* One that runs already may have passed what the caller wrote: the next one is wanted. */
    uint64_t wanted = syncer->started + 1;
    while (syncer->finished < wanted) {
        if (syncer->running)
            (void)pthread_cond_wait(&syncer->done, &syncer->mutex);
        else
            run_one(syncer);
    }
    int e = syncer->sys_errno;
    (void)pthread_mutex_unlock(&syncer->mutex);
    errno = e;
    return e ? WCOW_FAIL_ERRNO(err, wcow_code_of_errno(e), "cannot sync the snapshots' file system")
             : WCOW_OK;
}
