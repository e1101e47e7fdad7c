/* SPDX-License-Identifier: Apache-2.0 */
/** @file file.h
 *  Read small files that the operator wrote: config.json, hosts.toml, certificates. */
#ifndef WCOW_IMAGE_FILE_H
#define WCOW_IMAGE_FILE_H

#include "base/bytes.h"

/** Append the file's bytes to @p out. WCOW_E_NOT_FOUND, WCOW_E_DENIED, WCOW_E_LIMIT past
 *  @p max_bytes, WCOW_E_IO; the message names the file. */
WCOW_NODISCARD int wcow_file_read(const char *path, size_t max_bytes, struct wcow_buf *out,
                                  struct wcow_error *err);

#endif
