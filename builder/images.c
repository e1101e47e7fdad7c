/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/images.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "builder/json_text.h"
#include "containerd/content.h"
#include "containerd/images.h"
#include "containerd/snapshots.h"

void wcow_local_image_done(struct wcow_local_image *image)
{
    free(image->name);
    wcow_manifest_done(&image->manifest);
    wcow_image_config_free(image->config);
    wcow_str_list_done(&image->folders);
    wcow_layer_source_free(image->files);
    *image = (struct wcow_local_image){0};
}

bool wcow_image_is_foreign(const struct wcow_local_image *image)
{
    return strcmp(wcow_image_config_platform(image->config).os, "windows") != 0;
}

/* ---- finding ---- */

/* The manifest for the platform: the document itself, or that which an index names. */
static int select_manifest(struct wcow_backend *b, const struct wcow_image_record *record,
                           const struct wcow_platform *platform, struct wcow_local_image *image,
                           struct wcow_error *err)
{
    wcow_autobuf data = {0};
    int r = wcow_content_read_local(&b->ctx, b->content_root, record->digest.text,
                                    WCOW_MANIFEST_MAX_BYTES, &data, err);
    if (r < 0)
        return r;
    image->manifest_digest = record->digest;
    if (!wcow_media_is_index(record->media_type))
        return wcow_manifest_parse(data.data, data.len, record->media_type, &image->manifest, err);
    wcow_auto_index index = {0};
    const struct wcow_descriptor *chosen = NULL;
    r = wcow_index_parse(data.data, data.len, record->media_type, &index, err);
    if (r == WCOW_OK)
        r = wcow_index_select(&index, platform, &chosen, err);
    if (r != WCOW_OK)
        return r;
    image->manifest_digest = chosen->digest;
    wcow_autobuf manifest = {0};
    r = wcow_content_read_local(&b->ctx, b->content_root, chosen->digest.text,
                                WCOW_MANIFEST_MAX_BYTES, &manifest, err);
    if (r == WCOW_OK)
        r = wcow_manifest_parse(manifest.data, manifest.len, chosen->media_type, &image->manifest,
                                err);
    return r;
}

static int load_config(struct wcow_backend *b, struct wcow_local_image *image,
                       struct wcow_error *err)
{
    wcow_autobuf data = {0};
    int r = wcow_content_read_local(&b->ctx, b->content_root, image->manifest.config.digest.text,
                                    WCOW_CONFIG_MAX_BYTES, &data, err);
    if (r == WCOW_OK)
        r = wcow_image_config_parse(data.data, data.len, &image->config, err);
    if (r < 0)
        return r;
    if (wcow_image_config_diff_id_count(image->config) != image->manifest.layer_count)
        return WCOW_FAIL(
            err, WCOW_E_CORRUPT, "the manifest has %zu layers, the config %zu diff IDs",
            image->manifest.layer_count, wcow_image_config_diff_id_count(image->config));
    return WCOW_OK;
}

static int check_platform(const struct wcow_local_image *image,
                          const struct wcow_platform *platform, struct wcow_error *err)
{
    struct wcow_platform has = wcow_image_config_platform(image->config);
    /* One for another system gives files at least: whoever asks sees what it is for. */
    bool is_foreign = has.os[0] && strcmp(has.os, "windows") != 0;
    if (is_foreign || wcow_platform_matches(platform, &has))
        return WCOW_OK;
    wcow_autobuf wanted = {0};
    wcow_autobuf is = {0};
    if (wcow_platform_format(platform, &wanted, err) < 0 ||
        wcow_platform_format(&has, &is, err) < 0)
        return WCOW_E_NOMEM;
    return WCOW_FAIL(err, WCOW_E_NOT_FOUND, "%s is an image for %s, not for %s", image->name,
                     (const char *)is.data, (const char *)wanted.data);
}

int wcow_image_load(struct wcow_backend *b, const struct wcow_image_record *record,
                    const struct wcow_platform *platform, struct wcow_local_image *ret,
                    struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_local_image_done) struct wcow_local_image image = {0};
    image.name = strdup(record->name);
    image.target_digest = record->digest;
    image.target_bytes = record->size_bytes;
    (void)snprintf(image.target_type, sizeof(image.target_type), "%s", record->media_type);
    int r = image.name ? wcow_reference_parse(record->name, &image.ref, err)
                       : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for an image");
    if (r == WCOW_OK)
        r = select_manifest(b, record, platform, &image, err);
    if (r == WCOW_OK)
        r = load_config(b, &image, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "image %s", record->name);
    r = check_platform(&image, platform, err);
    if (r < 0)
        return r;
    *ret = image;
    image = (struct wcow_local_image){0};
    return WCOW_OK;
}

int wcow_image_find_record(struct wcow_backend *b, const char *name, struct wcow_image_record *ret,
                           struct wcow_error *err)
{
    wcow_autofree char *full = NULL;
    int r = wcow_image_get(&b->ctx, name, ret, err);
    if (r != WCOW_E_NOT_FOUND || wcow_reference_full_name(name, &full, NULL) < 0 ||
        strcmp(full, name) == 0)
        return r;
    struct wcow_error why = {0};
    int second = wcow_image_get(&b->ctx, full, ret, &why);
    if (second < 0 && second != WCOW_E_NOT_FOUND)
        return WCOW_FAIL(err, second, "%s", why.msg);
    return second < 0 ? r : second;
}

