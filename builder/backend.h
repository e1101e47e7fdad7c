/* SPDX-License-Identifier: Apache-2.0 */
/** @file backend.h
 *  What a build works with: containerd, a registry client, a display. Shared by its threads. */
#ifndef WCOW_BUILDER_BACKEND_H
#define WCOW_BUILDER_BACKEND_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/key_lock.h"
#include "builder/blobs.h"
#include "builder/progress.h"
#include "containerd/client.h"
#include "image/registry.h"
#include "image/strings.h"

struct wcow_backend_options {
    const char *address;     /**< of containerd */
    const char *ns;          /**< namespace */
    const char *snapshotter; /**< "wcow" */
    bool plain_http;
    bool push_foreign;     /**< as in struct wcow_build_options */
    const char *hosts_dir; /**< certs.d; NULL for none */
    struct wcow_progress *progress;
    const atomic_bool *cancel;
};

struct wcow_backend {
    struct wcow_containerd *client;
    struct wcow_containerd_ctx ctx; /**< carries the build's lease */
    const char *address;            /**< of containerd */
    const char *snapshotter;
    char *content_root; /**< of containerd's content store; NULL where it is not known */
    char *lease;        /**< of this build */
    char *unique;       /**< for keys and references: time and chance */
    struct wcow_registry *registry;
    struct wcow_blobs *blobs; /**< layers that may not be in the content store yet */
    struct wcow_progress *progress;
    const atomic_bool *cancel;
    bool push_foreign;
    atomic_uint serial;
    struct wcow_key_locks busy; /**< what one thread does and others may want done, by name */
    pthread_mutex_t lock;       /**< of the next two */
    struct wcow_str_list views; /**< snapshots to be removed at the end */
    struct wcow_str_list kept;  /**< blobs that are in the content store, under the lease */
};

/** Connect, and take a lease that keeps all that the build makes until it is done.
 *  WCOW_E_UNAVAILABLE says how to reach containerd; WCOW_E_PRECONDITION where the snapshotter is
 *  not registered with it. */
WCOW_NODISCARD int wcow_backend_new(const struct wcow_backend_options *options,
                                    struct wcow_backend **ret, struct wcow_error *err);
/** Give back the views and the lease; what nothing else refers to is containerd's to collect. */
void wcow_backend_free(struct wcow_backend *b);
/** Whether the blob is known to be in the content store and to stay while the build lasts. */
bool wcow_backend_keeps(struct wcow_backend *b, const char *digest);
void wcow_backend_note_kept(struct wcow_backend *b, const char *digest);
/** Have the snapshot @p key removed when the backend goes. */
WCOW_NODISCARD int wcow_backend_keep_view(struct wcow_backend *b, const char *key,
                                          struct wcow_error *err);
WCOW_DEFINE_CLEANUP(struct wcow_backend, wcow_backend_free)

/** A name that is used once: "wcow-build-<unique>-<n><suffix>"; caller frees, NULL without memory.
 */
char *wcow_backend_name(struct wcow_backend *b, const char *suffix);
/** For calls that Ctrl-C must not cut short: of one that was given up nobody knows whether it was
 *  done, and so what is left of it. They take a fraction of a second. */
struct wcow_containerd_ctx wcow_backend_uncancelled(const struct wcow_backend *b);
bool wcow_backend_is_cancelled(const struct wcow_backend *b);

#endif
