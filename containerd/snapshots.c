/* SPDX-License-Identifier: Apache-2.0 */
#include "containerd/snapshots.h"

#include "containerd/internal.h"
#include "containerd/mounts.h"
#include "proto/snapshots.pb-c.h"
#include "rpc/text.h"

#define SNAPSHOTS "/containerd.services.snapshots.v1.Snapshots/"

typedef Containerd__Services__Snapshots__V1__PrepareSnapshotRequest prepare_request;
typedef Containerd__Services__Snapshots__V1__PrepareSnapshotResponse prepare_response;

/* Prepare or View: their messages differ by name alone, so that Prepare's serve both. */
static int begin(const struct wcow_containerd_ctx *ctx, const char *method,
                 prepare_request *request, const struct wcow_labels *labels,
                 struct wcow_mounts *ret, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_map_done) struct wcow_map map = {0};
    int r = wcow_map_of(
        labels,
        &containerd__services__snapshots__v1__prepare_snapshot_request__labels_entry__descriptor,
        &map, err);
    if (r < 0)
        return r;
    request->n_labels = map.n;
    request->labels = (void *)map.items;
    wcow_automessage *message = NULL;
    r = wcow_containerd_call(
        ctx, method, &request->base,
        &containerd__services__snapshots__v1__prepare_snapshot_response__descriptor, &message, err);
    if (r < 0)
        return r;
    const prepare_response *reply = (const void *)message;
    return wcow_mounts_of(reply->mounts, reply->n_mounts, ret, err);
}

static prepare_request request_of(const char *snapshotter, const char *key, const char *parent)
{
    prepare_request request = CONTAINERD__SERVICES__SNAPSHOTS__V1__PREPARE_SNAPSHOT_REQUEST__INIT;
    request.snapshotter = wcow_rpc_text(snapshotter);
    request.key = wcow_rpc_text(key);
    request.parent = wcow_rpc_text(parent);
    return request;
}

int wcow_snapshot_prepare(const struct wcow_containerd_ctx *ctx, const char *snapshotter,
                          const char *key, const char *parent, const struct wcow_labels *labels,
                          struct wcow_mounts *ret, struct wcow_error *err)
{
    prepare_request request = request_of(snapshotter, key, parent);
    return begin(ctx, SNAPSHOTS "Prepare", &request, labels, ret, err);
}

int wcow_snapshot_view(const struct wcow_containerd_ctx *ctx, const char *snapshotter,
                       const char *key, const char *parent, const struct wcow_labels *labels,
                       struct wcow_mounts *ret, struct wcow_error *err)
{
    prepare_request request = request_of(snapshotter, key, parent);
    return begin(ctx, SNAPSHOTS "View", &request, labels, ret, err);
}

int wcow_snapshot_mounts(const struct wcow_containerd_ctx *ctx, const char *snapshotter,
                         const char *key, struct wcow_mounts *ret, struct wcow_error *err)
{
    Containerd__Services__Snapshots__V1__MountsRequest request =
        CONTAINERD__SERVICES__SNAPSHOTS__V1__MOUNTS_REQUEST__INIT;
    request.snapshotter = wcow_rpc_text(snapshotter);
    request.key = wcow_rpc_text(key);
    wcow_automessage *message = NULL;
    int r = wcow_containerd_call(ctx, SNAPSHOTS "Mounts", &request.base,
                                 &containerd__services__snapshots__v1__mounts_response__descriptor,
                                 &message, err);
    if (r < 0)
        return r;
    const Containerd__Services__Snapshots__V1__MountsResponse *reply = (const void *)message;
    return wcow_mounts_of(reply->mounts, reply->n_mounts, ret, err);
}

int wcow_snapshot_commit(const struct wcow_containerd_ctx *ctx, const char *snapshotter,
                         const char *name, const char *key, const struct wcow_labels *labels,
                         struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_map_done) struct wcow_map map = {0};
    int r = wcow_map_of(
        labels,
        &containerd__services__snapshots__v1__commit_snapshot_request__labels_entry__descriptor,
        &map, err);
    if (r < 0)
        return r;
    Containerd__Services__Snapshots__V1__CommitSnapshotRequest request =
        CONTAINERD__SERVICES__SNAPSHOTS__V1__COMMIT_SNAPSHOT_REQUEST__INIT;
    request.snapshotter = wcow_rpc_text(snapshotter);
    request.name = wcow_rpc_text(name);
    request.key = wcow_rpc_text(key);
    request.n_labels = map.n;
    request.labels = (void *)map.items;
    return wcow_containerd_order(ctx, SNAPSHOTS "Commit", &request.base, err);
}

int wcow_snapshot_remove(const struct wcow_containerd_ctx *ctx, const char *snapshotter,
                         const char *key, struct wcow_error *err)
{
    Containerd__Services__Snapshots__V1__RemoveSnapshotRequest request =
        CONTAINERD__SERVICES__SNAPSHOTS__V1__REMOVE_SNAPSHOT_REQUEST__INIT;
    request.snapshotter = wcow_rpc_text(snapshotter);
    request.key = wcow_rpc_text(key);
    return wcow_containerd_order(ctx, SNAPSHOTS "Remove", &request.base, err);
}

void wcow_snapshot_info_done(struct wcow_snapshot_info *info)
{
    free(info->name);
    free(info->parent);
    wcow_labels_done(&info->labels);
    *info = (struct wcow_snapshot_info){0};
}

int wcow_snapshot_stat(const struct wcow_containerd_ctx *ctx, const char *snapshotter,
                       const char *key, struct wcow_snapshot_info *ret, struct wcow_error *err)
{
    Containerd__Services__Snapshots__V1__StatSnapshotRequest request =
        CONTAINERD__SERVICES__SNAPSHOTS__V1__STAT_SNAPSHOT_REQUEST__INIT;
    request.snapshotter = wcow_rpc_text(snapshotter);
    request.key = wcow_rpc_text(key);
    wcow_automessage *message = NULL;
    int r = wcow_containerd_call(
        ctx, SNAPSHOTS "Stat", &request.base,
        &containerd__services__snapshots__v1__stat_snapshot_response__descriptor, &message, err);
    if (r < 0)
        return r;
    const Containerd__Services__Snapshots__V1__Info *from =
        ((const Containerd__Services__Snapshots__V1__StatSnapshotResponse *)(const void *)message)
            ->info;
    if (!from || (int)from->kind < WCOW_SNAPSHOT_VIEW || (int)from->kind > WCOW_SNAPSHOT_COMMITTED)
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "containerd's record of snapshot %s is no record",
                         key);
    WCOW_CLEANUP(wcow_snapshot_info_done) struct wcow_snapshot_info info = {0};
    info.kind = (enum wcow_snapshot_kind)from->kind;
    r = wcow_copy(from->name, &info.name, err);
    if (r == WCOW_OK)
        r = wcow_copy(from->parent, &info.parent, err);
    if (r == WCOW_OK)
        r = wcow_labels_of((const void *)from->labels, from->n_labels, &info.labels, err);
    if (r < 0)
        return r;
    *ret = info;
    info = (struct wcow_snapshot_info){0};
    return WCOW_OK;
}
