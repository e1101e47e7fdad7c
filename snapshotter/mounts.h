/* SPDX-License-Identifier: Apache-2.0 */
/** @file mounts.h
 *  The one mount that stands for a snapshot: type windows-layer as containerd's own Windows
 *  snapshotter gives it, or an overlay or bind mount as its overlayfs snapshotter does. */
#ifndef WCOW_SNAPSHOTTER_MOUNTS_H
#define WCOW_SNAPSHOTTER_MOUNTS_H

#include "store/snapshots.h"

enum { WCOW_LAYER_MOUNT_OPTIONS = 5 };

/** Strings belong to the mount; the target is always empty. */
struct wcow_layer_mount {
    const char *type; /**< static */
    char *source;
    char *options[WCOW_LAYER_MOUNT_OPTIONS];
    size_t n_options;
};
void wcow_layer_mount_done(struct wcow_layer_mount *mount);
#define wcow_automount WCOW_CLEANUP(wcow_layer_mount_done) struct wcow_layer_mount

/** @param folders  "<root>/snapshots"
 *  @param index_off whether the kernel's overlayfs knows index=off */
WCOW_NODISCARD int wcow_layer_mount_of(const char *folders, const struct wcow_row *row,
                                       bool index_off, struct wcow_layer_mount *ret,
                                       struct wcow_error *err);

#endif
