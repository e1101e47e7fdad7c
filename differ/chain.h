/* SPDX-License-Identifier: Apache-2.0 */
/** @file chain.h
 *  A chain of layer folders with their indexes open, nearest first, as names are resolved in it.
 *  A committed folder without an index (somebody filled it by hand) gets one on first need, so that
 *  its children can resolve names through it. One thread at a time. */
#ifndef WCOW_DIFFER_CHAIN_H
#define WCOW_DIFFER_CHAIN_H

#include "layer/view.h"
#include "store/layer_index.h"

struct wcow_layer_chain {
    int *fds; /**< of the folders */
    char **folders;
    struct wcow_layer_index **indexes;
    struct wcow_layer_view *views;
    size_t n;
};

/** @param folders nearest first; copied
 *  WCOW_E_NOT_FOUND for a folder that is not there; WCOW_E_CORRUPT for a damaged index. */
WCOW_NODISCARD int wcow_differ_open_chain(const char *const *folders, size_t n,
                                          struct wcow_layer_chain *ret, struct wcow_error *err);
void wcow_layer_chain_done(struct wcow_layer_chain *chain);
/** As layer/view.h has it; borrows. */
struct wcow_chain wcow_layer_chain_names(const struct wcow_layer_chain *chain);

/** Where the nearest layer that has an entry of this key has it on disk: the path below that
 *  layer's folder, a whiteout's path for one that is hidden. 1 found, 0 in no layer. */
WCOW_NODISCARD int wcow_layer_chain_host_path(const struct wcow_layer_chain *chain, const char *key,
                                              char **ret, struct wcow_error *err);

/** Open the folder of a layer. WCOW_E_NOT_FOUND names it. */
WCOW_NODISCARD int wcow_layer_folder_open(const char *folder, int *ret_fd, struct wcow_error *err);

#define wcow_autochain WCOW_CLEANUP(wcow_layer_chain_done) struct wcow_layer_chain

#endif
