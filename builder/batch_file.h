/* SPDX-License-Identifier: Apache-2.0 */
/** @file batch_file.h
 *  A here-document of RUN as the batch file that cmd reads: lines end by CR LF, and characters are
 * in the OEM code page, 437 of the United States as Windows base images and Wine have it. */
#ifndef WCOW_BUILDER_BATCH_FILE_H
#define WCOW_BUILDER_BATCH_FILE_H

#include "base/bytes.h"

/** Append the batch file that runs @p script (UTF-8) without showing its lines.
 *  WCOW_E_UNSUPPORTED: a character that the code page lacks, named with its line. */
WCOW_NODISCARD int wcow_batch_file_write(const char *script, struct wcow_buf *out,
                                         struct wcow_error *err);

#endif
