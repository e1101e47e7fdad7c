/* SPDX-License-Identifier: Apache-2.0 */
/** @file reaper.h
 *  Deletes the folders of removed snapshots ("rm-...") on a thread of its own. What cannot be
 *  deleted is tried again by and by: after a second, two, four, and then once a minute. */
#ifndef WCOW_SNAPSHOTTER_REAPER_H
#define WCOW_SNAPSHOTTER_REAPER_H

#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"

struct wcow_reaper;

/** @param folders_fd where the folders are; borrowed, must outlive the reaper */
WCOW_NODISCARD int wcow_reaper_new(int folders_fd, struct wcow_reaper **ret,
                                   struct wcow_error *err);
/** Waits for announced removals, and stops in the middle of a tree if need be: what is left keeps
 * its name. NULL allowed. */
void wcow_reaper_free(struct wcow_reaper *reaper);
WCOW_DEFINE_CLEANUP(struct wcow_reaper, wcow_reaper_free)

/** Delete @p name in time. Without memory it is left for the next start. */
void wcow_reaper_add(struct wcow_reaper *reaper, const char *name);
/** A removal that will be taken soon, which wcow_reaper_wait() therefore waits for. */
void wcow_reaper_announce(struct wcow_reaper *reaper);
/** The folder of an announced removal, whose id is never given again: even where it cannot be set
 *  aside now, it is in time. */
void wcow_reaper_take_announced(struct wcow_reaper *reaper, int64_t id);
/** Move a folder without a snapshot out of sight and delete it; one that is empty goes at once. */
void wcow_reaper_take(struct wcow_reaper *reaper, int64_t id);
/** What failed before is tried again now. */
void wcow_reaper_try_again(struct wcow_reaper *reaper);
/** Until everything added before is gone.
 *  @param timeout_ms give up waiting after so long: WCOW_E_DEADLINE
 *  @return the last failure, if any */
WCOW_NODISCARD int wcow_reaper_wait(struct wcow_reaper *reaper, uint32_t timeout_ms,
                                    struct wcow_error *err);

#endif
