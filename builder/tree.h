/* SPDX-License-Identifier: Apache-2.0 */
/** @file tree.h
 *  The files and directories of a layer to be, over the layers it will lie on. What exists below
 *  decides: a name takes the casing it was created with, a directory keeps its metadata byte for
 *  byte, a junction or a directory link leads on, and a new name inherits its security descriptor
 *  from its directory as on Windows. A finished tree is a layer of a chain itself. */
#ifndef WCOW_BUILDER_TREE_H
#define WCOW_BUILDER_TREE_H

#include "base/paged.h"
#include "builder/payload.h"
#include "layer/entry.h"
#include "layer/view.h"

/** Files that are one file under several names; the first in the tar's order carries the bytes. */
struct wcow_link_group;

/** A file, link or directory of a tree, as long as the tree. There are hundreds of thousands of
 *  them: what they hold is shown by those who ask. */
struct wcow_tree_node;

/** A node as a walk shows it: borrowed until the walk goes on. */
struct wcow_tree_shown {
    struct wcow_tree_node *node;
    struct wcow_entry entry;     /**< full name, "Files/app/hello.txt"; not to be released */
    struct wcow_payload payload; /**< borrowed */
    char *first_name; /**< of the same file, where this is a later one in the walk; or NULL */
    bool is_below;    /**< the layers below have a directory of this name */
    bool is_source;   /**< a directory made on the way that stands for one that is copied */
    bool is_stamped;  /**< its times are those of the build, not of a source */
};

struct wcow_tree_options {
    const struct wcow_chain *below; /**< borrowed; may have no layers */
    struct wcow_bytes owner;        /**< SIDs of whoever creates; borrowed; may be empty */
    struct wcow_bytes group;
    uint64_t now; /**< FILETIME of directories made on the way */
};

struct wcow_tree;

WCOW_NODISCARD int wcow_tree_new(const struct wcow_tree_options *options, struct wcow_tree **ret,
                                 struct wcow_error *err);
void wcow_tree_free(struct wcow_tree *tree);
WCOW_DEFINE_CLEANUP(struct wcow_tree, wcow_tree_free)

/** Where what is kept of a payload may lie: as long as the tree. */
struct wcow_paged *wcow_tree_room(const struct wcow_tree *tree);

/** Forget what lies below: from then on only reading. */
void wcow_tree_seal(struct wcow_tree *tree);

/** The directory @p path ("Files/app/sub"; "Files"), made with its parents where it is missing.
 *  WCOW_E_PRECONDITION where a component is a file; WCOW_E_INVALID where Windows takes no such
 *  name, or a link on the way leaves the C: drive. */
WCOW_NODISCARD int wcow_tree_dir(struct wcow_tree *tree, const char *path,
                                 struct wcow_tree_node **ret, struct wcow_error *err);

/** A top directory of the layer's own ("Hives"), whatever the layers below have of that name.
 *  @p entry is emptied. */
WCOW_NODISCARD int wcow_tree_top(struct wcow_tree *tree, const char *name, struct wcow_entry *entry,
                                 struct wcow_tree_node **ret, struct wcow_error *err);

/** What @p path is in this tree or below it, links on the way (not the last component) followed:
 *  1 and the entry (caller: wcow_entry_done), 0, or an error. */
WCOW_NODISCARD int wcow_tree_stat(struct wcow_tree *tree, const char *path, struct wcow_entry *ret,
                                  struct wcow_error *err);

/** A name to be put into a directory. */
struct wcow_tree_item {
    const char *name;         /**< last component */
    struct wcow_entry *entry; /**< type, times, attributes, has, link, size; emptied. Its name is
                                   ignored; without sd one is inherited where has says RAWSD */
    struct wcow_payload *payload; /**< taken; NULL for none */
    struct wcow_link_group *group;
};

/** Put a file, link or directory into @p dir. A file of that name is replaced, a directory is
 * merged (and keeps its metadata). WCOW_E_PRECONDITION where one is a file and the other a
 * directory. */
WCOW_NODISCARD int wcow_tree_put(struct wcow_tree *tree, struct wcow_tree_node *dir,
                                 const struct wcow_tree_item *item, struct wcow_tree_node **ret,
                                 struct wcow_error *err);

