/* SPDX-License-Identifier: Apache-2.0 */
/** @file owned_dir.h
 *  Folders that belong to the process that made them for as long as it lives: flock(2) on the
 * folder ends with its owner, however that ended. What has no owner any more is found and can be
 * removed. */
#ifndef WCOW_BASE_OWNED_DIR_H
#define WCOW_BASE_OWNED_DIR_H

#include <stdbool.h>

#include "base/error.h"

/** Make the folder @p name, 0700, and own it until @p ret_fd is closed. WCOW_E_EXISTS: it is there.
 */
WCOW_NODISCARD int wcow_owned_dir_make(int parent_fd, const char *name, int *ret_fd,
                                       struct wcow_error *err);

/** What is to become of a folder whose owner has gone. @return true: it is removed */
typedef bool wcow_owned_dir_visit(void *arg, int fd, const char *name);

/** Remove the folders of this user's in @p parent_fd that begin with @p prefix and have no owner.
 *  What can't be removed stays. @param visit  asked first; NULL: all are removed */
void wcow_owned_dirs_sweep(int parent_fd, const char *prefix, wcow_owned_dir_visit *visit,
                           void *arg);

#endif
