/* SPDX-License-Identifier: Apache-2.0 */

#include "containerd/content.h"
#include "differ/apply.h"
#include "differ/peeked.h"
#include "differ/service_internal.h"

static int apply_blob(struct wcow_differ_service *s, const struct wcow_containerd_ctx *ctx,
                      const Containerd__Services__Diff__V1__ApplyRequest *q,
                      struct wcow_apply_options *o, struct wcow_applied *ret,
                      struct wcow_error *err)
{
    bool detect = false;
    int r = wcow_compression_of_media_type(q->diff->media_type, &o->compression, &detect, err);
    if (r < 0)
        return r;
    if (!wcow_digest_is_valid(q->diff->digest) || q->diff->size < 0)
        return WCOW_FAIL(err, WCOW_E_INVALID, "\"%s\" is no sha256 digest of a layer",
                         q->diff->digest);
    WCOW_CLEANUP(wcow_content_reader_free_p) struct wcow_content_reader *reader = NULL;
    r = wcow_content_reader_open(ctx, wcow_differ_content_root(s, ctx), q->diff->digest,
                                 (uint64_t)q->diff->size, &reader, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "layer %s", q->diff->digest);
    struct wcow_peeked peeked = {.bytes = wcow_content_reader_helped_source(reader)};
    const struct wcow_source source = wcow_peeked_source(&peeked);
    r = detect ? wcow_peeked_compression(&peeked, &o->compression, err) : WCOW_OK;
    o->blob = &source;
    o->blob_digest = q->diff->digest;
    o->blob_bytes = (uint64_t)q->diff->size;
    if (r == WCOW_OK)
        r = wcow_apply(o, ret, err);
    o->blob = NULL;
    o->blob_digest = NULL;
    /* UNIMPLEMENTED would send containerd on to another differ, and the reason would be lost. */
    if (r == WCOW_E_UNSUPPORTED) {
        r = WCOW_E_INVALID;
        err->code = r;
    }
    return r < 0 ? wcow_error_wrap(r, err, "layer %s", q->diff->digest) : r;
}

static int apply(struct wcow_differ_service *s, struct wcow_rpc_call *call,
                 struct wcow_applied *ret, struct wcow_error *err)
{
    const Containerd__Services__Diff__V1__ApplyRequest *q =
        (const void *)wcow_rpc_call_request(call);
    if (!q->diff)
        return WCOW_FAIL(err, WCOW_E_INVALID, "the request names no layer");
    struct wcow_mounts mounts = {0};
    wcow_autoside side = {0};
    int r = wcow_differ_take_mounts(q->mounts, q->n_mounts, &mounts, err);
    if (r == WCOW_OK)
        r = wcow_mounts_resolve(&mounts, &side, err);
    free(mounts.items);
    if (r < 0)
        return r;
    if (side.is_read_only)
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "a layer cannot be unpacked onto a read-only mount; prepare a snapshot");
    wcow_autofree char *ns = NULL;
    r = wcow_differ_namespace(s, call, side.layer, &ns, err);
    if (r < 0)
        return r;
    struct wcow_containerd_ctx ctx = {
        .client = s->options.containerd, .ns = ns, .cancel = wcow_rpc_call_cancelled(call)};
    struct wcow_apply_options options = {.folder = side.layer,
                                         .parents = (const char *const *)side.parents,
                                         .n_parents = side.n_parents,
                                         .limits = &s->options.limits,
                                         .max_ratio = s->options.max_ratio,
                                         .need_parents = !s->options.allow_missing_parents,
                                         .sync = q->sync_fs,
                                         .cancel = ctx.cancel};
    r = wcow_gate_enter(&s->gate, WCOW_DIFFER_APPLY_WEIGHT, ctx.cancel, err);
    if (r < 0)
        return r;
    r = apply_blob(s, &ctx, q, &options, ret, err);
    wcow_gate_leave(&s->gate, WCOW_DIFFER_APPLY_WEIGHT);
    return r;
}

void wcow_differ_handle_apply(struct wcow_rpc_call *call, void *service)
{
    struct wcow_error err = {0};
    struct wcow_applied applied = {0};
    int r = apply(service, call, &applied, &err);
    Containerd__Services__Diff__V1__ApplyResponse reply =
        CONTAINERD__SERVICES__DIFF__V1__APPLY_RESPONSE__INIT;
    Containerd__Types__Descriptor layer = CONTAINERD__TYPES__DESCRIPTOR__INIT;
    static char media_type[] = WCOW_MEDIA_TAR;
    layer.media_type = media_type;
    layer.digest = applied.diff_id.text;
    layer.size = (int64_t)applied.tar_bytes;
    reply.applied = &layer;
    wcow_rpc_call_finish(call, r == WCOW_OK ? &reply.base : NULL, r, &err);
}
