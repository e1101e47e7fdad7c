/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "containerd/internal.h"
#include "containerd/mounts.h"
#include "containerd/snapshots.h"
#include "proto/diff.pb-c.h"
#include "rpc/text.h"

#define DIFF "/containerd.services.diff.v1.Diff/"

typedef Containerd__Services__Diff__V1__ApplyRequest apply_request;
typedef Containerd__Services__Diff__V1__ApplyResponse apply_response;
typedef Containerd__Services__Diff__V1__DiffRequest diff_request;
typedef Containerd__Services__Diff__V1__DiffResponse diff_response;

static int digest_of(const Containerd__Types__Descriptor *descriptor, struct wcow_digest *ret,
                     struct wcow_error *err)
{
    if (!descriptor || !wcow_digest_is_valid(descriptor->digest) || descriptor->size < 0)
        return WCOW_FAIL(err, WCOW_E_CORRUPT,
                         "containerd's diff service answered without a digest");
    (void)snprintf(ret->text, sizeof(ret->text), "%s", descriptor->digest);
    return WCOW_OK;
}

int wcow_diff_apply(const struct wcow_containerd_ctx *ctx, const struct wcow_descriptor_ref *layer,
                    const struct wcow_mounts *mounts, struct wcow_digest *ret_diff_id,
                    struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_mount_list_done) struct wcow_mount_list list = {0};
    int r = wcow_mount_list_of(mounts, &list, err);
    if (r < 0)
        return r;
    Containerd__Types__Descriptor descriptor = CONTAINERD__TYPES__DESCRIPTOR__INIT;
    descriptor.media_type = wcow_rpc_text(layer->media_type);
    descriptor.digest = wcow_rpc_text(layer->digest.text);
    descriptor.size = (int64_t)layer->size_bytes;
    apply_request request = CONTAINERD__SERVICES__DIFF__V1__APPLY_REQUEST__INIT;
    request.diff = &descriptor;
    request.mounts = list.items;
    request.n_mounts = list.n;
    wcow_automessage *message = NULL;
    r = wcow_containerd_call(ctx, DIFF "Apply", &request.base,
                             &containerd__services__diff__v1__apply_response__descriptor, &message,
                             err);
    if (r < 0)
        return r;
    return digest_of(((const apply_response *)(const void *)message)->applied, ret_diff_id, err);
}

int wcow_diff_create(const struct wcow_containerd_ctx *ctx, const struct wcow_mounts *lower,
                     const struct wcow_mounts *upper, const char *media_type, const char *ref,
                     struct wcow_descriptor_ref *ret, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_mount_list_done) struct wcow_mount_list left = {0};
    WCOW_CLEANUP(wcow_mount_list_done) struct wcow_mount_list right = {0};
    int r = wcow_mount_list_of(lower, &left, err);
    if (r == WCOW_OK)
        r = wcow_mount_list_of(upper, &right, err);
    if (r < 0)
        return r;
    diff_request request = CONTAINERD__SERVICES__DIFF__V1__DIFF_REQUEST__INIT;
    request.left = left.items;
    request.n_left = left.n;
    request.right = right.items;
    request.n_right = right.n;
    request.media_type = wcow_rpc_text(media_type);
    request.ref = wcow_rpc_text(ref);
    wcow_automessage *message = NULL;
    r = wcow_containerd_call(ctx, DIFF "Diff", &request.base,
                             &containerd__services__diff__v1__diff_response__descriptor, &message,
                             err);
    if (r < 0)
        return r;
    const diff_response *reply = (const void *)message;
    struct wcow_digest digest;
    r = digest_of(reply->diff, &digest, err);
    if (r < 0)
        return r;
    ret->digest = digest;
    ret->size_bytes = (uint64_t)reply->diff->size;
    return WCOW_OK;
}