int wcow_image_find(struct wcow_backend *b, const char *name, const struct wcow_platform *platform,
                    struct wcow_local_image *ret, struct wcow_error *err)
{
    struct wcow_image_record record = {0};
    int r = wcow_image_find_record(b, name, &record, err);
    if (r == WCOW_OK)
        r = wcow_image_load(b, &record, platform, ret, err);
    wcow_image_record_done(&record);
    return r;
}

/* ---- folders ---- */

void wcow_layer_sources_done(struct wcow_layer_sources *sources)
{
    for (size_t i = 0; i < sources->n; i++)
        wcow_layer_source_free(sources->items[i]);
    free(sources->items);
    *sources = (struct wcow_layer_sources){0};
}

int wcow_layer_sources_add(struct wcow_layer_sources *sources, struct wcow_layer_source *source,
                           struct wcow_error *err)
{
    struct wcow_layer_source **grown =
        reallocarray(sources->items, sources->n + 1, sizeof(struct wcow_layer_source *));
    if (!grown)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for layers");
    sources->items = grown;
    sources->items[sources->n++] = source;
    return WCOW_OK;
}

int wcow_layer_sources_open(struct wcow_layer_sources *owner, const struct wcow_str_list *folders,
                            struct wcow_layers *layers, struct wcow_error *err)
{
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < folders->count; i++) {
        WCOW_CLEANUP(wcow_layer_source_free_p) struct wcow_layer_source *source = NULL;
        r = wcow_layer_source_open(folders->items[i], &source, err);
        if (r == WCOW_OK)
            r = wcow_layer_sources_add(owner, source, err);
        if (r == WCOW_OK)
            r = wcow_layers_push(layers, WCOW_TAKE_PTR(source), err);
    }
    return r;
}

static int share(struct wcow_layer_sources *owner, struct wcow_layer_source *source,
                 struct wcow_layers *layers, struct wcow_error *err)
{
    if (source->tree)
        return wcow_layers_push(layers, source, err);
    WCOW_CLEANUP(wcow_layer_source_free_p) struct wcow_layer_source *again = NULL;
    int r = wcow_layer_source_reopen(source, &again, err);
    if (r == WCOW_OK)
        r = wcow_layer_sources_add(owner, again, err);
    return r < 0 ? r : wcow_layers_push(layers, WCOW_TAKE_PTR(again), err);
}

int wcow_layer_sources_share(struct wcow_layer_sources *owner, const struct wcow_layers *from,
                             struct wcow_layers *layers, struct wcow_error *err)
{
    int r = WCOW_OK;
    layers->is_foreign = from->is_foreign;
    for (size_t i = 0; r == WCOW_OK && i < from->n; i++)
        r = share(owner, from->sources[i], layers, err);
    return r;
}

int wcow_mounts_parents(const struct wcow_mounts *mounts, struct wcow_str_list *ret,
                        struct wcow_error *err)
{
    static const char option[] = "parentLayerPaths=";
    for (size_t i = 0; mounts->n == 1 && i < mounts->items[0].n_options; i++) {
        const char *text = mounts->items[0].options[i];
        if (strncmp(text, option, sizeof(option) - 1) == 0)
            return wcow_json_text_list(text + sizeof(option) - 1, ret, err);
    }
    return WCOW_FAIL(err, WCOW_E_PRECONDITION,
                     "the snapshotter gave no windows-layer mount with parentLayerPaths; is "
                     "--snapshotter wcow's?");
}

int wcow_image_folders(struct wcow_backend *b, const struct wcow_local_image *image, size_t skip,
                       struct wcow_str_list *ret, struct wcow_error *err)
{
    struct wcow_digest chain_id;
    int r = wcow_image_config_chain_id(image->config, image->manifest.layer_count, &chain_id, err);
    if (r < 0)
        return r;
    /* A view holds the folders for as long as the build looks at them. */
    wcow_autofree char *key = wcow_backend_name(b, "-view");
    if (!key)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a snapshot's key");
    struct wcow_labels labels = {0};
    struct wcow_mounts mounts = {0};
    wcow_auto_str_list paths = {0};
    const struct wcow_containerd_ctx ctx = wcow_backend_uncancelled(b);
    r = wcow_labels_set(&labels, "containerd.io/snapshot/wcow.mount-type", "windows-layer", err);
    if (r == WCOW_OK)
        r = wcow_snapshot_view(&ctx, b->snapshotter, key, chain_id.text, &labels, &mounts, err);
    wcow_labels_done(&labels);
    if (r == WCOW_OK)
        r = wcow_backend_keep_view(b, key, err);
    if (r == WCOW_OK)
        r = wcow_mounts_parents(&mounts, &paths, err);
    wcow_mounts_done(&mounts);
    for (size_t i = paths.count > skip ? paths.count - skip : 0; r == WCOW_OK && i > 0; i--)
        r = wcow_str_list_add(ret, paths.items[i - 1], err);
    return r;
}
