/* SPDX-License-Identifier: Apache-2.0 */
/** @file codec.h
 *  Layer compression: gzip, zstd and none, as sources (decompress) and sinks (compress).
 *  gzip in: ISA-L on amd64, zlib elsewhere. gzip out: the same bytes for the same input whatever
 * the number of threads; header without a time or a name. The only code that sees these libraries.
 */
#ifndef WCOW_DIFFER_CODEC_H
#define WCOW_DIFFER_CODEC_H

#include "base/cleanup.h"
#include "base/stream.h"

enum wcow_compression { WCOW_COMPRESSION_NONE, WCOW_COMPRESSION_GZIP, WCOW_COMPRESSION_ZSTD };

/** By the first bytes (at least 4 where there are so many). */
enum wcow_compression wcow_compression_detect(const void *data, size_t len);

/** What a layer's media type says of it: OCI and Docker, foreign and nondistributable ones too.
 *  @param ret_detect true where Docker's type leaves the compression to the bytes
 *  WCOW_E_UNSUPPORTED for anything that is no layer tar. */
WCOW_NODISCARD int wcow_compression_of_media_type(const char *media_type,
                                                  enum wcow_compression *ret, bool *ret_detect,
                                                  struct wcow_error *err);

/** "none", "gzip" or "zstd". */
const char *wcow_compression_name(enum wcow_compression c);

struct wcow_decompressor;
/** @param input borrowed. Several gzip members or zstd frames count as one stream. WCOW_E_CORRUPT
 * for bad or truncated input. WCOW_E_LIMIT where the output exceeds @p max_ratio times the input
 * read (and 64 MiB); 0: no such limit. */
WCOW_NODISCARD int wcow_decompressor_new(const struct wcow_source *input, enum wcow_compression c,
                                         uint32_t max_ratio, struct wcow_decompressor **ret,
                                         struct wcow_error *err);
/** Decompress into @p out, up to @p cap bytes; *ret_len is 0 only at the end. Spares the copy that
 *  the source makes; use the one or the other. */
WCOW_NODISCARD int wcow_decompressor_read(struct wcow_decompressor *d, uint8_t *out, size_t cap,
                                          size_t *ret_len, struct wcow_error *err);
struct wcow_source wcow_decompressor_source(struct wcow_decompressor *d);
void wcow_decompressor_free(struct wcow_decompressor *d);
WCOW_DEFINE_CLEANUP(struct wcow_decompressor, wcow_decompressor_free)

struct wcow_compressor;
/** @param output borrowed; called on the thread that calls the compressor.
 *  @param n_threads 0: the number of processors */
WCOW_NODISCARD int wcow_compressor_new(const struct wcow_sink *output, enum wcow_compression c,
                                       unsigned n_threads, struct wcow_compressor **ret,
                                       struct wcow_error *err);
struct wcow_sink wcow_compressor_sink(struct wcow_compressor *c);
/** Write what is left. Call once, before free. */
WCOW_NODISCARD int wcow_compressor_finish(struct wcow_compressor *c, struct wcow_error *err);
void wcow_compressor_free(struct wcow_compressor *c);
WCOW_DEFINE_CLEANUP(struct wcow_compressor, wcow_compressor_free)

#endif
