/* SPDX-License-Identifier: Apache-2.0 */
/** @file mounts.h
 *  What the mounts of an Apply or a Diff request mean: a layer's folder and its parents, by the
 * rules of containerd's own Windows differ. */
#ifndef WCOW_DIFFER_MOUNTS_H
#define WCOW_DIFFER_MOUNTS_H

#include "containerd/snapshots.h"

/** One side. Strings belong to it. */
struct wcow_layer_side {
    char *layer;    /**< folder; NULL: the empty layer */
    char **parents; /**< folders, nearest first */
    size_t n_parents;
    bool is_read_only;
};
void wcow_layer_side_done(struct wcow_layer_side *side);
#define wcow_autoside WCOW_CLEANUP(wcow_layer_side_done) struct wcow_layer_side

/** "rw": its source and its parents. "ro": its nearest parent and those below it; the empty layer
 *  without parents.
 *  WCOW_E_INVALID (not one mount; bad options), WCOW_E_UNSUPPORTED (another type: containerd then
 *  asks its next differ). */
WCOW_NODISCARD int wcow_mounts_resolve(const struct wcow_mounts *mounts,
                                       struct wcow_layer_side *ret, struct wcow_error *err);

/** Whether @p upper can be told as one layer on @p lower: WCOW_E_INVALID says why not. An
 *  unsupported type of the upper side is WCOW_E_UNSUPPORTED, of the lower WCOW_E_INVALID. */
WCOW_NODISCARD int wcow_mounts_pair(const struct wcow_mounts *lower,
                                    const struct wcow_mounts *upper,
                                    struct wcow_layer_side *ret_upper, struct wcow_error *err);

#endif
