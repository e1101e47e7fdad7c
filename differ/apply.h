/* SPDX-License-Identifier: Apache-2.0 */
/** @file apply.h
 *  Unpack a layer blob into a layer's folder: files on disk, everything else in its index.
 *
 *  Threads overlap: one reads and decompresses, the caller's parses the tar and writes files, and
 *  the tar is hashed (its digest is the diff ID) by either of them or, with more than two
 *  processors, by a third (differ/pipe.h). Others make small objects where many stand in a row
 *  (differ/jobs.h) and send files to the disk (differ/writeback.h). Memory does not depend on the
 *  layer's size. */
#ifndef WCOW_DIFFER_APPLY_H
#define WCOW_DIFFER_APPLY_H

#include <stdatomic.h>

#include "base/digest.h"
#include "differ/chain.h"
#include "differ/codec.h"
#include "layer/tar_reader.h"

struct wcow_apply_options {
    const struct wcow_source *blob; /**< borrowed; read on another thread */
    enum wcow_compression compression;
    const char *blob_digest; /**< noted in the index, for Diff; NULL: not known. Whoever gives the
                                  blob checks it before its last chunk. */
    uint64_t blob_bytes;
    const char *folder;         /**< the layer's; it must be empty (an empty Files is fine) */
    const char *const *parents; /**< their folders, nearest first */
    size_t n_parents;
    const struct wcow_tar_limits *limits; /**< NULL: defaults */
    uint32_t max_ratio;                   /**< of decompression, and of sparse files; 0: 1,000 */
    bool need_parents;         /**< refuse what stands before its directory, as Windows does */
    bool sync;                 /**< be on disk before returning */
    const atomic_bool *cancel; /**< or NULL */
};

struct wcow_applied {
    struct wcow_digest diff_id;
    uint64_t tar_bytes;
    uint64_t n_entries;
};

/** On any error the folder is as it was before.
 *  @return WCOW_OK; WCOW_E_PRECONDITION where the folder holds something; WCOW_E_CORRUPT,
 *          WCOW_E_INVALID, WCOW_E_LIMIT, WCOW_E_UNSUPPORTED for the blob, by entry and rule;
 *          WCOW_E_LIMIT for a full disk; WCOW_E_CANCELLED; the blob's own errors. */
WCOW_NODISCARD int wcow_apply(const struct wcow_apply_options *options, struct wcow_applied *ret,
                              struct wcow_error *err);

#endif
