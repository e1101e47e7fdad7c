/* SPDX-License-Identifier: Apache-2.0 */
/** @file mounts.h
 *  Inside containerd/: mounts between our form and the protocol's. */
#ifndef WCOW_CONTAINERD_MOUNTS_H
#define WCOW_CONTAINERD_MOUNTS_H

#include "containerd/snapshots.h"
#include "proto/mount.pb-c.h"

/** A copy of the protocol's mounts. */
WCOW_NODISCARD int wcow_mounts_of(Containerd__Types__Mount *const *from, size_t n,
                                  struct wcow_mounts *ret, struct wcow_error *err);

/** Mounts for a request, pointing into ours. */
struct wcow_mount_list {
    Containerd__Types__Mount *mounts;
    Containerd__Types__Mount **items;
    size_t n;
};
WCOW_NODISCARD int wcow_mount_list_of(const struct wcow_mounts *from, struct wcow_mount_list *ret,
                                      struct wcow_error *err);
void wcow_mount_list_done(struct wcow_mount_list *list);

#endif
