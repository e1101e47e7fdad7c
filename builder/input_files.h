/* SPDX-License-Identifier: Apache-2.0 */
/** @file input_files.h
 *  What the files of a step's input hold: the digests of all that have bytes, in a tree's order,
 *  as one digest. The names, sizes and what else there is are the shape's.
 *
 *  Digests come as the step's layer is written, from another tree. Until then it is enough to know
 *  what stat said of each file: on disk, since a context may have hundreds of thousands. */
#ifndef WCOW_BUILDER_INPUT_FILES_H
#define WCOW_BUILDER_INPUT_FILES_H

#include <stdatomic.h>

#include "builder/spool.h"
#include "builder/tree.h"
#include "store/cache.h"

/** Reads the files whose digest is not known.
 *  @param cancel  polled; may be NULL */
WCOW_NODISCARD int wcow_input_files_digest(struct wcow_tree *tree, const atomic_bool *cancel,
                                           struct wcow_digest *ret, struct wcow_error *err);

/** What stat said of the files with bytes, in order. */
struct wcow_noted_files {
    struct wcow_spool *spool;  /**< NULL: nothing was noted */
    struct wcow_digest digest; /**< of all that was noted: the same for the same files */
};
void wcow_noted_files_done(struct wcow_noted_files *noted);

/** 1, and 0 where a file's digest can be had from the tree alone. */
WCOW_NODISCARD int wcow_input_files_note(struct wcow_tree *tree, struct wcow_noted_files *ret,
                                         struct wcow_error *err);
/** What wcow_input_files_digest() gives, without the tree: 1, and 0 where @p cache does not know
 *  the digest of a file. */
WCOW_NODISCARD int wcow_input_files_digest_noted(const struct wcow_noted_files *noted,
                                                 struct wcow_build_cache *cache,
                                                 struct wcow_digest *ret, struct wcow_error *err);

#endif
