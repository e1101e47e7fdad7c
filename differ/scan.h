/* SPDX-License-Identifier: Apache-2.0 */
/** @file scan.h
 *  What a directory that somebody worked in (over its parents, by overlayfs) has changed, as the
 *  entries of a Windows layer: a changed file keeps its base's descriptor, attributes and creation
 *  time; a new one inherits from its directory; what overlayfs hides becomes whiteouts; each
 * directory on the way stands before with the base's metadata. */
#ifndef WCOW_DIFFER_SCAN_H
#define WCOW_DIFFER_SCAN_H

#include <stdatomic.h>

#include "base/bytes.h"
#include "base/stream.h"
#include "differ/chain.h"

struct wcow_scan_options {
    int folder_fd;
    const struct wcow_layer_chain *below; /**< the parents, nearest first */
    const uint64_t *latest;               /**< FILETIME that no time may exceed; NULL: none */
    struct wcow_bytes owner; /**< SIDs of who made what is new; empty: as its directory's */
    struct wcow_bytes group;
    const atomic_bool *cancel; /**< or NULL */
};

/** The changes as a tar. */
WCOW_NODISCARD int wcow_scan_tar(const struct wcow_scan_options *options,
                                 const struct wcow_sink *sink, struct wcow_digest *ret_diff_id,
                                 uint64_t *ret_bytes, struct wcow_error *err);

/** Build and save the index of a committed folder that has none.
 *  WCOW_E_EXISTS where another did it meanwhile. */
WCOW_NODISCARD int wcow_scan_index(int folder_fd, const struct wcow_layer_chain *below,
                                   struct wcow_error *err);

#endif
