/* SPDX-License-Identifier: Apache-2.0 */
/** @file headers.h
 *  The header bytes of a layer's tar, kept in its index in compressed chunks and read back as a
 *  stream, so that the tar can be written again byte for byte. */
#ifndef WCOW_DIFFER_HEADERS_H
#define WCOW_DIFFER_HEADERS_H

#include "store/layer_index.h"

struct wcow_header_packer;
/** @param index borrowed */
WCOW_NODISCARD int wcow_header_packer_new(struct wcow_layer_index_writer *index,
                                          struct wcow_header_packer **ret, struct wcow_error *err);
WCOW_NODISCARD int wcow_header_packer_add(struct wcow_header_packer *p, const void *data,
                                          size_t len, struct wcow_error *err);
/** Write the last chunk. */
WCOW_NODISCARD int wcow_header_packer_finish(struct wcow_header_packer *p, struct wcow_error *err);
void wcow_header_packer_free(struct wcow_header_packer *p);
WCOW_DEFINE_CLEANUP(struct wcow_header_packer, wcow_header_packer_free)

/** One chunk as it was. Appended to @p out. WCOW_E_CORRUPT. */
WCOW_NODISCARD int wcow_header_unpack(const char *codec, uint64_t raw_len, struct wcow_bytes data,
                                      struct wcow_buf *out, struct wcow_error *err);

#endif
