/* SPDX-License-Identifier: Apache-2.0 */
/* Layers of an image into snapshots: Prepare, Apply, Commit, as containerd's own unpacker does it.
 */
#include <string.h>

#include "builder/images.h"
#include "containerd/content.h"
#include "containerd/leases.h"
#include "containerd/snapshots.h"

static int chain_of(const struct wcow_local_image *image, size_t count, struct wcow_digest *ret,
                    struct wcow_error *err)
{
    return wcow_image_config_chain_id(image->config, count, ret, err);
}

/* Whether there is a committed snapshot of this name: 1 or 0. */
static int is_committed(struct wcow_backend *b, const struct wcow_digest *chain_id,
                        struct wcow_error *err)
{
    struct wcow_snapshot_info info = {0};
    int r = wcow_snapshot_stat(&b->ctx, b->snapshotter, chain_id->text, &info, err);
    bool is_there = r == WCOW_OK && info.kind == WCOW_SNAPSHOT_COMMITTED;
    wcow_snapshot_info_done(&info);
    return r < 0 && r != WCOW_E_NOT_FOUND ? r : is_there;
}

/* The same, and it stays while the build lasts: another's, which nothing may keep any more, is put
 * under the build's lease, and looked for again. */
static int is_unpacked(struct wcow_backend *b, const struct wcow_digest *chain_id,
                       struct wcow_error *err)
{
    wcow_autobuf type = {0};
    int r = is_committed(b, chain_id, err);
    if (r != 1 || !b->lease)
        return r;
    r = wcow_buf_addf(&type, err, "snapshots/%s", b->snapshotter);
    if (r == WCOW_OK)
        r = wcow_lease_add_resource(&b->ctx, b->lease, (const char *)type.data, chain_id->text,
                                    err);
    return r < 0 ? r : is_committed(b, chain_id, err);
}

/* How many of the lowest layers are there already. */
static int count_unpacked(struct wcow_backend *b, const struct wcow_local_image *image, size_t *ret,
                          struct wcow_error *err)
{
    for (size_t n = image->manifest.layer_count; n > 0; n--) {
        struct wcow_digest chain_id;
        int r = chain_of(image, n, &chain_id, err);
        if (r == WCOW_OK)
            r = is_unpacked(b, &chain_id, err);
        if (r < 0)
            return r;
        if (r == 1) {
            *ret = n;
            return WCOW_OK;
        }
    }
    *ret = 0;
    return WCOW_OK;
}

static int apply(struct wcow_backend *b, const struct wcow_local_image *image, size_t i,
                 const struct wcow_mounts *mounts, struct wcow_error *err)
{
    const struct wcow_descriptor *layer = &image->manifest.layers[i];
    const char *wanted = wcow_image_config_diff_id(image->config, i);
    const struct wcow_descriptor_ref ref = {
        .media_type = layer->media_type, .digest = layer->digest, .size_bytes = layer->size_bytes};
    struct wcow_digest diff_id;
    struct wcow_error why = {0};
    int r = wcow_diff_apply(&b->ctx, &ref, mounts, &diff_id, &why);
    /* containerd's own differ came to it, and tried to mount what is no file system here. */
    if (r < 0 && strstr(why.msg, "windows-layer"))
        return WCOW_FAIL(err, WCOW_E_PRECONDITION,
                         "layer %s cannot be unpacked: containerd's diff service does not ask "
                         "wcowd's differ first; register it ([proxy_plugins.wcow-diff], and before "
                         "walking in the diff-service's default)",
                         layer->digest.text);
    if (r < 0 && err)
        *err = why;
    if (r < 0)
        return wcow_error_wrap(r, err, "unpack layer %s", layer->digest.text);
    if (strcmp(diff_id.text, wanted) != 0)
        return WCOW_FAIL(err, WCOW_E_DATA_LOSS, "layer %s unpacks to %s, but its image says %s",
                         layer->digest.text, diff_id.text, wanted);
    return WCOW_OK;
}

static int commit(struct wcow_backend *b, const char *name, const char *key,
                  const struct wcow_labels *labels, struct wcow_error *err)
{
    const struct wcow_containerd_ctx ctx = wcow_backend_uncancelled(b);
    int r = wcow_snapshot_commit(&ctx, b->snapshotter, name, key, labels, err);
    if (r != WCOW_E_EXISTS)
        return r;
    /* Somebody else unpacked the same meanwhile. */
    return wcow_snapshot_remove(&ctx, b->snapshotter, key, err);
}

static int unpack_missing(struct wcow_backend *b, const struct wcow_local_image *image, size_t i,
                          const struct wcow_digest *chain_id, const struct wcow_digest *parent,
                          struct wcow_error *err)
{
    wcow_autobuf key = {0};
    struct wcow_labels labels = {0};
    struct wcow_mounts mounts = {0};
    const struct wcow_containerd_ctx ctx = wcow_backend_uncancelled(b);
    int r = wcow_buf_addf(&key, err, "extract-%s-%zu %s", b->unique, i, chain_id->text);
    if (r == WCOW_OK)
        r = wcow_labels_set(&labels, "containerd.io/snapshot.ref", chain_id->text, err);
    if (r == WCOW_OK)
        r = wcow_snapshot_prepare(&ctx, b->snapshotter, (const char *)key.data, parent->text,
                                  &labels, &mounts, err);
    if (r == WCOW_OK) {
        r = apply(b, image, i, &mounts, err);
        if (r == WCOW_OK)
            r = commit(b, chain_id->text, (const char *)key.data, &labels, err);
        if (r < 0)
            (void)!wcow_snapshot_remove(&ctx, b->snapshotter, (const char *)key.data, NULL);
    } else if (r == WCOW_E_EXISTS) {
        r = WCOW_OK; /* a snapshotter that knew the reference */
    }
    wcow_mounts_done(&mounts);
    wcow_labels_done(&labels);
    return r;
}

