/* SPDX-License-Identifier: Apache-2.0 */
/** @file view.h
 *  A layer's entries by name, whoever holds them (an index on disk, a layer being built), and names
 *  resolved across a chain of layers as Windows would: nearest layer first, letter case ignored,
 *  whiteouts and replaced directories hiding what lies below. */
#ifndef WCOW_LAYER_VIEW_H
#define WCOW_LAYER_VIEW_H

#include "layer/entry.h"

/** Gives the names of a directory's children; the entry is borrowed. Return < 0 to stop. */
typedef int (*wcow_view_child_fn)(void *arg, const struct wcow_entry *child,
                                  struct wcow_error *err);

/** The key of @p entry within its layer: wcow_name_key() of its name; a whiteout's is that of the
 *  name it hides, a stream's that of its file, an opaque marker's that of its own name
 *  ("FILES/DIR/.WH..WH..OPQ"). @param ret caller frees. */
WCOW_NODISCARD int wcow_entry_key(const struct wcow_entry *entry, char **ret,
                                  struct wcow_error *err);
/** The key of the opaque marker in directory @p dir_key. @param ret caller frees. */
WCOW_NODISCARD int wcow_opaque_key(const char *dir_key, char **ret, struct wcow_error *err);

/** What a layer must answer. Keys are wcow_name_key() of the entry's name; a whiteout's key is that
 *  of the name it hides ("FILES/GONE.TXT"); see wcow_entry_key(). Streams are not asked for here.
 * The parent of "FILES" is "". */
struct wcow_layer_view_ops {
    /** @return 1 with *ret filled (caller: wcow_entry_done), 0 not in this layer, or an error. */
    int (*lookup)(void *layer, const char *key, struct wcow_entry *ret, struct wcow_error *err);
    /** Direct children of directory @p key in this layer, whiteouts and opaque markers too;
     *  streams not. Order: as in the layer. */
    int (*children)(void *layer, const char *key, wcow_view_child_fn fn, void *arg,
                    struct wcow_error *err);
};

struct wcow_layer_view {
    const struct wcow_layer_view_ops *ops;
    void *layer;
};

/** Layers, nearest first. Borrowed. */
struct wcow_chain {
    const struct wcow_layer_view *layers;
    size_t n_layers;
};

/** Resolve @p path ("Files/windows/SYSTEM32", any casing) in the chain.
 *  @param ret       filled with the winning entry, its name in the casing it was written with;
 *                   caller: wcow_entry_done()
 *  @param ret_layer index in chain->layers of where it was found; may be NULL
 *  @return 1 found, 0 not there, or an error */
WCOW_NODISCARD int wcow_chain_lookup(const struct wcow_chain *chain, const char *path,
                                     struct wcow_entry *ret, size_t *ret_layer,
                                     struct wcow_error *err);

/** As wcow_chain_lookup(), but a hard link is followed to the file that it is another name of. That
 * is one of the link's own layer, else what the layers below it show: never what a layer above put
 * in its place. @p ret has the file's own name.
 *  @return as wcow_chain_lookup(); WCOW_E_CORRUPT where links lead in a circle, WCOW_E_LIMIT where
 *  thousands lead one to the other */
WCOW_NODISCARD int wcow_chain_resolve(const struct wcow_chain *chain, const char *path,
                                      struct wcow_entry *ret, size_t *ret_layer,
                                      struct wcow_error *err);

/** The security descriptor of directory @p path: of the nearest layer whose entry for it carries
 * one (an update layer's `Files` does not); where none does, what it inherits from its directory.
 *  @param out the descriptor, appended
 *  @return 1; 0 where the chain has no such directory, or nothing on its path has a descriptor */
WCOW_NODISCARD int wcow_chain_dir_sd(const struct wcow_chain *chain, const char *path,
                                     struct wcow_buf *out, struct wcow_error *err);

/** The path as the chain spells it: each component that exists takes the casing it was created with
 *  (the lowest layer's), the rest stays as given. @param ret caller frees.
 *  @param ret_existing number of leading components that exist; may be NULL */
WCOW_NODISCARD int wcow_chain_casing(const struct wcow_chain *chain, const char *path, char **ret,
                                     size_t *ret_existing, struct wcow_error *err);

/** Merged children of a directory, each name once, sorted by key. */
WCOW_NODISCARD int wcow_chain_children(const struct wcow_chain *chain, const char *path,
                                       wcow_view_child_fn fn, void *arg, struct wcow_error *err);

#endif
