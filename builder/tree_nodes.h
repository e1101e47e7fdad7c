/* SPDX-License-Identifier: Apache-2.0 */
/** @file tree_nodes.h
 *  Private to tree*.c: what a tree keeps of each name. A context may have millions of files, so a
 *  node holds what is its own and shares the rest: the last component of its name, its size and
 *  one time; what it is and its descriptor are those of thousands of others; what few files have
 *  (links, streams, times of several kinds) stands apart. All that there is one of for each file
 *  lies in paged memory, and what a directory's names are found by lies beside them: whoever goes
 *  through a tree from directory to directory looks at little of it at a time. Nodes live as long
 *  as their tree and are never taken out of it. */
#ifndef WCOW_BUILDER_TREE_NODES_H
#define WCOW_BUILDER_TREE_NODES_H

#include "base/paged_table.h"
#include "builder/dockerfile_arena.h"
#include "builder/tree.h"

/** A security descriptor, each once in a tree. */
struct wcow_tree_sd {
    struct wcow_tree_sd *next;         /**< of its bucket */
    struct wcow_tree_sd *inherited[2]; /**< what new files [0] and directories [1] below it get */
    size_t len_bytes;
    uint8_t data[];
};

/** What many nodes have in common, each combination once in a tree. */
struct wcow_tree_traits {
    struct wcow_tree_traits *next;
    struct wcow_tree_sd *sd; /**< or NULL */
    const struct wcow_payload_ops *ops;
    enum wcow_entry_type type;
    uint32_t attributes;
    uint32_t has;
    bool borrowed; /**< the payload is somebody else's */
};

/** What few nodes have. */
struct wcow_tree_rare {
    char *link;
    struct wcow_ea *eas;
    size_t n_eas;
    struct wcow_tree_node *streams;
    struct wcow_link_group *group;
    bool has_times; /**< atime, ctime and creation are not all mtime */
    uint64_t atime;
    uint64_t ctime;
    uint64_t creation;
};

enum {
    WCOW_NODE_BELOW = 1 << 0,
    WCOW_NODE_SOURCE = 1 << 1,
    WCOW_NODE_STAMPED = 1 << 2,
    WCOW_NODE_STREAM = 1 << 3,
};

/** The names of a directory. */
struct wcow_tree_names {
    struct wcow_tree_node *last;    /**< that came; its `next` came before it */
    struct wcow_paged_table by_key; /**< nodes */
};

struct wcow_tree_node {
    struct wcow_tree_node *parent; /**< NULL for the root alone */
    struct wcow_tree_node *next;   /**< child of the same directory, stream of the same file */
    union {
        struct wcow_tree_names *names; /**< of a directory; NULL: there are none */
        void *payload;                 /**< of a file: its payload's context */
    };
    const struct wcow_tree_traits *traits;
    struct wcow_tree_rare *rare; /**< or NULL */
    uint64_t size_bytes;
    uint64_t mtime;
    uint8_t flags; /**< WCOW_NODE_* */
    char name[];   /**< last component; of a stream what follows the colon */
};

struct wcow_link_group {
    const struct wcow_tree_node *first; /**< that walk number `walk` met */
    uint64_t walk;
    char id[];
};

enum { WCOW_TREE_BUCKETS = 64 };

struct wcow_tree {
    struct wcow_tree_options options;
    struct wcow_arena arena;     /**< of what nodes share */
    struct wcow_paged *paged;    /**< of nodes and all that they hold */
    struct wcow_tree_node *gone; /**< what was replaced: others may have borrowed its payloads */
    const struct wcow_tree_node
        *bare;                      /**< directory without a descriptor that was asked for last */
    struct wcow_tree_sd *bare_sd;   /**< that of the layers below for it; NULL: none */
    struct wcow_tree_node *root;    /**< its children are Files, Hives, UtilityVM */
    struct wcow_paged_slots slots;  /**< of all tables, from `paged` */
    size_t n_owned;                 /**< payloads that want to be freed */
    struct wcow_paged_table groups; /**< by id */
    uint64_t n_walks;
    struct wcow_tree_sd *sds[WCOW_TREE_BUCKETS];
    struct wcow_tree_traits *traits[WCOW_TREE_BUCKETS];
};

