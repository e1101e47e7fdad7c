/* SPDX-License-Identifier: Apache-2.0 */
/** @file codec_impl.h
 *  What each library behind differ/codec.h gives. Private to differ/codec*.c. */
#ifndef WCOW_DIFFER_CODEC_IMPL_H
#define WCOW_DIFFER_CODEC_IMPL_H

#include "base/bytes.h"
#include "base/stream.h"

enum {
    WCOW_CODEC_CHUNK = 256 << 10, /**< bytes a codec gives at once, at most */
    WCOW_CODEC_MAX_THREADS = 4,   /**< bounds the memory of a compressor, see docs/differ.md */
};

struct wcow_inflater_ops {
    /** Fill @p out as far as it goes at once; *ret_len is 0 only at the end. */
    int (*read)(void *state, uint8_t *out, size_t cap, size_t *ret_len, struct wcow_error *err);
    void (*free)(void *state);
};
struct wcow_inflater {
    const struct wcow_inflater_ops *ops;
    void *state;
};

struct wcow_deflater_ops {
    int (*write)(void *state, const void *data, size_t len, struct wcow_error *err);
    uint8_t *(*room)(void *state, size_t *ret_len); /**< as a sink's */
    int (*finish)(void *state, struct wcow_error *err);
    void (*free)(void *state);
};
struct wcow_deflater {
    const struct wcow_deflater_ops *ops;
    void *state;
};

WCOW_NODISCARD int wcow_gunzip_new(struct wcow_source input, struct wcow_inflater *ret,
                                   struct wcow_error *err);
WCOW_NODISCARD int wcow_unzstd_new(struct wcow_source input, struct wcow_inflater *ret,
                                   struct wcow_error *err);
WCOW_NODISCARD int wcow_gzip_new(const struct wcow_sink *output, unsigned n_threads,
                                 struct wcow_deflater *ret, struct wcow_error *err);
WCOW_NODISCARD int wcow_zstd_new(const struct wcow_sink *output, unsigned n_threads,
                                 struct wcow_deflater *ret, struct wcow_error *err);

/* ---- one block of raw deflate, see codec_gzip.c ---- */

struct wcow_deflate_block;
WCOW_NODISCARD int wcow_deflate_block_new(struct wcow_deflate_block **ret, struct wcow_error *err);
/** Deflate @p in behind @p dict into @p out, ended on a byte boundary without a final block.
 *  @return the bytes written, or an error */
WCOW_NODISCARD long wcow_deflate_block_run(struct wcow_deflate_block *b, struct wcow_bytes dict,
                                           struct wcow_bytes in, uint8_t *out, size_t out_cap,
                                           struct wcow_error *err);
void wcow_deflate_block_free(struct wcow_deflate_block *b);
uint32_t wcow_gzip_crc(uint32_t crc, const void *data, size_t len);

#endif