static int unpack_layer(struct wcow_backend *b, const struct wcow_local_image *image, size_t i,
                        unsigned step, struct wcow_error *err)
{
    struct wcow_digest chain_id;
    struct wcow_digest parent = {0};
    WCOW_CLEANUP(wcow_key_hold_done) struct wcow_key_hold hold = {0};
    wcow_autobuf key = {0};
    int r = chain_of(image, i + 1, &chain_id, err);
    if (r == WCOW_OK && i > 0)
        r = chain_of(image, i, &parent, err);
    if (r == WCOW_OK)
        r = wcow_buf_addf(&key, err, "unpack %s", chain_id.text);
    if (r == WCOW_OK)
        r = wcow_key_lock_hold(&b->busy, (const char *)key.data, b->cancel, &hold, err);
    if (r == WCOW_OK)
        r = is_unpacked(b, &chain_id, err); /* by another stage, meanwhile */
    if (r != 0)
        return r < 0 ? r : WCOW_OK;
    r = wcow_blob_fetch(b, &image->manifest.layers[i], step, err);
    return r < 0 ? r : unpack_missing(b, image, i, &chain_id, &parent, err);
}

/* The config keeps the snapshots from being collected, and the layer tells its diff ID. */
static int label_blobs(struct wcow_backend *b, const struct wcow_local_image *image,
                       struct wcow_error *err)
{
    struct wcow_digest chain_id;
    struct wcow_labels labels = {0};
    wcow_autobuf key = {0};
    int r = chain_of(image, image->manifest.layer_count, &chain_id, err);
    if (r == WCOW_OK)
        r = wcow_buf_addf(&key, err, "containerd.io/gc.ref.snapshot.%s", b->snapshotter);
    if (r == WCOW_OK)
        r = wcow_labels_set(&labels, (const char *)key.data, chain_id.text, err);
    if (r == WCOW_OK)
        r = wcow_content_label(&b->ctx, image->manifest.config.digest.text, &labels, err);
    wcow_labels_done(&labels);
    for (size_t i = 0; r == WCOW_OK && i < image->manifest.layer_count; i++) {
        struct wcow_labels layer = {0};
        r = wcow_labels_set(&layer, "containerd.io/uncompressed",
                            wcow_image_config_diff_id(image->config, i), err);
        if (r == WCOW_OK)
            r = wcow_content_label(&b->ctx, image->manifest.layers[i].digest.text, &layer, err);
        wcow_labels_done(&layer);
        if (r == WCOW_E_NOT_FOUND) /* unpacked once, its blob gone since */
            r = WCOW_OK;
    }
    return r;
}

/* Whether the config holds the snapshots already: 1 or 0. */
static int is_labelled(struct wcow_backend *b, const struct wcow_local_image *image,
                       struct wcow_error *err)
{
    struct wcow_content_info info = {0};
    wcow_autobuf key = {0};
    int r = wcow_buf_addf(&key, err, "containerd.io/gc.ref.snapshot.%s", b->snapshotter);
    if (r == WCOW_OK)
        r = wcow_content_info(&b->ctx, image->manifest.config.digest.text, &info, err);
    bool is = r == WCOW_OK && wcow_labels_get(&info.labels, (const char *)key.data);
    wcow_content_info_done(&info);
    return r < 0 ? r : is;
}

int wcow_image_unpack_layers(struct wcow_backend *b, const struct wcow_local_image *image,
                             unsigned step, struct wcow_error *err)
{
    size_t n = image->manifest.layer_count;
    size_t there = 0;
    int r = count_unpacked(b, image, &there, err);
    if (r < 0 || there == n)
        return r;
    for (size_t i = there; r == WCOW_OK && i < n; i++) {
        wcow_autobuf id = {0};
        const struct wcow_descriptor *layer = &image->manifest.layers[i];
        r = wcow_buf_addf(&id, err, "extracting %s", layer->digest.text);
        if (r < 0)
            return r;
        wcow_progress_status(b->progress, step, (const char *)id.data, 0, 0, false);
        r = unpack_layer(b, image, i, step, err);
        if (r == WCOW_OK)
            wcow_progress_status(b->progress, step, (const char *)id.data, 0, 0, true);
    }
    return r;
}

int wcow_image_unpack(struct wcow_backend *b, const struct wcow_local_image *image, unsigned step,
                      struct wcow_error *err)
{
    int r = wcow_image_unpack_layers(b, image, step, err);
    if (r == WCOW_OK)
        r = is_labelled(b, image, err);
    return r != 0 ? (r < 0 ? r : WCOW_OK) : label_blobs(b, image, err);
}

int wcow_image_is_unpacked(struct wcow_backend *b, const struct wcow_local_image *image,
                           struct wcow_error *err)
{
    struct wcow_digest chain_id;
    int r = chain_of(image, image->manifest.layer_count, &chain_id, err);
    return r < 0 ? r : is_unpacked(b, &chain_id, err);
}
