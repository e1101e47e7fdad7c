/* SPDX-License-Identifier: Apache-2.0 */
/** @file leases.h
 *  Leases keep what is being made from containerd's garbage collection. */
#ifndef WCOW_CONTAINERD_LEASES_H
#define WCOW_CONTAINERD_LEASES_H

#include "containerd/client.h"

/** @param id NULL: one is made up. @param expire_s seconds until containerd may drop it, 0: never.
 *  @param ret_id caller frees */
WCOW_NODISCARD int wcow_lease_create(const struct wcow_containerd_ctx *ctx, const char *id,
                                     uint32_t expire_s, const struct wcow_labels *labels,
                                     char **ret_id, struct wcow_error *err);
/** @param sync wait for the garbage collection that it allows. Absent is fine. */
WCOW_NODISCARD int wcow_lease_delete(const struct wcow_containerd_ctx *ctx, const char *id,
                                     bool sync, struct wcow_error *err);
/** @param type "content", "snapshots/wcow", "ingests" */
WCOW_NODISCARD int wcow_lease_add_resource(const struct wcow_containerd_ctx *ctx, const char *id,
                                           const char *type, const char *resource,
                                           struct wcow_error *err);
/** Take it out again: what nothing else refers to is containerd's to collect. Absent is fine. */
WCOW_NODISCARD int wcow_lease_delete_resource(const struct wcow_containerd_ctx *ctx, const char *id,
                                              const char *type, const char *resource,
                                              struct wcow_error *err);

#endif
