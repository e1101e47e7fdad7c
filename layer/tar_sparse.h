/* SPDX-License-Identifier: Apache-2.0 */
/** @file tar_sparse.h
 *  Sparse files as GNU tar stores them (its manual, "Storing Sparse Files"): the old header with
 *  typeflag 'S', and PAX records in versions 0.0, 0.1 and 1.0, whose map stands before the data.
 * Read as Go's archive/tar reads them. The functions are private to the tar reader. */
#ifndef WCOW_LAYER_TAR_SPARSE_H
#define WCOW_LAYER_TAR_SPARSE_H

#include "base/bytes.h"
#include "layer/tar_block.h"

/** Bytes that are stored; between them are zeros. */
struct wcow_tar_piece {
    uint64_t offset;
    uint64_t len;
};

/** Zero-initialise. */
struct wcow_tar_sparse {
    bool is_sparse;
    bool has_map_in_data; /**< version 1.0: the map stands in front of the data */
    bool goes_on;         /**< the map goes on: in the next block */
    bool has_real_size;
    uint64_t real_size;
    char *name;                    /**< of the file, where the header's stands for it; or NULL */
    struct wcow_tar_piece *pieces; /**< in order, once checked */
    size_t n;
    size_t n_room;
    /* Of the records, before it is known what they mean. */
    uint64_t major;
    uint64_t minor;
    bool has_version;
    bool has_half;   /**< an offset of version 0.0 without its length */
    uint64_t half;   /**< that, or a number of version 1.0 that is not whole */
    uint64_t n_left; /**< numbers of version 1.0 that are still to come */
    bool has_count;
    bool has_digits;
};

void wcow_tar_sparse_done(struct wcow_tar_sparse *sparse);

/** A PAX record whose key begins with "GNU.sparse." */
WCOW_NODISCARD int wcow_tar_sparse_record(struct wcow_tar_sparse *sparse, struct wcow_bytes key,
                                          struct wcow_bytes value, struct wcow_error *err);
/** After the last record. */
WCOW_NODISCARD int wcow_tar_sparse_records_done(struct wcow_tar_sparse *sparse,
                                                struct wcow_error *err);
/** The header block of typeflag 'S'. */
WCOW_NODISCARD int wcow_tar_sparse_header(struct wcow_tar_sparse *sparse, const uint8_t *block,
                                          struct wcow_error *err);
/** The next block of the map, while goes_on. */
WCOW_NODISCARD int wcow_tar_sparse_block(struct wcow_tar_sparse *sparse, const uint8_t *block,
                                         struct wcow_error *err);
/** Whether the map is one of a file of @p stored bytes and real_size. WCOW_E_CORRUPT */
WCOW_NODISCARD int wcow_tar_sparse_check(const struct wcow_tar_sparse *sparse, uint64_t stored,
                                         struct wcow_error *err);

#endif
