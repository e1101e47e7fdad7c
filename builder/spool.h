/* SPDX-License-Identifier: Apache-2.0 */
/** @file spool.h
 *  Bytes that have to wait until their layer is written: an unnamed temporary file that several
 *  payloads share, gone with the last of them. One thread writes; payloads are any thread's. */
#ifndef WCOW_BUILDER_SPOOL_H
#define WCOW_BUILDER_SPOOL_H

#include "builder/payload.h"

struct wcow_spool;

/** In $TMPDIR or /var/tmp. */
WCOW_NODISCARD int wcow_spool_new(struct wcow_spool **ret, struct wcow_error *err);
/** Let go; the payloads keep it. NULL allowed. */
void wcow_spool_free(struct wcow_spool *spool);
WCOW_DEFINE_CLEANUP(struct wcow_spool, wcow_spool_free)

/** Begin a piece, add to it, and have it as a payload. */
WCOW_NODISCARD int wcow_spool_begin(struct wcow_spool *spool, struct wcow_error *err);
WCOW_NODISCARD int wcow_spool_add(struct wcow_spool *spool, const void *data, size_t len,
                                  struct wcow_error *err);
WCOW_NODISCARD int wcow_spool_end(struct wcow_spool *spool, struct wcow_payload *ret,
                                  uint64_t *ret_size_bytes, struct wcow_error *err);
/** The temporary file, at its beginning; borrowed. */
WCOW_NODISCARD int wcow_spool_rewind(struct wcow_spool *spool, int *ret_fd, struct wcow_error *err);

#endif
