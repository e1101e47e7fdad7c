/* SPDX-License-Identifier: Apache-2.0 */
/** @file git_kept.h
 *  What is kept of a checkout says nothing of when and where it was made: the same commit gives the
 *  same bytes and times, .git included. */
#ifndef WCOW_BUILDER_GIT_KEPT_H
#define WCOW_BUILDER_GIT_KEPT_H

#include "builder/git.h"

/** Give all of a folder, and itself, this time (Unix seconds). */
void wcow_git_set_times(const char *folder, int64_t time_s);

/** Of a checkout whose .git is kept: its index without what stat says of files, one pack of the
 *  objects that the commit needs, no logs, hooks and notes of the fetch; its submodules' likewise.
 *  @return as wcow_git_clone() */
WCOW_NODISCARD int wcow_git_settle(const struct wcow_git_checkout *checkout,
                                   const atomic_bool *cancel, struct wcow_error *err);

#endif
