/* SPDX-License-Identifier: Apache-2.0 */
/** @file client.h
 *  A connection to containerd and what every call to it carries. Shared by threads. */
#ifndef WCOW_CONTAINERD_CLIENT_H
#define WCOW_CONTAINERD_CLIENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"

struct wcow_containerd;

/** Carried by each call; borrowed. */
struct wcow_containerd_ctx {
    struct wcow_containerd *client;
    const char *ns;            /**< namespace, as ctr -n */
    const char *lease;         /**< lease id, or NULL */
    const atomic_bool *cancel; /**< or NULL */
    uint32_t timeout_ms;       /**< per call; 0: none */
};

struct wcow_label {
    char *key;
    char *value;
};
struct wcow_labels {
    struct wcow_label *items;
    size_t n;
};
void wcow_labels_done(struct wcow_labels *labels);
WCOW_NODISCARD int wcow_labels_set(struct wcow_labels *labels, const char *key, const char *value,
                                   struct wcow_error *err);
/** NULL where it is absent. */
const char *wcow_labels_get(const struct wcow_labels *labels, const char *key);

/** @param address socket path, with or without "unix://"; connects lazily */
WCOW_NODISCARD int wcow_containerd_new(const char *address, struct wcow_containerd **ret,
                                       struct wcow_error *err);
void wcow_containerd_free(struct wcow_containerd *client);
WCOW_DEFINE_CLEANUP(struct wcow_containerd, wcow_containerd_free)

/** The version that containerd reports ("1.7.24~ds1"); caller frees. Also a check that it answers.
 */
WCOW_NODISCARD int wcow_containerd_version(const struct wcow_containerd_ctx *ctx, char **ret,
                                           struct wcow_error *err);
/** The folder of a plugin, "io.containerd.content.v1"/"content", from the introspection service's
 *  exports ("root"); caller frees; WCOW_E_NOT_FOUND. */
WCOW_NODISCARD int wcow_containerd_plugin_root(const struct wcow_containerd_ctx *ctx,
                                               const char *type, const char *id, char **ret,
                                               struct wcow_error *err);
/** Both in one call, for who begins with them: whether the snapshotter is loaded without an error,
 *  and the folder of the content store (caller frees; NULL where containerd tells none). */
WCOW_NODISCARD int wcow_containerd_look(const struct wcow_containerd_ctx *ctx,
                                        const char *snapshotter, bool *ret_has_snapshotter,
                                        char **ret_content_root, struct wcow_error *err);

#endif
