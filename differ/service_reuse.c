/* SPDX-License-Identifier: Apache-2.0 */
/* A layer that nobody changed leaves as the blob it came as, where containerd still has that: the
 * registry has it too, and nothing needs to be compressed, stored and pushed a second time. The
 * folder is read and hashed all the same, so that a damaged one is told. */
#include <string.h>

#include "base/beneath.h"
#include "containerd/content.h"
#include "containerd/leases.h"
#include "differ/chain.h"
#include "differ/service_internal.h"

/* The index's word on where the layer came from; 1, or 0 where it has none. */
static int read_origin(const char *folder, struct wcow_layer_origin *ret, struct wcow_error *err)
{
    wcow_autoclose int fd = -1;
    WCOW_CLEANUP(wcow_layer_index_close_p) struct wcow_layer_index *index = NULL;
    int r = wcow_layer_folder_open(folder, &fd, err);
    if (r < 0)
        return r;
    struct wcow_error why = {0};
    r = wcow_layer_index_open(fd, &index, &why);
    if (r < 0) /* a folder to walk, or an index that the export will complain about */
        return 0;
    *ret = wcow_layer_index_info(index)->origin;
    return ret->blob.text[0] ? 1 : 0;
}

/* Hold the blob under the call's lease, then see whether it is there: in this order, or it could go
 * between. Whatever fails here, the blob is written anew. */
static bool hold_blob(const struct wcow_containerd_ctx *ctx, const struct wcow_layer_origin *origin)
{
    struct wcow_error ignored = {0};
    WCOW_CLEANUP(wcow_content_info_done) struct wcow_content_info info = {0};
    if (wcow_lease_add_resource(ctx, ctx->lease, "content", origin->blob.text, &ignored) < 0)
        return false;
    if (wcow_content_info(ctx, origin->blob.text, &info, &ignored) == WCOW_OK &&
        info.size_bytes == origin->bytes)
        return true;
    (void)!wcow_lease_delete_resource(ctx, ctx->lease, "content", origin->blob.text, &ignored);
    return false;
}

static int to_nowhere(void *ctx, const void *data, size_t len, struct wcow_error *err)
{
    (void)ctx;
    (void)data;
    (void)len;
    (void)err;
    return WCOW_OK;
}

int wcow_differ_reuse(const struct wcow_containerd_ctx *ctx, const struct wcow_compare_options *o,
                      enum wcow_compression compression, struct wcow_layer_origin *ret,
                      struct wcow_digest *ret_diff_id, struct wcow_error *err)
{
    struct wcow_layer_origin origin = {0};
    int r = read_origin(o->folder, &origin, err);
    if (r <= 0)
        return r;
    if (strcmp(origin.compression, wcow_compression_name(compression)) != 0 ||
        !hold_blob(ctx, &origin))
        return 0;
    const struct wcow_sink nowhere = {.write = to_nowhere};
    uint64_t tar_bytes = 0;
    r = wcow_compare(o, &nowhere, ret_diff_id, &tar_bytes, err);
    if (r < 0)
        return r;
    *ret = origin;
    return 1;
}
