/* SPDX-License-Identifier: Apache-2.0 */
/* What host_tree.c (names and directories) and host_make.c (objects) share. */
#ifndef WCOW_DIFFER_HOST_TREE_INTERNAL_H
#define WCOW_DIFFER_HOST_TREE_INTERNAL_H

#include "differ/host_tree.h"
#include "differ/jobs.h"
#include "store/bytes_map.h"

/* A directory of this layer, made or found, or to be made by a job. */
struct wcow_host_dir {
    struct wcow_host_dir *parent; /* NULL: the layer's folder */
    /* For jobs, and for others while none waits: */
    struct wcow_host_dir *prev; /* in the list of open ones, most recently used first */
    struct wcow_host_dir *next;
    int fd; /* -1: closed */

    char *host_path; /* below the layer's folder */
    char *name;      /* as written by the entry that needed it; NULL once it has one of its own */
    uint64_t mtime;  /* of that entry */
    struct wcow_host_dir *next_implied;
    bool is_opaque; /* what the parents have in it does not count */
    char key[];
};

struct wcow_host_tree {
    int layer_fd;
    const struct wcow_layer_chain *parents;
    /* For jobs, and for others while none waits: */
    struct wcow_host_dir *newest; /* of the open ones */
    struct wcow_host_dir *oldest;
    size_t n_open;

    struct wcow_bytes_map dirs;
    struct wcow_host_dir *implied; /* those made without an entry, the last one first */
    bool has_whiteouts;            /* as devices */
    struct wcow_jobs *jobs;        /* objects that are to be made */
    void (*call)(void *ctx);       /* where many are; NULL: nobody helps */
    void *call_ctx;
};

/* ---- host_tree.c ---- */

const char *wcow_host_base_name(const char *path);
/* A directory's descriptor, valid until the next call. For jobs, and for others while none waits.
 */
WCOW_NODISCARD int wcow_host_dir_fd(struct wcow_host_tree *t, struct wcow_host_dir *d, int *ret,
                                    struct wcow_error *err);
/* NULL where it is not known. */
struct wcow_host_dir *wcow_host_dir_find(struct wcow_host_tree *t, const char *key, size_t len);
/* The known directory that holds @p key, without a walk; NULL where it is unknown. */
struct wcow_host_dir *wcow_host_dir_of(struct wcow_host_tree *t, const char *key);
/* Remember a directory, new to the tree, and have it made. */
WCOW_NODISCARD int wcow_host_dir_add(struct wcow_host_tree *t, struct wcow_host_dir *parent,
                                     const char *key, const char *host_path,
                                     struct wcow_host_dir **ret, struct wcow_error *err);
/* The component's name on disk: as the parents have it, else as written. Caller frees. */
WCOW_NODISCARD int wcow_host_spelled_leaf(struct wcow_host_tree *t, const char *key,
                                          const char *leaf, char **ret, struct wcow_error *err);

/* ---- host_make.c ---- */

WCOW_NODISCARD int wcow_host_make_new(struct wcow_host_tree *t, struct wcow_error *err);
/* Have a directory made, before whatever is asked for next. */
WCOW_NODISCARD int wcow_host_make_dir(struct wcow_host_tree *t, struct wcow_host_dir *d,
                                      struct wcow_error *err);

#endif
