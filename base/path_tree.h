/* SPDX-License-Identifier: Apache-2.0 */
/** @file path_tree.h
 *  Values by path ("A/B/C"), for what a layer may have millions of: in paged memory, each directory
 *  with a table of its own names, so that whoever asks from directory to directory touches little
 *  of it at a time. Names are shared: a path costs its last component and some 50 bytes. Paths are
 *  bytes, compared as they are, without a '/' at either end. Nothing is taken out. One thread at a
 *  time. */
#ifndef WCOW_BASE_PATH_TREE_H
#define WCOW_BASE_PATH_TREE_H

#include <stddef.h>

#include "base/cleanup.h"
#include "base/error.h"

struct wcow_path_tree;

struct wcow_path_tree_options {
    size_t value_bytes; /**< of one value */
    size_t heap_bytes;  /**< that the tree may take of the heap before it goes on in a file */
    int dirfd;          /**< where that file is made, see base/paged.h */
};

WCOW_NODISCARD int wcow_path_tree_new(const struct wcow_path_tree_options *options,
                                      struct wcow_path_tree **ret, struct wcow_error *err);
void wcow_path_tree_free(struct wcow_path_tree *tree);
WCOW_DEFINE_CLEANUP(struct wcow_path_tree, wcow_path_tree_free)

/** The value at a path, or NULL; it stays where it is and may be changed. A path of 0 bytes is one,
 *  too. */
void *wcow_path_tree_find(struct wcow_path_tree *tree, const char *path, size_t len);

/** A place, zeroed and aligned for any type of 8 bytes, for a path that has none yet; the paths
 *  above it need not have one. WCOW_E_NOMEM, WCOW_E_LIMIT, and what base/paged.h says. */
WCOW_NODISCARD int wcow_path_tree_add(struct wcow_path_tree *tree, const char *path, size_t len,
                                      void **ret, struct wcow_error *err);

/** More of the tree's memory, for what values point to. */
WCOW_NODISCARD int wcow_path_tree_alloc(struct wcow_path_tree *tree, size_t size_bytes, void **ret,
                                        struct wcow_error *err);

#endif