/** Let the layer delete what the layers below have as @p name in directory @p dir ("Files/app"),
 *  which is made where it is missing. What the tree itself has of that name stays, a directory
 *  without what is below. Nothing is written where it is known that there is nothing to delete. */
WCOW_NODISCARD int wcow_tree_hide(struct wcow_tree *tree, const char *dir, const char *name,
                                  struct wcow_error *err);
/** The same for all that the layers below have in @p dir. WCOW_E_PRECONDITION where they are not
 *  known. */
WCOW_NODISCARD int wcow_tree_hide_all(struct wcow_tree *tree, const char *dir,
                                      struct wcow_error *err);

/** A node of which one is told already: its times are those of the build. */
void wcow_tree_mark_stamped(struct wcow_tree_node *node);
/** A directory that stands for one that is copied. */
void wcow_tree_mark_source(struct wcow_tree_node *node);
/** Give it another descriptor. */
WCOW_NODISCARD int wcow_tree_set_sd(struct wcow_tree *tree, struct wcow_tree_node *node,
                                    struct wcow_bytes sd, struct wcow_error *err);
WCOW_NODISCARD int wcow_tree_add_attributes(struct wcow_tree *tree, struct wcow_tree_node *node,
                                            uint32_t attributes, struct wcow_error *err);

/** Add a stream to a file or directory. @p entry is emptied; its name is what follows the colon. */
WCOW_NODISCARD int wcow_tree_put_stream(struct wcow_tree *tree, struct wcow_tree_node *owner,
                                        const char *stream, struct wcow_entry *entry,
                                        struct wcow_payload *payload, struct wcow_error *err);

/** The group of hard links known by @p id (any text, "dev:ino"); made where it is new. */
WCOW_NODISCARD int wcow_tree_link_group(struct wcow_tree *tree, const char *id,
                                        struct wcow_link_group **ret, struct wcow_error *err);

/** The group that a file is in; where it is in none, that of @p id from now on. */
WCOW_NODISCARD int wcow_tree_group_of(struct wcow_tree *tree, struct wcow_tree_node *node,
                                      const char *id, struct wcow_link_group **ret,
                                      struct wcow_error *err);
/** What the group of a file is known by, or NULL. */
const char *wcow_tree_group_id(const struct wcow_tree_node *node);

/** Whether the tree changes anything: holds more than directories that are there below. */
bool wcow_tree_has_changes(const struct wcow_tree *tree);
/** The node of a key, or NULL. */
struct wcow_tree_node *wcow_tree_find(const struct wcow_tree *tree, const char *key);

enum wcow_entry_type wcow_tree_type(const struct wcow_tree_node *node);
bool wcow_tree_is_below(const struct wcow_tree_node *node);
/** Its full name; the caller frees. */
WCOW_NODISCARD int wcow_tree_name(const struct wcow_tree_node *node, char **ret,
                                  struct wcow_error *err);
/** Its entry, copied; caller: wcow_entry_done(). */
WCOW_NODISCARD int wcow_tree_entry(const struct wcow_tree_node *node, struct wcow_entry *ret,
                                   struct wcow_error *err);
/** Its bytes, which the tree must outlive. */
struct wcow_payload wcow_tree_payload(const struct wcow_tree_node *node);

/** Each node in the layer's order (lexical by bytes, parents first, streams after their file).
 *  One walk at a time; nodes may be changed, none added. */
typedef int (*wcow_tree_fn)(void *arg, const struct wcow_tree_shown *shown, struct wcow_error *err);
WCOW_NODISCARD int wcow_tree_each(struct wcow_tree *tree, wcow_tree_fn fn, void *arg,
                                  struct wcow_error *err);
/** Each stream of a file or directory, in order. */
WCOW_NODISCARD int wcow_tree_each_stream(const struct wcow_tree_node *node, wcow_tree_fn fn,
                                         void *arg, struct wcow_error *err);

/** The tree as a layer; borrows it. */
struct wcow_layer_view wcow_tree_view(struct wcow_tree *tree);

#endif
