/* SPDX-License-Identifier: Apache-2.0 */
/** @file temp_file.h
 *  Files that no name leads to: gone with their last descriptor, however the process ends. */
#ifndef WCOW_BASE_TEMP_FILE_H
#define WCOW_BASE_TEMP_FILE_H

#include "base/error.h"

/** An empty one, to read and write; the caller closes.
 *  @param dirfd of the folder whose file system holds it; -1: $TMPDIR or /var/tmp */
WCOW_NODISCARD int wcow_temp_file_open(int dirfd, int *ret_fd, struct wcow_error *err);

#endif