/** The child of @p dir whose name has the key @p key of @p len bytes, or NULL. */
struct wcow_tree_node *wcow_tree_child(const struct wcow_tree *tree,
                                       const struct wcow_tree_node *dir, const char *key,
                                       size_t len);

/** The group of hard links of this id; NULL where there is none. */
struct wcow_link_group *wcow_tree_find_group(const struct wcow_tree *tree, const char *id);
WCOW_NODISCARD int wcow_tree_add_group(struct wcow_tree *tree, const char *id,
                                       struct wcow_link_group **ret, struct wcow_error *err);

/** The name that came last into @p dir, which `next` leads on from; NULL: none, or no directory. */
struct wcow_tree_node *wcow_tree_names_of(const struct wcow_tree_node *dir);
/** The node after @p node, each once, directories before what is in them; NULL after the last. The
 *  root is the first. */
struct wcow_tree_node *wcow_tree_next(const struct wcow_tree *tree,
                                      const struct wcow_tree_node *node);

/** The tree's own copy of a descriptor; none (NULL) where it is empty. */
WCOW_NODISCARD int wcow_tree_intern_sd(struct wcow_tree *tree, struct wcow_bytes sd,
                                       struct wcow_tree_sd **ret, struct wcow_error *err);

/** What a node is made of; all is copied. */
struct wcow_tree_new_node {
    const char *name;               /**< last component */
    const char *key;                /**< of it; NULL for the root and streams, which no key finds */
    const struct wcow_entry *entry; /**< its name is ignored */
    struct wcow_tree_sd *sd;        /**< where the entry has no descriptor; or NULL */
};
/** A new node, which has yet to be put where it belongs. */
WCOW_NODISCARD int wcow_tree_make_node(struct wcow_tree *tree, struct wcow_tree_node *parent,
                                       const struct wcow_tree_new_node *of,
                                       struct wcow_tree_node **ret, struct wcow_error *err);
/** The same, put into directory @p dir. */
WCOW_NODISCARD int wcow_tree_add_node(struct wcow_tree *tree, struct wcow_tree_node *dir,
                                      const struct wcow_tree_new_node *of,
                                      struct wcow_tree_node **ret, struct wcow_error *err);
/** Let it be what @p entry says, without the streams, the group and the bytes that it had. */
WCOW_NODISCARD int wcow_tree_fill_node(struct wcow_tree *tree, struct wcow_tree_node *node,
                                       const struct wcow_entry *entry, struct wcow_tree_sd *sd,
                                       struct wcow_error *err);
/** Take a payload; NULL or one of no bytes is fine. */
WCOW_NODISCARD int wcow_tree_take_payload(struct wcow_tree *tree, struct wcow_tree_node *node,
                                          struct wcow_payload *payload, struct wcow_error *err);
/** Another of its traits. */
WCOW_NODISCARD int wcow_tree_set_traits(struct wcow_tree *tree, struct wcow_tree_node *node,
                                        const struct wcow_tree_traits *traits,
                                        struct wcow_error *err);
/** What few nodes have, made where it has none yet. */
WCOW_NODISCARD int wcow_tree_make_rare(struct wcow_tree *tree, struct wcow_tree_node *node,
                                       struct wcow_tree_rare **ret, struct wcow_error *err);
/** Release the payloads of a node and its streams. */
void wcow_tree_release_node(const struct wcow_tree_node *node);

/** As an entry that borrows all it holds and has no name. */
struct wcow_entry wcow_tree_borrow_entry(const struct wcow_tree_node *node);

#endif
