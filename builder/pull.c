/* SPDX-License-Identifier: Apache-2.0 */
/* An image from a registry into containerd's content store: manifests and config, each with the
 * labels that keep what it refers to; layers and the image's record when they are needed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "builder/images.h"
#include "containerd/content.h"
#include "containerd/images.h"

struct puller {
    struct wcow_backend *backend;
    struct wcow_reference ref;
    const struct wcow_platform *platform;
};

static int label_source(const struct puller *p, struct wcow_labels *labels, struct wcow_error *err)
{
    wcow_autobuf key = {0};
    int r = wcow_buf_addf(&key, err, "containerd.io/distribution.source.%s", p->ref.host);
    return r < 0 ? r : wcow_labels_set(labels, (const char *)key.data, p->ref.repository, err);
}

static int label_child(struct wcow_labels *labels, const char *name, size_t index,
                       const char *digest, struct wcow_error *err)
{
    char key[80];
    (void)snprintf(key, sizeof(key), "containerd.io/gc.ref.content.%s.%zu", name, index);
    return wcow_labels_set(labels, key, digest, err);
}

/* ---- documents ---- */

static int write_document(const struct puller *p, const struct wcow_buf *data,
                          struct wcow_labels *labels, struct wcow_error *err)
{
    struct wcow_backend *b = p->backend;
    struct wcow_digest digest;
    wcow_autofree char *name = wcow_backend_name(b, "-document");
    int r = name ? label_source(p, labels, err)
                 : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a document");
    if (r == WCOW_OK)
        r = wcow_content_write_all(&b->ctx, name, data->data, data->len, labels, &digest, err);
    return r;
}

static int pull_config(const struct puller *p, const struct wcow_manifest *manifest,
                       struct wcow_error *err)
{
    wcow_autobuf data = {0};
    struct wcow_labels labels = {0};
    int r = wcow_registry_fetch_bytes(p->backend->registry, &p->ref, &manifest->config,
                                      WCOW_CONFIG_MAX_BYTES, &data, err);
    if (r == WCOW_OK)
        r = write_document(p, &data, &labels, err);
    wcow_labels_done(&labels);
    return r;
}

static int pull_manifest(const struct puller *p, const struct wcow_buf *data,
                         const char *media_type, struct wcow_error *err)
{
    wcow_auto_manifest manifest = {0};
    struct wcow_labels labels = {0};
    int r = wcow_manifest_parse(data->data, data->len, media_type, &manifest, err);
    if (r == WCOW_OK)
        r = pull_config(p, &manifest, err);
    if (r == WCOW_OK)
        r = wcow_labels_set(&labels, "containerd.io/gc.ref.content.config",
                            manifest.config.digest.text, err);
    for (size_t i = 0; r == WCOW_OK && i < manifest.layer_count; i++)
        r = label_child(&labels, "l", i, manifest.layers[i].digest.text, err);
    if (r == WCOW_OK)
        r = write_document(p, data, &labels, err);
    wcow_labels_done(&labels);
    return r;
}

static int pull_index(const struct puller *p, const struct wcow_buf *data, const char *media_type,
                      struct wcow_error *err)
{
    wcow_auto_index index = {0};
    wcow_autobuf manifest = {0};
    const struct wcow_descriptor *chosen = NULL;
    struct wcow_labels labels = {0};
    int r = wcow_index_parse(data->data, data->len, media_type, &index, err);
    if (r == WCOW_OK)
        r = wcow_index_select(&index, p->platform, &chosen, err);
    if (r != WCOW_OK)
        return r;
    struct wcow_reference ref = p->ref;
    ref.digest = chosen->digest;
    r = wcow_registry_fetch_manifest(p->backend->registry, &ref, &manifest, NULL, err);
    if (r == WCOW_OK)
        r = pull_manifest(p, &manifest, chosen->media_type, err);
    for (size_t i = 0; r == WCOW_OK && i < index.manifest_count; i++)
        r = label_child(&labels, "m", i, index.manifests[i].digest.text, err);
    if (r == WCOW_OK)
        r = write_document(p, data, &labels, err);
    wcow_labels_done(&labels);
    return r;
}

/* From here on the layers can be fetched. */
static int note_layers(const struct puller *p, const struct wcow_manifest *manifest,
                       struct wcow_error *err)
{
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < manifest->layer_count; i++)
        r = wcow_blobs_add_remote(p->backend->blobs, &manifest->layers[i], &p->ref, err);
    return r;
}

static int pull_documents(struct puller *p, struct wcow_descriptor *target, struct wcow_error *err)
{
    wcow_autobuf data = {0};
    int r = wcow_registry_fetch_manifest(p->backend->registry, &p->ref, &data, target, err);
    if (r < 0)
        return r;
    return wcow_media_is_index(target->media_type)
               ? pull_index(p, &data, target->media_type, err)
               : pull_manifest(p, &data, target->media_type, err);
}

int wcow_image_pull(struct wcow_backend *b, const char *name, const struct wcow_platform *platform,
                    struct wcow_local_image *ret, struct wcow_error *err)
{
    struct puller p = {.backend = b, .platform = platform};
    wcow_auto_descriptor target = {0};
    wcow_autofree char *copy = strdup(name);
    WCOW_CLEANUP(wcow_local_image_done) struct wcow_local_image image = {0};
    int r = copy ? wcow_reference_parse(name, &p.ref, err)
                 : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for an image");
    if (r == WCOW_OK)
        r = pull_documents(&p, &target, err);
    const struct wcow_image_record record = {.name = copy,
                                             .media_type = target.media_type,
                                             .digest = target.digest,
                                             .size_bytes = target.size_bytes};
    if (r == WCOW_OK)
        r = wcow_image_load(b, &record, platform, &image, err);
    if (r == WCOW_OK)
        r = note_layers(&p, &image.manifest, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "pull %s", name);
    *ret = image;
    ret->is_remote = true;
    image = (struct wcow_local_image){0};
    return WCOW_OK;
}

/* Two platforms of one name may be completed at once: one after the other. */
int wcow_image_complete(struct wcow_backend *b, struct wcow_local_image *image, unsigned step,
                        struct wcow_error *err)
{
    wcow_autobuf key = {0};
    WCOW_CLEANUP(wcow_key_hold_done) struct wcow_key_hold hold = {0};
    int r = wcow_buf_addf(&key, err, "complete %s", image->name);
    if (r == WCOW_OK)
        r = wcow_key_lock_hold(&b->busy, (const char *)key.data, b->cancel, &hold, err);
    if (r < 0 || !image->is_remote)
        return r;
    const struct wcow_image_record record = {.name = image->name,
                                             .media_type = image->target_type,
                                             .digest = image->target_digest,
                                             .size_bytes = image->target_bytes};
    r = wcow_blobs_fetch(b, image->manifest.layers, image->manifest.layer_count, step, err);
    if (r == WCOW_OK)
        r = wcow_image_put(&b->ctx, &record, 0, err);
    if (r == WCOW_OK)
        image->is_remote = false;
    return r < 0 ? wcow_error_wrap(r, err, "pull %s", image->name) : WCOW_OK;
}
