/* SPDX-License-Identifier: Apache-2.0 */
/** @file syncer.h
 *  syncfs(2) shared by all that wait for it: one that begins serves everybody who came before. */
#ifndef WCOW_SNAPSHOTTER_SYNCER_H
#define WCOW_SNAPSHOTTER_SYNCER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct wcow_syncer {
    int fd; /**< on the file system; borrowed */
    pthread_mutex_t mutex;
    pthread_cond_t done;
    bool running;
    uint64_t started;
    uint64_t finished;
    int sys_errno; /**< of the last one */
};

void wcow_syncer_init(struct wcow_syncer *syncer, int fd);
void wcow_syncer_done(struct wcow_syncer *syncer);
/** Everything written to the file system before this call is on disk when it returns. */
WCOW_NODISCARD int wcow_syncer_sync(struct wcow_syncer *syncer, struct wcow_error *err);

#endif
