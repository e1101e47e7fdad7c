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

void wcow_syncer_expect(struct wcow_syncer *syncer, int64_t id)
{
    if (id > atomic_load(&syncer->last_id))
        atomic_store(&syncer->last_id, id);
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
    if (e) {
        syncer->failed_until = atomic_load(&syncer->last_id);
        syncer->sys_errno = e;
    }
    (void)pthread_cond_broadcast(&syncer->done);
}

int wcow_syncer_sync(struct wcow_syncer *syncer, int64_t id, struct wcow_error *err)
{
    (void)pthread_mutex_lock(&syncer->mutex);
    /* One that runs already may have passed what the caller wrote: the next one is wanted. */
    uint64_t wanted = syncer->started + 1;
    while (syncer->finished < wanted && id > syncer->failed_until) {
        if (syncer->running)
            (void)pthread_cond_wait(&syncer->done, &syncer->mutex);
        else
            run_one(syncer);
    }
    int e = id > syncer->failed_until ? 0 : syncer->sys_errno;
    (void)pthread_mutex_unlock(&syncer->mutex);
    errno = e;
    return e ? WCOW_FAIL_ERRNO(err, wcow_code_of_errno(e),
                               "the snapshots' file system could not be synced, and what was "
                               "written to this snapshot may be lost: remove it and make it anew")
             : WCOW_OK;
}
