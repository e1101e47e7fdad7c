/* SPDX-License-Identifier: Apache-2.0 */
/** @file copy.h
 *  COPY and ADD: where sources go, by Docker's rules, and what becomes of them in a Windows layer.
 */
#ifndef WCOW_BUILDER_COPY_H
#define WCOW_BUILDER_COPY_H

#include "base/digest.h"
#include "builder/context.h"
#include "builder/instructions.h"
#include "builder/layers.h"
#include "builder/tree.h"

/** One COPY or ADD, its variables replaced. */
struct wcow_copying {
    struct wcow_tree *tree; /**< of the layer to be */
    const struct wcow_copy *copy;
    const char *workdir; /**< "C:\app" or "" */
    uint64_t now;        /**< FILETIME of files that have no time of their own */
    bool is_add;         /**< archives are unpacked */
    /** NULL, or gets the pattern for want of whose matches nothing is copied; else unchanged. */
    const char **ret_unmatched;
};

/** Sources from the build context, and here-documents.
 *  WCOW_E_NOT_FOUND names the source; WCOW_E_INVALID for a destination or a name that Windows
 * cannot hold; WCOW_E_PRECONDITION where a file and a directory are in each other's way. */
WCOW_NODISCARD int wcow_copy_from_context(const struct wcow_copying *copying,
                                          struct wcow_context *context, struct wcow_error *err);

/** The sources with patterns replaced by what they match, which may be nothing.
 *  @param ret_unmatched  NULL allowed; a pattern, where there is no source at all for want of a
 * match
 *  @return WCOW_E_NOT_FOUND where the directory is not there in which a pattern looks */
WCOW_NODISCARD int wcow_copy_sources(const struct wcow_copy *copy, struct wcow_context *context,
                                     struct wcow_str_list *ret, const char **ret_unmatched,
                                     struct wcow_error *err);
/** What wcow_copy_from_context() would take, by what stat says of it: into @p hash.
 *  @param ret_latest_ns  when a file of it changed last (its ctime); 0: there is none */
WCOW_NODISCARD int wcow_copy_stamp(const struct wcow_copy *copy, struct wcow_context *context,
                                   struct wcow_hash *hash, int64_t *ret_latest_ns,
                                   struct wcow_error *err);

/** Sources from the layers of a stage or an image; what they hold keeps its descriptors,
 * attributes, EAs and streams. @p layers must outlive the tree. */
WCOW_NODISCARD int wcow_copy_from_layers(const struct wcow_copying *copying,
                                         const struct wcow_layers *layers, struct wcow_error *err);

/** What an entry made of something with Unix times starts as. */
struct wcow_entry wcow_copy_new_entry(enum wcow_entry_type type, uint32_t attributes,
                                      uint64_t time);

/** Where a source of this base name goes.
 *  @param several  there are more sources: the destination has to be a directory
 *  @param ret_name borrowed from @p name or the destination */
struct wcow_copy_dest {
    struct wcow_tree *tree;
    char *path;  /**< "Files/app/x"; owned */
    bool is_dir; /**< written as a directory */
};
WCOW_NODISCARD int wcow_copy_dest_of(const struct wcow_copying *copying, struct wcow_copy_dest *ret,
                                     struct wcow_error *err);
void wcow_copy_dest_done(struct wcow_copy_dest *dest);
WCOW_NODISCARD int wcow_copy_dest_check(const struct wcow_copy_dest *dest, size_t n_sources,
                                        struct wcow_error *err);
WCOW_NODISCARD int wcow_copy_dest_for(const struct wcow_copy_dest *dest, const char *name,
                                      struct wcow_tree_node **ret_dir, const char **ret_name,
                                      struct wcow_error *err);

#endif
