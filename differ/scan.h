/* SPDX-License-Identifier: Apache-2.0 */
/** @file scan.h
 *  What a directory that somebody worked in (over its parents, by overlayfs) has changed, as the
 *  entries of a Windows layer. */
#ifndef WCOW_DIFFER_SCAN_H
#define WCOW_DIFFER_SCAN_H

#include "differ/chain.h"

/** Build and save the index of a committed folder that has none.
 *  WCOW_E_EXISTS where another did it meanwhile. */
WCOW_NODISCARD int wcow_scan_index(int folder_fd, const struct wcow_layer_chain *below,
                                   struct wcow_error *err);

#endif
