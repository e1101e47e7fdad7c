/* SPDX-License-Identifier: Apache-2.0 */
/** @file internal.h
 *  The snapshotter's state, shared by its files. */
#ifndef WCOW_SNAPSHOTTER_INTERNAL_H
#define WCOW_SNAPSHOTTER_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "snapshotter/chores.h"
#include "snapshotter/reaper.h"
#include "snapshotter/snapshotter.h"
#include "snapshotter/syncer.h"

/** The sweep that goes on beside calls. */
struct wcow_sweeper {
    atomic_bool stopping;
    pthread_mutex_t mutex;
    pthread_cond_t ended;
    bool done;
    pthread_t thread;
    bool has_thread;
};

/** Cleanups under way. */
struct wcow_cleanups {
    pthread_mutex_t mutex;
    struct wcow_cleanup *waiting; /**< for whoever serves those before them */
    bool is_served;
};
void wcow_cleanups_init(struct wcow_cleanups *cleanups);
void wcow_cleanups_done(struct wcow_cleanups *cleanups);

struct wcow_snapshotter {
    struct wcow_store *store; /* borrowed */
    enum wcow_mount_type mount_type;
    char *folders; /* "<root>/snapshots" */
    int folders_fd;
    bool index_off;
    struct wcow_reaper *reaper;
    struct wcow_chores *chores;
    struct wcow_syncer syncer;
    struct wcow_sweeper sweeper;
    struct wcow_cleanups cleanups;
};

/** Say that a snapshot's folder was deleted behind wcowd's back, and what to do: always
 *  WCOW_E_PRECONDITION. */
WCOW_NODISCARD int wcow_snapshotter_say_missing(const struct wcow_snapshotter *s, const char *key,
                                                int64_t id, enum wcow_kind kind,
                                                struct wcow_error *err);
/** Why a folder that was looked for is not there: that, or WCOW_E_NOT_FOUND where the snapshot was
 *  removed meanwhile. */
WCOW_NODISCARD int wcow_snapshotter_fail_missing(struct wcow_snapshotter *s,
                                                 const struct wcow_row *row,
                                                 struct wcow_error *err);

/** Bring folders and rows together after whatever ended the last run: folders without a row go,
 *  removals are taken up, and a snapshot without its folder gets an empty one where it had nothing.
 *  What takes long goes on beside calls. */
WCOW_NODISCARD int wcow_snapshotter_sweep(struct wcow_snapshotter *s, struct wcow_error *err);
void wcow_sweeper_init(struct wcow_sweeper *sweeper);
/** Until it is over, or the time; only once it was begun. @return whether it is over */
bool wcow_sweeper_wait(struct wcow_sweeper *sweeper, uint32_t timeout_ms);
/** Ends it where it is; before the reaper goes. */
void wcow_sweeper_done(struct wcow_sweeper *sweeper);

#endif
