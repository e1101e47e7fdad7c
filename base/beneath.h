/* SPDX-License-Identifier: Apache-2.0 */
/** @file beneath.h
 *  Open a path of foreign origin beneath a directory: no component may be a symbolic link, ".."
 *  cannot leave, and the descriptor is CLOEXEC. The path may be longer than PATH_MAX. openat2(2),
 *  Linux 5.6. */
#ifndef WCOW_BASE_BENEATH_H
#define WCOW_BASE_BENEATH_H

#include <sys/types.h>

#include "base/error.h"

/** @param mode  for O_CREAT, else 0
 *  @return WCOW_OK, or WCOW_E_NOT_FOUND, WCOW_E_EXISTS (O_EXCL), WCOW_E_INVALID (a link or an
 *          escape: ELOOP, EXDEV), WCOW_E_LIMIT (disk full, quota), WCOW_E_IO */
WCOW_NODISCARD int wcow_open_beneath(int dirfd, const char *path, int flags, mode_t mode,
                                     int *ret_fd, struct wcow_error *err);

/** The code that an errno of the file system stands for: ENOENT not found, EEXIST exists,
 *  ENOSPC and EDQUOT limit, EACCES, EPERM and EROFS denied, ELOOP and EXDEV invalid, else io. */
int wcow_code_of_errno(int sys_errno);

#endif
