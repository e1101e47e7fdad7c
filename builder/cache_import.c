/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/cache_import.h"

#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "builder/name_table.h"
#include "image/cache_config.h"
#include "image/config.h"
#include "image/file.h"
#include "image/manifest.h"

#define UNCOMPRESSED "containerd.io/uncompressed"

struct item {
    struct wcow_digest key;
    struct wcow_imported imported;
    char *text;
};

struct wcow_cache_imports {
    struct item **items;
    size_t n;
    struct wcow_name_table by_key;
    struct wcow_name_table by_shape;
};

int wcow_cache_imports_new(struct wcow_cache_imports **ret, struct wcow_error *err)
{
    *ret = calloc(1, sizeof(**ret));
    return *ret ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a build cache");
}

static void item_free(struct item *item)
{
    if (item)
        free(item->text);
    free(item);
}
WCOW_DEFINE_CLEANUP(struct item, item_free)

void wcow_cache_imports_free(struct wcow_cache_imports *imports)
{
    if (!imports)
        return;
    wcow_name_table_done(&imports->by_key);
    wcow_name_table_done(&imports->by_shape);
    for (size_t i = 0; i < imports->n; i++)
        item_free(imports->items[i]);
    free(imports->items);
    free(imports);
}

const struct wcow_imported *wcow_cache_imported(const struct wcow_cache_imports *imports,
                                                const struct wcow_digest *key)
{
    const struct item *item = wcow_name_table_get(&imports->by_key, key->text);
    return item ? &item->imported : NULL;
}

void wcow_cache_imported_each(const struct wcow_cache_imports *imports,
                              const struct wcow_digest *digest, wcow_imported_fn fn, void *arg)
{
    for (size_t i = 0; i < imports->n; i++) {
        const struct item *item = imports->items[i];
        if (strcmp(item->imported.layer.digest.text, digest->text) == 0)
            fn(arg, &item->key, &item->imported);
    }
}

bool wcow_cache_imported_shape(const struct wcow_cache_imports *imports,
                               const struct wcow_digest *shape)
{
    return wcow_name_table_get(&imports->by_shape, shape->text) != NULL;
}

/* ---- records ---- */

/* What is imported first stays. */
static int add_item(struct wcow_cache_imports *imports, struct item *taken, struct wcow_error *err)
{
    WCOW_CLEANUP(item_free_p) struct item *item = taken;
    if (wcow_name_table_get(&imports->by_key, item->key.text))
        return WCOW_OK;
    struct item **grown = reallocarray(imports->items, imports->n + 1, sizeof(struct item *));
    if (!grown)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a build cache");
    imports->items = grown;
    struct item *kept = grown[imports->n++] = WCOW_TAKE_PTR(item);
    int r = wcow_name_table_add(&imports->by_key, kept->key.text, kept, err);
    const char *shape = kept->imported.shape.text;
    if (r == WCOW_OK && *shape && !wcow_name_table_get(&imports->by_shape, shape))
        r = wcow_name_table_add(&imports->by_shape, shape, kept, err);
    return r;
}

/* Layers as the manifest has them, in the numbering of the records. */
struct layers {
    struct wcow_cached_layer *items;
    size_t n;
};

static void layers_done(struct layers *layers)
{
    free(layers->items);
}

static int add_record(struct wcow_cache_imports *imports, const struct wcow_cache_record *record,
                      const struct layers *layers, struct wcow_error *err)
{
    bool has_layer = record->layer != WCOW_CACHE_NONE && layers->items[record->layer].size_bytes;
    if (!has_layer && !record->is_empty && !record->text)
        return WCOW_OK; /* a key alone */
    WCOW_CLEANUP(item_free_p) struct item *item = calloc(1, sizeof(*item));
    if (!item)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a build cache");
    item->key = record->digest;
    item->imported.shape = record->shape;
    int r = WCOW_OK;
    if (has_layer) {
        item->imported.layer = layers->items[record->layer];
        item->imported.layer.tar_bytes = record->tar_bytes;
        if (record->created_s)
            item->imported.layer.created_s = record->created_s;
    } else if (record->is_empty) {
        r = wcow_digest_of("", 0, &item->imported.layer.digest, err);
        item->imported.layer.diff_id = item->imported.layer.digest;
    }
    if (r == WCOW_OK && record->text) {
        item->text = strdup(record->text);
        item->imported.text = item->text;
        if (!item->text)
            r = WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a build cache");
    }
    return r < 0 ? r : add_item(imports, WCOW_TAKE_PTR(item), err);
}

