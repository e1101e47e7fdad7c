/* SPDX-License-Identifier: Apache-2.0 */
/** @file temp_file.h
 *  Files that no name leads to: gone with their last descriptor, however the process ends. */
#ifndef WCOW_BUILDER_TEMP_FILE_H
#define WCOW_BUILDER_TEMP_FILE_H

#include "base/error.h"

/** An empty one in $TMPDIR or /var/tmp, to read and write; the caller closes. */
WCOW_NODISCARD int wcow_temp_file_open(int *ret_fd, struct wcow_error *err);

#endif
