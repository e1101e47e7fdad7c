/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/layer_blob.h"

#include <stdlib.h>

#include "containerd/content.h"
#include "differ/codec.h"

/* Counts and hashes what passes. */
struct meter {
    const struct wcow_sink *next;
    struct wcow_hash *hash;
    uint64_t count;
};

static int pass(void *ctx, const void *data, size_t len, struct wcow_error *err)
{
    struct meter *m = ctx;
    wcow_hash_add(m->hash, data, len);
    m->count += len;
    return wcow_sink_write(m->next, data, len, err);
}

/* what writes the tar -> meter of the tar -> gzip -> meter of the blob -> @p blob */
static int write_layer(wcow_layer_tar_fn fn, void *arg, const struct wcow_sink *blob,
                       struct wcow_cached_layer *ret, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_hash_free_p) struct wcow_hash *tar_hash = NULL;
    WCOW_CLEANUP(wcow_hash_free_p) struct wcow_hash *blob_hash = NULL;
    WCOW_CLEANUP(wcow_compressor_free_p) struct wcow_compressor *gzip = NULL;
    int r = wcow_hash_new(&tar_hash, err);
    if (r == WCOW_OK)
        r = wcow_hash_new(&blob_hash, err);
    struct meter blob_meter = {.next = blob, .hash = blob_hash};
    const struct wcow_sink compressed = {.write = pass, .ctx = &blob_meter};
    if (r == WCOW_OK)
        r = wcow_compressor_new(&compressed, WCOW_COMPRESSION_GZIP, 0, &gzip, err);
    if (r < 0)
        return r;
    const struct wcow_sink plain = wcow_compressor_sink(gzip);
    struct meter tar_meter = {.next = &plain, .hash = tar_hash};
    const struct wcow_sink tar = {.write = pass, .ctx = &tar_meter};
    r = fn(arg, &tar, err);
    if (r == WCOW_OK)
        r = wcow_compressor_finish(gzip, err);
    if (r == WCOW_OK)
        r = wcow_hash_digest(tar_hash, &ret->diff_id, err);
    if (r == WCOW_OK)
        r = wcow_hash_digest(blob_hash, &ret->digest, err);
    ret->tar_bytes = tar_meter.count;
    ret->size_bytes = blob_meter.count;
    return r;
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
    WCOW_CLEANUP(wcow_content_writer_free_p) struct wcow_content_writer *writer = NULL;
    int r = wcow_content_writer_open(&backend->ctx, ref, NULL, 0, &writer, err);
    if (r < 0)
        return r;
    struct wcow_cached_layer layer = {0};
    const struct wcow_sink sink = wcow_content_writer_sink(writer);
    struct wcow_labels labels = {0};
    r = write_layer(fn, arg, &sink, &layer, err);
    if (r == WCOW_OK)
        r = wcow_labels_set(&labels, "containerd.io/uncompressed", layer.diff_id.text, err);
    if (r == WCOW_OK)
        r = wcow_content_writer_commit(writer, layer.digest.text, &labels, err);
    wcow_labels_done(&labels);
    if (r < 0)
        return r;
    wcow_backend_note_kept(backend, layer.digest.text);
    *ret = layer;
    return WCOW_OK;
}