static int add_records(struct wcow_cache_imports *imports, const struct wcow_cache_config *config,
                       const struct layers *layers, struct wcow_error *err)
{
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < config->n_records; i++)
        r = add_record(imports, &config->records[i], layers, err);
    return r;
}

/* ---- documents ---- */

/* One cache being read. */
struct reading {
    struct wcow_cache_imports *imports;
    struct wcow_backend *backend;
    const struct wcow_cache_place *place;
};

static int read_file_blob(const struct reading *r, const struct wcow_digest *digest,
                          size_t max_bytes, struct wcow_buf *out, struct wcow_error *err)
{
    wcow_autobuf path = {0};
    struct wcow_digest is;
    int code = wcow_buf_addf(&path, err, "%s/blobs/sha256/%s", r->place->folder,
                             digest->text + strlen("sha256:"));
    if (code == WCOW_OK)
        code = wcow_file_read((const char *)path.data, max_bytes, out, err);
    if (code == WCOW_OK)
        code = wcow_digest_of(out->data, out->len, &is, err);
    if (code == WCOW_OK && strcmp(is.text, digest->text) != 0)
        code = WCOW_FAIL(err, WCOW_E_DATA_LOSS, "%s has other bytes than its name says",
                         (const char *)path.data);
    return code;
}

static int read_blob(const struct reading *r, const struct wcow_descriptor *desc, size_t max_bytes,
                     struct wcow_buf *out, struct wcow_error *err)
{
    if (r->place->folder)
        return read_file_blob(r, &desc->digest, max_bytes, out, err);
    return wcow_registry_fetch_bytes(r->backend->registry, &r->place->ref, desc, max_bytes, out,
                                     err);
}

static int read_manifest(const struct reading *r, const struct wcow_digest *digest,
                         struct wcow_buf *out, struct wcow_error *err)
{
    if (r->place->folder && digest)
        return read_file_blob(r, digest, WCOW_MANIFEST_MAX_BYTES, out, err);
    struct wcow_reference ref = r->place->ref;
    if (digest)
        ref.digest = *digest;
    return wcow_registry_fetch_manifest(r->backend->registry, &ref, out, NULL, err);
}

/* ---- layers ---- */

static int add_place(const struct reading *r, const struct wcow_descriptor *desc,
                     struct wcow_error *err)
{
    return r->place->folder ? wcow_blobs_add_folder(r->backend->blobs, desc, r->place->folder, err)
                            : wcow_blobs_add_remote(r->backend->blobs, desc, &r->place->ref, err);
}

static bool is_usable(const char *media_type)
{
    return strcmp(media_type, WCOW_MEDIA_OCI_LAYER_GZIP) == 0 ||
           strcmp(media_type, WCOW_MEDIA_DOCKER_LAYER_GZIP) == 0;
}

static void set_diff_id(struct wcow_cached_layer *layer, const char *text)
{
    if (text && wcow_digest_is_valid(text))
        memcpy(layer->diff_id.text, text, sizeof(layer->diff_id.text));
}

/* Of one layer of the config, whose descriptor is among @p descs. One that is not, or is of a kind
 * that no step here comes to, stays without a size. */
static int take_layer(const struct reading *r, const struct wcow_cache_layer *told,
                      const struct wcow_descriptor *descs, size_t n, struct wcow_cached_layer *ret,
                      struct wcow_error *err)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(descs[i].digest.text, told->blob.text) != 0 || !is_usable(descs[i].media_type))
            continue;
        ret->digest = told->blob;
        ret->created_s = told->created_s;
        ret->diff_id = told->diff_id;
        set_diff_id(ret, wcow_str_map_get(&descs[i].annotations, UNCOMPRESSED));
        if (!ret->diff_id.text[0])
            return WCOW_OK;
        ret->size_bytes = descs[i].size_bytes;
        return add_place(r, &descs[i], err);
    }
    return WCOW_OK;
}

