/* SPDX-License-Identifier: Apache-2.0 */
/** @file owned_dir.h
 *  Folders that belong to the process that made them, or to all that use them, for as long as those
 *  live: flock(2) on the folder ends with its owner, however that ended. What has no owner any more
 *  is found and can be removed. */
#ifndef WCOW_BASE_OWNED_DIR_H
#define WCOW_BASE_OWNED_DIR_H

#include <stdbool.h>

#include "base/error.h"

/** Make the folder @p name, 0700, and own it until @p ret_fd is closed. WCOW_E_EXISTS: it is there.
 */
WCOW_NODISCARD int wcow_owned_dir_make(int parent_fd, const char *name, int *ret_fd,
                                       struct wcow_error *err);

/** The same, for a folder that others are to share (wcow_owned_dir_share()) once it has a name that
 *  they know. */
WCOW_NODISCARD int wcow_owned_dir_make_shared(int parent_fd, const char *name, int *ret_fd,
                                              struct wcow_error *err);

/** One more owner of a folder, until @p ret_fd and its duplicates are closed. Waits while it is
 *  being swept. WCOW_E_NOT_FOUND */
WCOW_NODISCARD int wcow_owned_dir_share(int parent_fd, const char *name, int *ret_fd,
                                        struct wcow_error *err);

/** What is to become of a folder whose owner has gone. @return true: it is removed */
typedef bool wcow_owned_dir_visit(void *arg, int fd, const char *name);

/** Remove the folders of this user's in @p parent_fd that begin with @p prefix and have no owner.
 *  What can't be removed stays. @param visit  asked first; NULL: all are removed */
void wcow_owned_dirs_sweep(int parent_fd, const char *prefix, wcow_owned_dir_visit *visit,
                           void *arg);

#endif
