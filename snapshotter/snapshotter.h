/* SPDX-License-Identifier: Apache-2.0 */
/** @file snapshotter.h
 *  containerd's snapshotter over folders of Windows layers: <root>/snapshots/<id>/Files and what
 *  else a layer has. Semantics and errors are those of containerd's Snapshotter interface
 *  (core/snapshots/snapshotter.go). Knows no protobuf.
 *
 *  Changes are asynchronous: the callback runs once, on the writer's thread or, for early errors,
 *  on the caller's. Everything in a request is borrowed until then. Thread-safe. */
#ifndef WCOW_SNAPSHOTTER_SNAPSHOTTER_H
#define WCOW_SNAPSHOTTER_SNAPSHOTTER_H

#include <stdatomic.h>

#include "snapshotter/mounts.h"
#include "store/db.h"
#include "store/snapshots.h"

struct wcow_snapshotter;

struct wcow_snapshotter_options {
    enum wcow_mount_type mount_type; /**< of snapshots that don't choose by label */
};

/** Sweeps what an interrupted run left, then is ready; big leftovers are deleted in the background.
 *  @param store borrowed, must outlive the snapshotter */
WCOW_NODISCARD int wcow_snapshotter_new(struct wcow_store *store,
                                        const struct wcow_snapshotter_options *options,
                                        struct wcow_snapshotter **ret, struct wcow_error *err);
/** After the last call has ended. Deletions under way stop; the next start takes them up. */
void wcow_snapshotter_free(struct wcow_snapshotter *s);
WCOW_DEFINE_CLEANUP(struct wcow_snapshotter, wcow_snapshotter_free)

/** @param mount set where code is WCOW_OK; borrowed for the call */
typedef void (*wcow_mount_done)(void *arg, int code, const struct wcow_error *err,
                                const struct wcow_layer_mount *mount);
typedef void (*wcow_change_done)(void *arg, int code, const struct wcow_error *err);
/** @param row set where code is WCOW_OK, with labels; borrowed for the call */
typedef void (*wcow_row_done_fn)(void *arg, int code, const struct wcow_error *err,
                                 const struct wcow_row *row);

struct wcow_create_request {
    const char *key;
    const char *parent; /**< "" without one */
    struct wcow_store_labels labels;
};
/** An active snapshot. Non-blocking. */
void wcow_snapshotter_prepare(struct wcow_snapshotter *s, const struct wcow_create_request *request,
                              wcow_mount_done done, void *arg);
/** A read-only look at a committed snapshot; copies nothing. Non-blocking. */
void wcow_snapshotter_view(struct wcow_snapshotter *s, const struct wcow_create_request *request,
                           wcow_mount_done done, void *arg);

struct wcow_commit_request {
    const char *key;
    const char *name;
    const char *parent; /**< "", or the new parent of a snapshot prepared without one */
    struct wcow_store_labels labels;
};
/** Measures and syncs the folder on the calling thread, then records it.
 *  @param may_block false: only where the folder is empty, which takes no time
 *  @return false where it would block: nothing was done, and done is not called */
WCOW_NODISCARD bool wcow_snapshotter_commit(struct wcow_snapshotter *s,
                                            const struct wcow_commit_request *request,
                                            bool may_block, wcow_change_done done, void *arg);
/** Gone when answered; its folder is deleted in the background. Non-blocking. */
void wcow_snapshotter_remove(struct wcow_snapshotter *s, const char *key, wcow_change_done done,
                             void *arg);

struct wcow_update_request {
    const char *key;
    struct wcow_store_labels labels;
    const char *const *paths; /**< of a field mask; none: replace all labels */
    size_t n_paths;
};
/** Labels only; any other path is WCOW_E_INVALID. Non-blocking. */
void wcow_snapshotter_update(struct wcow_snapshotter *s, const struct wcow_update_request *request,
                             wcow_row_done_fn done, void *arg);

/* ---- looking: on the calling thread, microseconds ---- */
WCOW_NODISCARD int wcow_snapshotter_stat(struct wcow_snapshotter *s, const char *key,
                                         struct wcow_row *ret, struct wcow_error *err);
/** WCOW_E_PRECONDITION for a committed snapshot. Release with wcow_layer_mount_done(). */
WCOW_NODISCARD int wcow_snapshotter_mounts(struct wcow_snapshotter *s, const char *key,
                                           struct wcow_layer_mount *ret, struct wcow_error *err);

/** Walks the folder of an active snapshot (blocks); 0 for a view. */
WCOW_NODISCARD int wcow_snapshotter_usage(struct wcow_snapshotter *s, const char *key,
                                          uint64_t *ret_size_bytes, uint64_t *ret_inodes,
                                          struct wcow_error *err);
struct wcow_walk {
    const char *const *filters; /**< containerd's; each snapshot that matches any, none: all */
    size_t n_filters;
    size_t max_rows; /**< snapshots to look at, and some times as many labels; 0: all */
    const atomic_bool *cancelled; /**< ends it with WCOW_E_CANCELLED */
};
/** Blocks, unless max_rows are all it looks at: 0 where there were more, else 1. */
WCOW_NODISCARD int wcow_snapshotter_walk(struct wcow_snapshotter *s, const struct wcow_walk *walk,
                                         wcow_snapshots_fn fn, void *arg, struct wcow_error *err);
/** Someone who waits until the folders of removed snapshots are deleted, those that the last run
 * left too. Zero-initialise, set what is public, keep it alive until `done` was called. */
struct wcow_cleanup {
    const atomic_bool *cancelled; /**< then it is WCOW_E_CANCELLED, within a moment */
    wcow_change_done done;        /**< on the thread of this or of another Cleanup */
    void *arg;
    struct wcow_cleanup *next; /* private */
};
/** Blocks, for itself and for those who come meanwhile, which return at once. */
void wcow_snapshotter_cleanup(struct wcow_snapshotter *s, struct wcow_cleanup *cleanup);

#endif
