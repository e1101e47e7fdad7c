/* SPDX-License-Identifier: Apache-2.0 */
/** @file tar_writer.h
 *  Headers of a layer tar, byte for byte as Go's archive/tar and go-winio's backuptar write them
 *  for the same fields. */
#ifndef WCOW_LAYER_TAR_WRITER_H
#define WCOW_LAYER_TAR_WRITER_H

#include "layer/entry.h"

enum { WCOW_TAR_BLOCK = 512 };

/** Append the header blocks of @p entry (PAX extension header if it needs one, then the header).
 *  Which records are written follows from entry->has, sd, eas and the values.
 *  @return WCOW_OK, WCOW_E_INVALID (a name with NUL, ...), WCOW_E_LIMIT (records over 1 MiB) */
WCOW_NODISCARD int wcow_tar_write_header(const struct wcow_entry *entry, struct wcow_buf *out,
                                         struct wcow_error *err);

/** Zero bytes that follow @p size_bytes of data to fill its last block: 0 to 511. */
static inline size_t wcow_tar_padding(uint64_t size_bytes)
{
    return (size_t)(-size_bytes & (WCOW_TAR_BLOCK - 1));
}

/** Append the end of the archive: two zero blocks. */
WCOW_NODISCARD int wcow_tar_write_end(struct wcow_buf *out, struct wcow_error *err);

#endif
