/* SPDX-License-Identifier: Apache-2.0 */
/** @file syncer.h
 *  syncfs(2) shared by all that wait for it: one that begins serves everybody who came before.
 *
 *  Linux tells of a write that failed once, whoever asks next, and takes what could not be written
 *  for clean: another syncfs would succeed. So a failure counts for every snapshot that was there
 *  then, whether or not its caller waited, and as long as the process lasts. */
#ifndef WCOW_SNAPSHOTTER_SYNCER_H
#define WCOW_SNAPSHOTTER_SYNCER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct wcow_syncer {
    int fd;                      /**< on the file system; borrowed */
    atomic_int_fast64_t last_id; /**< of the snapshots there are */
    pthread_mutex_t mutex;       /**< guards what follows */
    pthread_cond_t done;
    bool running;
    uint64_t started;
    uint64_t finished;
    int64_t failed_until; /**< snapshots up to this id are none that may be committed... */
    int sys_errno;        /**< ...for this reason */
};

void wcow_syncer_init(struct wcow_syncer *syncer, int fd);
void wcow_syncer_done(struct wcow_syncer *syncer);
/** There is a snapshot @p id, into which nothing was written yet. Ids only grow. One at a time. */
void wcow_syncer_expect(struct wcow_syncer *syncer, int64_t id);
/** Everything written to snapshot @p id before this call is on disk when it returns. An error is
 * for good: the snapshot has to be made anew. */
WCOW_NODISCARD int wcow_syncer_sync(struct wcow_syncer *syncer, int64_t id, struct wcow_error *err);

#endif
