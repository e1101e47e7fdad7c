/* SPDX-License-Identifier: Apache-2.0 */
/** @file compare.h
 *  A layer's folder as a tar: what was unpacked leaves as it came, what was changed by hand leaves
 * as Windows would write it. */
#ifndef WCOW_DIFFER_COMPARE_H
#define WCOW_DIFFER_COMPARE_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/digest.h"
#include "base/stream.h"

struct wcow_compare_options {
    const char *folder;         /**< the upper layer's */
    const char *const *parents; /**< their folders, nearest first */
    size_t n_parents;
    const uint64_t *latest;    /**< FILETIME that no time may exceed (SOURCE_DATE_EPOCH); NULL */
    struct wcow_bytes owner;   /**< SID of who made what is new; empty: as its directory's */
    struct wcow_bytes group;   /**< likewise */
    const atomic_bool *cancel; /**< or NULL */
};

/** @param sink takes the tar; borrowed
 *  @param ret_diff_id digest of the tar @param ret_bytes its size
 *  @return as wcow_export_layer(), and WCOW_E_INVALID for a name that Windows cannot have */
WCOW_NODISCARD int wcow_compare(const struct wcow_compare_options *options,
                                const struct wcow_sink *sink, struct wcow_digest *ret_diff_id,
                                uint64_t *ret_bytes, struct wcow_error *err);

#endif
