/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/layer_blob.h"

#include <stdlib.h>

#include "differ/blob_write.h"
#include "differ/codec.h"

/* A layer on its way: its tar is counted and hashed, the blob is hashed by containerd. */
struct layer {
    wcow_layer_tar_fn fn;
    void *arg;
    const struct wcow_sink *tar;
    struct wcow_hash *hash;
    uint64_t tar_bytes;
    struct wcow_digest diff_id;
    struct wcow_labels labels;
};

static int pass(void *ctx, const void *data, size_t len, struct wcow_error *err)
{
    struct layer *layer = ctx;
    wcow_hash_add(layer->hash, data, len);
    layer->tar_bytes += len;
    return wcow_sink_write(layer->tar, data, len, err);
}

/* what writes the tar -> its hash -> gzip -> @p blob */
static int write_layer(void *arg, const struct wcow_sink *blob, struct wcow_error *err)
{
    struct layer *layer = arg;
    WCOW_CLEANUP(wcow_compressor_free_p) struct wcow_compressor *gzip = NULL;
    int r = wcow_compressor_new(blob, WCOW_COMPRESSION_GZIP, 0, &gzip, err);
    if (r < 0)
        return r;
    const struct wcow_sink plain = wcow_compressor_sink(gzip);
    const struct wcow_sink tar = {.write = pass, .ctx = layer};
    layer->tar = &plain;
    r = layer->fn(layer->arg, &tar, err);
    if (r == WCOW_OK)
        r = wcow_compressor_finish(gzip, err);
    if (r == WCOW_OK)
        r = wcow_hash_digest(layer->hash, &layer->diff_id, err);
    return r < 0 ? r
                 : wcow_labels_set(&layer->labels, "containerd.io/uncompressed",
                                   layer->diff_id.text, err);
}

struct tree_layer {
    struct wcow_tree *tree;
    const struct wcow_layer_write *options;
    struct wcow_digest *key;
};

static int write_tree(void *arg, const struct wcow_sink *sink, struct wcow_error *err)
{
    const struct tree_layer *layer = arg;
    return wcow_layer_write(layer->tree, layer->options, sink, layer->key, err);
}

int wcow_layer_blob_write(struct wcow_backend *backend, struct wcow_tree *tree,
                          const struct wcow_layer_write *options, struct wcow_cached_layer *ret,
                          struct wcow_digest *ret_key, struct wcow_error *err)
{
    struct tree_layer layer = {.tree = tree, .options = options, .key = ret_key};
    return wcow_layer_blob_of(backend, write_tree, &layer, ret, err);
}

int wcow_layer_blob_of(struct wcow_backend *backend, wcow_layer_tar_fn fn, void *arg,
                       struct wcow_cached_layer *ret, struct wcow_error *err)
{
    wcow_autofree char *ref = wcow_backend_name(backend, "-layer");
    if (!ref)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a layer");
    struct layer layer = {.fn = fn, .arg = arg};
    struct wcow_blob_written written = {0};
    const struct wcow_blob_job job = {.ref = ref,
                                      .content_root = backend->content_root,
                                      .write = write_layer,
                                      .arg = &layer,
                                      .labels = &layer.labels};
    int r = wcow_hash_new(&layer.hash, err);
    if (r == WCOW_OK)
        r = wcow_blob_write(&backend->ctx, &job, &written, err);
    wcow_hash_free(layer.hash);
    wcow_labels_done(&layer.labels);
    if (r < 0)
        return r;
    wcow_backend_note_kept(backend, written.digest.text);
    *ret = (struct wcow_cached_layer){.diff_id = layer.diff_id,
                                      .digest = written.digest,
                                      .size_bytes = written.size_bytes,
                                      .tar_bytes = layer.tar_bytes};
    return WCOW_OK;
}
