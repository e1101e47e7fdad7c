/* SPDX-License-Identifier: Apache-2.0 */
/** @file host_tree.h
 *  A layer's files as a tree on the host's file system: where each name goes, and its making.
 *
 *  A name takes the casing that the parents' chain has on disk, so that overlayfs merges what
 *  Windows would; a component that the host cannot hold (over 255 bytes) gets a short one. Nothing
 *  below a link is ever opened: each directory is opened from its parent's descriptor without
 *  following links, and descriptors of directories are kept. One thread at a time; what it asks
 *  for may be made by others that help (differ/jobs.h), in order and in a while. */
#ifndef WCOW_DIFFER_HOST_TREE_H
#define WCOW_DIFFER_HOST_TREE_H

#include "differ/chain.h"

struct wcow_host_tree;

/** @param layer_fd the layer's folder; borrowed. @param parents borrowed */
WCOW_NODISCARD int wcow_host_tree_new(int layer_fd, const struct wcow_layer_chain *parents,
                                      struct wcow_host_tree **ret, struct wcow_error *err);
void wcow_host_tree_free(struct wcow_host_tree *tree);
WCOW_DEFINE_CLEANUP(struct wcow_host_tree, wcow_host_tree_free)

struct wcow_host_dir;

/** Where an entry goes. */
struct wcow_host_place {
    struct wcow_host_dir *dir; /**< the tree's; NULL: the layer's folder */
    char *leaf;                /**< its name there */
    char *host_path;           /**< below the layer's folder */
    char *key;                 /**< search key */
};
void wcow_host_place_done(struct wcow_host_place *place);
#define wcow_autoplace WCOW_CLEANUP(wcow_host_place_done) struct wcow_host_place

/** Find the place of @p entry; directories that its name needs and nobody has made are made. */
WCOW_NODISCARD int wcow_host_tree_place(struct wcow_host_tree *tree, const struct wcow_entry *entry,
                                        struct wcow_host_place *ret, struct wcow_error *err);

/** Make the entry's object there (no data). A file: *ret_fd is open for writing, else -1; a
 *  directory or a hard link is there after wcow_host_tree_settle(). Whiteouts that the host does
 * not let one make (no privilege) stand in the index only.
 *  @return WCOW_E_DATA_LOSS for a hard link to what a parent's folder has lost; also the error of
 *          what stood before it */
WCOW_NODISCARD int wcow_host_tree_make(struct wcow_host_tree *tree, const struct wcow_entry *entry,
                                       const struct wcow_host_place *place, int *ret_fd,
                                       struct wcow_error *err);

/** So large may a file be that is given whole. */
enum { WCOW_HOST_SMALL_FILE = 16 << 10 };
/** A small file with its data, there after wcow_host_tree_settle(). */
WCOW_NODISCARD int wcow_host_tree_make_small(struct wcow_host_tree *tree,
                                             const struct wcow_entry *entry,
                                             const struct wcow_host_place *place,
                                             struct wcow_bytes data, struct wcow_error *err);

/** Make the next thing that was asked for, on any thread; false where there is none, or somebody is
 *  at one. */
bool wcow_host_tree_help(struct wcow_host_tree *tree);
/** Have @p call told where many wait to be made, by the thread that asks for them. */
void wcow_host_tree_on_many(struct wcow_host_tree *tree, void (*call)(void *ctx), void *ctx);
/** Until all that was asked for is made. @return WCOW_OK, or the error of the first that was not */
WCOW_NODISCARD int wcow_host_tree_settle(struct wcow_host_tree *tree, struct wcow_error *err);

/** The POSIX form of a reparse point's target, for the symbolic link that stands for it: relative
 * to the directory of @p name where it can be expressed, else @p target as it is. Caller frees. */
WCOW_NODISCARD int wcow_host_link_target(const char *name, const char *target, char **ret,
                                         struct wcow_error *err);

/** The name on the host of a component of an entry's name: the same, or a short one with a hash
 *  where it is over 255 bytes. Caller frees. */
WCOW_NODISCARD int wcow_host_leaf(const char *leaf, char **ret, struct wcow_error *err);
/** Whether it looks like such a short name. */
bool wcow_host_leaf_is_short(const char *leaf);

/** A directory that was made because of what is in it, without an entry of its own. */
struct wcow_host_implied {
    struct wcow_entry entry; /**< that it could have had (no descriptor: it inherits one), with the
                                time of what needed it first; borrowed */
    const char *key;
    const char *host_path;
    bool is_below_opaque; /**< the parents' directory of this name does not count */
};
typedef int (*wcow_host_implied_fn)(void *arg, const struct wcow_host_implied *dir,
                                    struct wcow_error *err);
WCOW_NODISCARD int wcow_host_tree_implied(const struct wcow_host_tree *tree,
                                          wcow_host_implied_fn fn, void *arg,
                                          struct wcow_error *err);

/** Remove @p name below @p dirfd with all that is in it, following no link. Absent is fine. */
WCOW_NODISCARD int wcow_host_remove(int dirfd, const char *name, struct wcow_error *err);

#endif
