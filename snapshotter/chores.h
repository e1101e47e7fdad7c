/* SPDX-License-Identifier: Apache-2.0 */
/** @file chores.h
 *  What is done to folders while nobody waits for it, on a thread of its own: empty ones are made
 * in advance in <root>/spare, so that Prepare and View only rename one, and whatever else can be
 * done in a moment. Making and deleting folders takes file systems longer than sqlite takes for a
 * row. */
#ifndef WCOW_SNAPSHOTTER_CHORES_H
#define WCOW_SNAPSHOTTER_CHORES_H

#include <stdbool.h>

#include "base/cleanup.h"
#include "base/error.h"

struct wcow_chores;

/** Embed it in what it is about. */
struct wcow_chore {
    void (*run)(struct wcow_chore *chore); /**< may free it */
    struct wcow_chore *next;               /**< private */
};

enum wcow_spare {
    WCOW_SPARE_BARE,  /**< a folder of mode 0700 */
    WCOW_SPARE_FILES, /**< with an empty Files/ of mode 0755 in it */
    WCOW_SPARES
};

/** Spare folders that a crash left are deleted on the thread.
 *  @param root where <root>/spare is to be; on the file system of the snapshots */
WCOW_NODISCARD int wcow_chores_new(const char *root, struct wcow_chores **ret,
                                   struct wcow_error *err);
/** Runs what was added, and deletes the spare folders. NULL allowed. */
void wcow_chores_free(struct wcow_chores *chores);
WCOW_DEFINE_CLEANUP(struct wcow_chores, wcow_chores_free)

/** Have it run in a moment, in the order they come. @return false where too many wait already: the
 *  caller is to run it, so that they grow no faster than they are done */
WCOW_NODISCARD bool wcow_chores_add(struct wcow_chores *chores, struct wcow_chore *chore);
/** Rename a spare folder to @p name in @p folders_fd. The first ones are made when one was asked
 *  for. @return false where there is none, or where something has that name */
bool wcow_chores_take_spare(struct wcow_chores *chores, enum wcow_spare shape, int folders_fd,
                            const char *name);

#endif
