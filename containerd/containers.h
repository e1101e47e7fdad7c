/* SPDX-License-Identifier: Apache-2.0 */
/** @file containers.h
 *  containerd's container records: what is to be run. Tasks (tasks.h) run them. */
#ifndef WCOW_CONTAINERD_CONTAINERS_H
#define WCOW_CONTAINERD_CONTAINERS_H

#include "containerd/client.h"

/** Borrowed. */
struct wcow_container {
    const char *id;
    const char *image;                /**< name of an image record, or NULL */
    const char *runtime;              /**< "io.containerd.runc.v2", "io.containerd.runhcs.v1" */
    const char *spec_json;            /**< OCI runtime config.json */
    const char *snapshotter;          /**< or NULL */
    const char *snapshot_key;         /**< or NULL; keeps the snapshot from garbage collection */
    const struct wcow_labels *labels; /**< or NULL */
};

/** WCOW_E_EXISTS where the id is taken. */
WCOW_NODISCARD int wcow_container_create(const struct wcow_containerd_ctx *ctx,
                                         const struct wcow_container *container,
                                         struct wcow_error *err);
/** Its task must be deleted first (WCOW_E_PRECONDITION). Absent is fine. */
WCOW_NODISCARD int wcow_container_delete(const struct wcow_containerd_ctx *ctx, const char *id,
                                         struct wcow_error *err);

#endif
