/* SPDX-License-Identifier: Apache-2.0 */
/** @file host_dir.h
 *  The names in a directory on the host. Private to differ/. */
#ifndef WCOW_DIFFER_HOST_DIR_H
#define WCOW_DIFFER_HOST_DIR_H

#include "base/error.h"

/** Return non-zero to stop. */
typedef int (*wcow_host_name_fn)(void *arg, int dirfd, const char *name, struct wcow_error *err);

/** Each name in @p name below @p dirfd ("." for @p dirfd itself), "." and ".." left out, in no
 * order. The callback may remove the name it is given. The last component is not followed.
 *  @return 0, what @p fn stopped with, or an error as wcow_code_of_errno() has it */
WCOW_NODISCARD int wcow_host_dir_each(int dirfd, const char *name, wcow_host_name_fn fn, void *arg,
                                      struct wcow_error *err);

#endif
