/* SPDX-License-Identifier: Apache-2.0 */
/** @file scan_out.h
 *  Where a scan's entries go: into a tar, or into an index. Private to differ/. */
#ifndef WCOW_DIFFER_SCAN_OUT_H
#define WCOW_DIFFER_SCAN_OUT_H

#include "differ/tar_out.h"
#include "store/layer_index.h"

struct wcow_scan_out {
    struct wcow_tar_out *tar;              /**< or NULL */
    struct wcow_layer_index_writer *index; /**< or NULL */
    uint64_t n_entries;
};

/** @param row its host_path is below @p dirfd, the folder of the layer that holds the data */
WCOW_NODISCARD int wcow_scan_out_add(struct wcow_scan_out *out, int dirfd,
                                     const struct wcow_index_row *row, struct wcow_error *err);

#endif
