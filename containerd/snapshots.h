/* SPDX-License-Identifier: Apache-2.0 */
/** @file snapshots.h
 *  Snapshots and diffs as containerd offers them to its clients; also how wcow asks wcowd. */
#ifndef WCOW_CONTAINERD_SNAPSHOTS_H
#define WCOW_CONTAINERD_SNAPSHOTS_H

#include "base/digest.h"
#include "containerd/client.h"

struct wcow_mount {
    char *type;
    char *source;
    char *target;
    char **options;
    size_t n_options;
};
struct wcow_mounts {
    struct wcow_mount *items;
    size_t n;
};
void wcow_mounts_done(struct wcow_mounts *mounts);

enum wcow_snapshot_kind {
    WCOW_SNAPSHOT_VIEW = 1,
    WCOW_SNAPSHOT_ACTIVE = 2,
    WCOW_SNAPSHOT_COMMITTED = 3
};

struct wcow_snapshot_info {
    char *name;
    char *parent;
    enum wcow_snapshot_kind kind;
    struct wcow_labels labels;
};
void wcow_snapshot_info_done(struct wcow_snapshot_info *info);

/** @param snapshotter "wcow". Errors as the snapshotter's: NOT_FOUND, EXISTS, PRECONDITION, ... */
WCOW_NODISCARD int wcow_snapshot_prepare(const struct wcow_containerd_ctx *ctx,
                                         const char *snapshotter, const char *key,
                                         const char *parent, const struct wcow_labels *labels,
                                         struct wcow_mounts *ret, struct wcow_error *err);
WCOW_NODISCARD int wcow_snapshot_view(const struct wcow_containerd_ctx *ctx,
                                      const char *snapshotter, const char *key, const char *parent,
                                      const struct wcow_labels *labels, struct wcow_mounts *ret,
                                      struct wcow_error *err);
WCOW_NODISCARD int wcow_snapshot_mounts(const struct wcow_containerd_ctx *ctx,
                                        const char *snapshotter, const char *key,
                                        struct wcow_mounts *ret, struct wcow_error *err);
WCOW_NODISCARD int wcow_snapshot_commit(const struct wcow_containerd_ctx *ctx,
                                        const char *snapshotter, const char *name, const char *key,
                                        const struct wcow_labels *labels, struct wcow_error *err);
WCOW_NODISCARD int wcow_snapshot_remove(const struct wcow_containerd_ctx *ctx,
                                        const char *snapshotter, const char *key,
                                        struct wcow_error *err);
WCOW_NODISCARD int wcow_snapshot_stat(const struct wcow_containerd_ctx *ctx,
                                      const char *snapshotter, const char *key,
                                      struct wcow_snapshot_info *ret, struct wcow_error *err);

struct wcow_descriptor_ref {
    const char *media_type;
    struct wcow_digest digest;
    uint64_t size_bytes;
};
/** containerd's diff service: unpack a layer blob onto mounts. */
WCOW_NODISCARD int wcow_diff_apply(const struct wcow_containerd_ctx *ctx,
                                   const struct wcow_descriptor_ref *layer,
                                   const struct wcow_mounts *mounts,
                                   struct wcow_digest *ret_diff_id, struct wcow_error *err);
/** A layer blob of what lies between two sets of mounts. @p media_type "" for containerd's default.
 *  @param ret its media_type is left as it is */
WCOW_NODISCARD int wcow_diff_create(const struct wcow_containerd_ctx *ctx,
                                    const struct wcow_mounts *lower,
                                    const struct wcow_mounts *upper, const char *media_type,
                                    const char *ref, struct wcow_descriptor_ref *ret,
                                    struct wcow_error *err);

#endif