static int import_config(const struct reading *r, const struct wcow_descriptor *config_desc,
                         const struct wcow_descriptor *descs, size_t n, struct wcow_error *err)
{
    wcow_autobuf data = {0};
    WCOW_CLEANUP(wcow_cache_config_done) struct wcow_cache_config config = {0};
    int code = read_blob(r, config_desc, WCOW_CACHE_CONFIG_MAX_BYTES, &data, err);
    if (code == WCOW_OK)
        code = wcow_cache_config_parse(data.data, data.len, &config, err);
    if (code < 0)
        return code;
    WCOW_CLEANUP(layers_done)
    struct layers layers = {
        .items = calloc(config.n_layers ? config.n_layers : 1, sizeof(*layers.items)),
        .n = config.n_layers};
    if (!layers.items)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a build cache");
    for (size_t i = 0; code == WCOW_OK && i < layers.n; i++)
        code = take_layer(r, &config.layers[i], descs, n, &layers.items[i], err);
    return code < 0 ? code : add_records(r->imports, &config, &layers, err);
}

/* ---- an image that carries its cache ---- */

static int image_layers(const struct reading *r, const struct wcow_manifest *manifest,
                        const struct wcow_image_config *config, struct layers *ret,
                        struct wcow_error *err)
{
    int code = WCOW_OK;
    int64_t created = wcow_time_parse(wcow_image_config_created(config));
    if (wcow_image_config_diff_id_count(config) != manifest->layer_count)
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "the manifest has other layers than the config");
    ret->items = calloc(manifest->layer_count + 1, sizeof(*ret->items));
    if (!ret->items)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a build cache");
    for (; code == WCOW_OK && ret->n < manifest->layer_count; ret->n++) {
        const struct wcow_descriptor *desc = &manifest->layers[ret->n];
        struct wcow_cached_layer *layer = &ret->items[ret->n];
        if (!is_usable(desc->media_type))
            continue;
        *layer = (struct wcow_cached_layer){
            .digest = desc->digest, .size_bytes = desc->size_bytes, .created_s = created};
        set_diff_id(layer, wcow_image_config_diff_id(config, ret->n));
        code = add_place(r, desc, err);
    }
    return code;
}

/* 1 where the image has a cache, 0 where not. */
static int import_image(const struct reading *r, const struct wcow_manifest *manifest,
                        struct wcow_error *err)
{
    wcow_autobuf data = {0};
    wcow_autobuf records = {0};
    WCOW_CLEANUP(wcow_image_config_free_p) struct wcow_image_config *image = NULL;
    int code = read_blob(r, &manifest->config, WCOW_CONFIG_MAX_BYTES, &data, err);
    if (code == WCOW_OK)
        code = wcow_image_config_parse(data.data, data.len, &image, err);
    const char *base64 = code < 0 ? NULL : wcow_image_config_inline_cache(image);
    if (!base64)
        return code;
    WCOW_CLEANUP(layers_done) struct layers layers = {0};
    WCOW_CLEANUP(wcow_cache_config_done) struct wcow_cache_config config = {0};
    code = wcow_base64_decode(base64, strlen(base64), &records, err);
    if (code == WCOW_OK)
        code = image_layers(r, manifest, image, &layers, err);
    if (code == WCOW_OK)
        code = wcow_cache_config_parse_records(records.data, records.len, layers.n, &config, err);
    if (code == WCOW_OK)
        code = add_records(r->imports, &config, &layers, err);
    return code < 0 ? code : 1;
}

/* ---- manifests ---- */

