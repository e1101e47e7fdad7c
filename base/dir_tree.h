/* SPDX-License-Identifier: Apache-2.0 */
/** @file dir_tree.h
 *  Walks over a folder, of any depth and with few descriptors: measuring and deleting.
 *  Follows no link and enters no other file system. */
#ifndef WCOW_BASE_DIR_TREE_H
#define WCOW_BASE_DIR_TREE_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/error.h"

struct wcow_dir_tree_size {
    uint64_t size_bytes; /**< sum of what lstat says of all but directories, each hard link anew */
    uint64_t n_entries;  /**< everything below the folder */
};

/** Measure @p name in @p parent_fd. WCOW_E_NOT_FOUND, WCOW_E_IO. What vanishes meanwhile is left
 * out. */
WCOW_NODISCARD int wcow_dir_tree_measure(int parent_fd, const char *name,
                                         struct wcow_dir_tree_size *ret, struct wcow_error *err);
/** Delete @p name and all below; absent is fine.
 *  @param stop polled; WCOW_E_CANCELLED once it is true. NULL: never */
WCOW_NODISCARD int wcow_dir_tree_delete(int parent_fd, const char *name, const atomic_bool *stop,
                                        struct wcow_error *err);

#endif
