/* SPDX-License-Identifier: Apache-2.0 */
/** @file tar_reader.h
 *  Reads a layer tar (ustar, PAX and GNU headers) as a stream of entries, checks it, and shows the
 *  header bytes as they stood, so that the same tar can be written again byte for byte:
 *
 *      tar = segment 0, data 0, segment 1, data 1, ... segment n (trailer)
 *
 *  Segment i is everything between the data of entry i-1 and the data of entry i: padding,
 *  extension headers and the header itself. Of a sparse file the tar has only pieces of the data;
 * the reader gives all of it, zeros between them. One thread at a time. */
#ifndef WCOW_LAYER_TAR_READER_H
#define WCOW_LAYER_TAR_READER_H

#include "base/stream.h"
#include "layer/entry.h"
#include "layer/tar_sparse.h"

/** 0 means the default, which is in tar_reader.c and in docs/layer-format.md. */
struct wcow_tar_limits {
    uint64_t max_entries;
    uint64_t max_total_bytes;  /**< of the whole tar */
    uint64_t max_entry_bytes;  /**< of one file */
    uint32_t max_header_bytes; /**< of one entry's extension headers: 1 MiB as in Go */
    uint32_t max_depth;        /**< components of a name */
    uint32_t max_ratio;        /**< of a sparse file to what of it is stored, over 64 MiB */
    bool skip_rules; /**< give entries that break layer/rules.h too, for tools that list or repair:
                          their names and links are then NOT safe to use as paths */
};

struct wcow_tar_reader;

/** @param source borrowed, must outlive the reader. @param limits NULL for the defaults. */
WCOW_NODISCARD int wcow_tar_reader_new(const struct wcow_source *source,
                                       const struct wcow_tar_limits *limits,
                                       struct wcow_tar_reader **ret, struct wcow_error *err);

/** Go to the next entry; what is left of the current one's data is skipped (and read).
 *  @param ret borrowed until the next call; the caller may take its strings by swapping in NULL.
 *  @return 1 with *ret set; 0 at the end of the archive; or an error:
 *          WCOW_E_CORRUPT (no tar, truncated, bad checksum or record), WCOW_E_INVALID (a name or a
 *          link that leaves the layer, is reserved, or is outside Files, Hives and UtilityVM),
 *          WCOW_E_LIMIT, WCOW_E_UNSUPPORTED (devices), or the source's error. The
 *          message names the entry. Duplicates are not seen here: see layer/check.h. */
WCOW_NODISCARD int wcow_tar_reader_next(struct wcow_tar_reader *reader, struct wcow_entry **ret,
                                        struct wcow_error *err);

/** The next chunk of the current entry's data, straight from the source's buffer; length 0 at its
 *  end. Valid until the next call. */
WCOW_NODISCARD int wcow_tar_reader_data(struct wcow_tar_reader *reader, const uint8_t **ret_data,
                                        size_t *ret_len, struct wcow_error *err);

/** Segment of the entry that next() gave last. Valid until the following next() or data(). */
struct wcow_bytes wcow_tar_reader_segment(const struct wcow_tar_reader *reader);

/** Whether the chunk that data() gave last is a hole: zeros that the tar does not store. */
bool wcow_tar_reader_is_hole(const struct wcow_tar_reader *reader);

/** The pieces of the current entry's data that the tar stores, where it has WCOW_HAS_SPARSE. Valid
 *  until the following next(). @return how many */
size_t wcow_tar_reader_pieces(const struct wcow_tar_reader *reader,
                              const struct wcow_tar_piece **ret);

/** After next() gave 0: the last segment in chunks, end-of-archive blocks and whatever follows them
 *  up to the end of the source; length 0 at the end. */
WCOW_NODISCARD int wcow_tar_reader_trailer(struct wcow_tar_reader *reader, const uint8_t **ret_data,
                                           size_t *ret_len, struct wcow_error *err);

/** Bytes of the tar seen so far. */
uint64_t wcow_tar_reader_offset(const struct wcow_tar_reader *reader);

void wcow_tar_reader_free(struct wcow_tar_reader *reader);
WCOW_DEFINE_CLEANUP(struct wcow_tar_reader, wcow_tar_reader_free)

#endif