static int import_manifest(const struct reading *r, const struct wcow_buf *data,
                           struct wcow_error *err)
{
    wcow_auto_manifest manifest = {0};
    int code = wcow_manifest_parse(data->data, data->len, NULL, &manifest, err);
    if (code < 0)
        return code;
    if (strcmp(manifest.config.media_type, WCOW_MEDIA_CACHE_CONFIG) != 0)
        return import_image(r, &manifest, err);
    code = import_config(r, &manifest.config, manifest.layers, manifest.layer_count, err);
    return code < 0 ? code : 1;
}

/* An index is a cache, or has images that may carry one each. */
static int import_index(const struct reading *r, const struct wcow_buf *data,
                        struct wcow_error *err)
{
    wcow_auto_index index = {0};
    int found = 0;
    int code = wcow_index_parse(data->data, data->len, NULL, &index, err);
    if (code < 0)
        return code;
    for (size_t i = 0; i < index.manifest_count; i++) {
        if (strcmp(index.manifests[i].media_type, WCOW_MEDIA_CACHE_CONFIG) == 0) {
            code =
                import_config(r, &index.manifests[i], index.manifests, index.manifest_count, err);
            return code < 0 ? code : 1;
        }
    }
    for (size_t i = 0; code >= 0 && i < index.manifest_count; i++) {
        wcow_autobuf manifest = {0};
        const struct wcow_descriptor *desc = &index.manifests[i];
        if (!wcow_media_is_manifest(desc->media_type) || wcow_descriptor_is_attestation(desc))
            continue;
        code = read_manifest(r, &desc->digest, &manifest, err);
        if (code == WCOW_OK)
            code = import_manifest(r, &manifest, err);
        found |= code == 1;
    }
    return code < 0 ? code : found;
}

/* The manifest that the layout's index names by the tag; the only one where there is no such name.
 */
static int find_in_layout(const struct reading *r, struct wcow_digest *ret, struct wcow_error *err)
{
    wcow_autobuf path = {0};
    wcow_autobuf data = {0};
    wcow_auto_index index = {0};
    const struct wcow_descriptor *found = NULL;
    int code = wcow_buf_addf(&path, err, "%s/index.json", r->place->folder);
    if (code == WCOW_OK)
        code = wcow_file_read((const char *)path.data, WCOW_MANIFEST_MAX_BYTES, &data, err);
    if (code == WCOW_OK)
        code = wcow_index_parse(data.data, data.len, NULL, &index, err);
    if (code < 0)
        return code;
    for (size_t i = 0; i < index.manifest_count; i++) {
        const char *name =
            wcow_str_map_get(&index.manifests[i].annotations, WCOW_ANNOTATION_REF_NAME);
        if (name && strcmp(name, r->place->tag) == 0)
            found = &index.manifests[i];
    }
    if (!found && index.manifest_count == 1 &&
        !wcow_str_map_get(&index.manifests[0].annotations, WCOW_ANNOTATION_REF_NAME))
        found = &index.manifests[0];
    if (!found)
        return WCOW_FAIL(err, WCOW_E_NOT_FOUND, "%s has no cache with the tag \"%s\"",
                         (const char *)path.data, r->place->tag);
    *ret = found->digest;
    return WCOW_OK;
}

int wcow_cache_import(struct wcow_cache_imports *imports, struct wcow_backend *b,
                      const struct wcow_cache_place *place, struct wcow_error *err)
{
    const struct reading r = {.imports = imports, .backend = b, .place = place};
    wcow_autobuf data = {0};
    struct wcow_digest digest = place->digest;
    const char *type = NULL;
    int code = WCOW_OK;
    if (place->folder && !digest.text[0])
        code = find_in_layout(&r, &digest, err);
    if (code == WCOW_OK)
        code = read_manifest(&r, digest.text[0] ? &digest : NULL, &data, err);
    if (code == WCOW_OK)
        code = wcow_manifest_detect(data.data, data.len, &type, err);
    if (code < 0)
        return code;
    code =
        wcow_media_is_index(type) ? import_index(&r, &data, err) : import_manifest(&r, &data, err);
    if (code == 0)
        return WCOW_FAIL(err, WCOW_E_NOT_FOUND,
                         "%s is an image without a cache; build it with --cache-to type=inline",
                         place->text);
    return code < 0 ? code : WCOW_OK;
}
