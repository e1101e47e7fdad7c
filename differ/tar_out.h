/* SPDX-License-Identifier: Apache-2.0 */
/** @file tar_out.h
 *  Where the tar that Compare makes goes: counted, hashed and handed on, with a poll for
 *  cancellation. Files' data is read in large pieces. Private to differ/. */
#ifndef WCOW_DIFFER_TAR_OUT_H
#define WCOW_DIFFER_TAR_OUT_H

#include <stdatomic.h>

#include "base/bytes.h"
#include "base/digest.h"
#include "base/stream.h"
#include "layer/entry.h"
#include "layer/tar_sparse.h"

struct wcow_tar_out {
    const struct wcow_sink *sink; /**< borrowed */
    const atomic_bool *cancel;    /**< or NULL */
    struct wcow_hash *hash;
    uint64_t bytes;
    size_t buffered;
    uint8_t *at; /**< where: in the sink's own room if it has any, else the buffer */
    size_t room; /**< there */
    uint8_t *buffer;
};

WCOW_NODISCARD int wcow_tar_out_init(struct wcow_tar_out *out, const struct wcow_sink *sink,
                                     const atomic_bool *cancel, struct wcow_error *err);
void wcow_tar_out_done(struct wcow_tar_out *out);
WCOW_NODISCARD int wcow_tar_out_write(struct wcow_tar_out *out, const void *data, size_t len,
                                      struct wcow_error *err);
/** @p size_bytes of the file @p path below @p dirfd. WCOW_E_DATA_LOSS where it is not there, is no
 *  plain file, or is of another size. */
WCOW_NODISCARD int wcow_tar_out_file(struct wcow_tar_out *out, int dirfd, const char *path,
                                     uint64_t size_bytes, struct wcow_error *err);
/** Only these pieces of it. */
WCOW_NODISCARD int wcow_tar_out_pieces(struct wcow_tar_out *out, int dirfd, const char *path,
                                       uint64_t size_bytes, const struct wcow_tar_piece *pieces,
                                       size_t n, struct wcow_error *err);
WCOW_NODISCARD int wcow_tar_out_zeros(struct wcow_tar_out *out, uint64_t len,
                                      struct wcow_error *err);
/** Hand on what is buffered and give the digest of everything. */
WCOW_NODISCARD int wcow_tar_out_finish(struct wcow_tar_out *out, struct wcow_digest *ret,
                                       struct wcow_error *err);

#endif
