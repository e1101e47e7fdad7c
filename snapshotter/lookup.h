/* SPDX-License-Identifier: Apache-2.0 */
/** @file lookup.h
 *  From a key, a chain ID or a folder to a snapshot and the folders behind it; for the command
 *  (on a store opened read-only) and for the differ, which only sees mounts. */
#ifndef WCOW_SNAPSHOTTER_LOOKUP_H
#define WCOW_SNAPSHOTTER_LOOKUP_H

#include "store/snapshots.h"

/** The folders behind one snapshot; everything belongs to it. */
struct wcow_snapshot_folders {
    char *key;
    enum wcow_kind kind;
    char *source;   /**< the snapshot's own folder */
    char **parents; /**< nearest first */
    size_t n_parents;
};
void wcow_snapshot_folders_done(struct wcow_snapshot_folders *folders);

/** @param ns  namespace, or NULL: @p key is a whole key as the store has it
 *  @param key "<ns>/<n>/<name>" as stored, or just the name (a chain ID, a key as ctr shows it);
 *             the former is tried first
 *  @return WCOW_OK, WCOW_E_NOT_FOUND */
WCOW_NODISCARD int wcow_snapshotter_layers(struct wcow_store *store, const char *ns,
                                           const char *key, struct wcow_snapshot_folders *ret,
                                           struct wcow_error *err);

/** The namespace of the snapshot whose folder is @p folder (a mount's source; a trailing "/Files"
 *  is fine). Caller frees; "" where the key carries none. WCOW_E_NOT_FOUND for a folder that is no
 *  snapshot of this root. */
WCOW_NODISCARD int wcow_snapshotter_namespace_of(struct wcow_store *store, const char *folder,
                                                 char **ret, struct wcow_error *err);

#endif
