/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/cache_export.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "builder/push_blobs.h"
#include "containerd/content.h"
#include "image/config.h"
#include "image/file.h"
#include "image/manifest.h"
#include "image/oci_layout.h"

#define UNCOMPRESSED "containerd.io/uncompressed"
#define CREATED_AT   "buildkit/createdat"

/* The documents of a cache, and the layers that go with them, each once. */
struct documents {
    struct wcow_descriptor *layers;
    size_t n_layers;
    struct wcow_buf config;
    struct wcow_descriptor config_desc;
    struct wcow_buf manifest;
    struct wcow_descriptor manifest_desc;
};

static void documents_done(struct documents *d)
{
    for (size_t i = 0; i < d->n_layers; i++)
        wcow_descriptor_done(&d->layers[i]);
    free(d->layers);
    wcow_buf_done(&d->config);
    wcow_descriptor_done(&d->config_desc);
    wcow_buf_done(&d->manifest);
    wcow_descriptor_done(&d->manifest_desc);
}

/* ---- what they say ---- */

static bool has_layer(const struct documents *d, const struct wcow_digest *blob)
{
    for (size_t i = 0; i < d->n_layers; i++) {
        if (strcmp(d->layers[i].digest.text, blob->text) == 0)
            return true;
    }
    return false;
}

static int add_layer(struct documents *d, const struct wcow_cache_layer *layer, bool docker,
                     struct wcow_error *err)
{
    struct wcow_descriptor *desc = &d->layers[d->n_layers];
    char created[WCOW_TIME_TEXT_MAX];
    const char *type =
        docker ? wcow_media_to_docker(layer->media_type) : wcow_media_to_oci(layer->media_type);
    int r = wcow_descriptor_init(desc, type, layer->blob.text, layer->size_bytes, err);
    if (r < 0)
        return r;
    d->n_layers++;
    r = wcow_str_map_set(&desc->annotations, UNCOMPRESSED, layer->diff_id.text, err);
    if (r == WCOW_OK)
        r = wcow_time_format(layer->created_s, 0, created, err);
    return r < 0 ? r : wcow_str_map_set(&desc->annotations, CREATED_AT, created, err);
}

static int add_layers(struct documents *d, const struct wcow_cache_config *config, bool docker,
                      struct wcow_error *err)
{
    int r = WCOW_OK;
    d->layers = calloc(config->n_layers + 1, sizeof(*d->layers));
    if (!d->layers)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for the cache");
    for (size_t i = 0; r == WCOW_OK && i < config->n_layers; i++) {
        if (!has_layer(d, &config->layers[i].blob))
            r = add_layer(d, &config->layers[i], docker, err);
    }
    return r;
}

static int describe(const struct wcow_buf *data, const char *media_type,
                    struct wcow_descriptor *ret, struct wcow_error *err)
{
    struct wcow_digest digest;
    int r = wcow_digest_of(data->data, data->len, &digest, err);
    return r < 0 ? r : wcow_descriptor_init(ret, media_type, digest.text, data->len, err);
}

static int write_index(struct documents *d, bool docker, struct wcow_error *err)
{
    wcow_auto_index index = {0};
    int r = WCOW_OK;
    (void)snprintf(index.media_type, sizeof(index.media_type), "%s",
                   docker ? WCOW_MEDIA_DOCKER_INDEX : WCOW_MEDIA_OCI_INDEX);
    for (size_t i = 0; r == WCOW_OK && i < d->n_layers; i++)
        r = wcow_index_add(&index, &d->layers[i], err);
    if (r == WCOW_OK)
        r = wcow_index_add(&index, &d->config_desc, err);
    if (r == WCOW_OK)
        r = wcow_index_write(&index, &d->manifest, err);
    return r < 0 ? r : describe(&d->manifest, index.media_type, &d->manifest_desc, err);
}

static int write_manifest(struct documents *d, struct wcow_error *err)
{
    wcow_auto_manifest manifest = {0};
    (void)snprintf(manifest.media_type, sizeof(manifest.media_type), "%s", WCOW_MEDIA_OCI_MANIFEST);
    int r = wcow_descriptor_copy(&d->config_desc, &manifest.config, err);
    for (size_t i = 0; r == WCOW_OK && i < d->n_layers; i++)
        r = wcow_manifest_add_layer(&manifest, &d->layers[i], err);
    if (r == WCOW_OK)
        r = wcow_manifest_write(&manifest, &d->manifest, err);
    return r < 0 ? r : describe(&d->manifest, manifest.media_type, &d->manifest_desc, err);
}

static int make_documents(const struct wcow_cache_place *place,
                          const struct wcow_cache_config *config, struct documents *d,
                          struct wcow_error *err)
{
    int r = add_layers(d, config, place->is_docker, err);
    if (r == WCOW_OK)
        r = wcow_cache_config_write(config, &d->config, err);
    if (r == WCOW_OK)
        r = describe(&d->config, WCOW_MEDIA_CACHE_CONFIG, &d->config_desc, err);
    if (r < 0)
        return r;
    return place->is_index ? write_index(d, place->is_docker, err) : write_manifest(d, err);
}

/* ---- a registry ---- */

static int export_registry(struct wcow_backend *b, const struct wcow_cache_place *place,
                           const struct documents *d, unsigned step, struct wcow_error *err)
{
    int r = wcow_blobs_push(b, &place->ref, d->layers, d->n_layers, NULL, step, err);
    if (r == WCOW_OK)
        r = wcow_registry_push_bytes(b->registry, &place->ref, d->config.data, d->config.len, err);
    return r < 0
               ? r
               : wcow_registry_push_manifest(b->registry, &place->ref, d->manifest_desc.media_type,
                                             d->manifest.data, d->manifest.len, NULL, err);
}

/* ---- a folder ---- */

static bool has_file(const char *folder, const struct wcow_descriptor *desc)
{
    wcow_autobuf path = {0};
    struct stat st;
    return wcow_buf_addf(&path, NULL, "%s/blobs/sha256/%s", folder,
                         desc->digest.text + strlen("sha256:")) == WCOW_OK &&
           stat((const char *)path.data, &st) == 0 && S_ISREG(st.st_mode) &&
           (uint64_t)st.st_size == desc->size_bytes;
}

static int write_layer(struct wcow_backend *b, const struct wcow_descriptor *desc,
                       struct wcow_oci_writer *writer, unsigned step, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_content_reader_free_p) struct wcow_content_reader *reader = NULL;
    int r = wcow_blob_fetch(b, desc, step, err);
    if (r == WCOW_OK)
        r = wcow_content_reader_open(&b->ctx, b->content_root, desc->digest.text, desc->size_bytes,
                                     &reader, err);
    if (r < 0)
        return r;
    const struct wcow_source source = wcow_content_reader_source(reader);
    return wcow_oci_writer_add_blob(writer, desc->digest.text, desc->size_bytes, &source, err);
}

/* What the folder's index names besides this tag stays. */
static int other_entries(const struct wcow_cache_place *place, struct wcow_index *index,
                         struct wcow_error *err)
{
    wcow_autobuf path = {0};
    wcow_autobuf data = {0};
    wcow_auto_index before = {0};
    int r = wcow_buf_addf(&path, err, "%s/index.json", place->folder);
    if (r < 0)
        return r;
    r = wcow_file_read((const char *)path.data, WCOW_MANIFEST_MAX_BYTES, &data, err);
    if (r == WCOW_E_NOT_FOUND)
        return WCOW_OK;
    if (r == WCOW_OK)
        r = wcow_index_parse(data.data, data.len, NULL, &before, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "%s is not empty, and is no OCI layout", place->folder);
    for (size_t i = 0; r == WCOW_OK && i < before.manifest_count; i++) {
        const char *name =
            wcow_str_map_get(&before.manifests[i].annotations, WCOW_ANNOTATION_REF_NAME);
        if (name && strcmp(name, place->tag) != 0)
            r = wcow_index_add(index, &before.manifests[i], err);
    }
    return r;
}

static int write_layout(struct wcow_backend *b, const struct wcow_cache_place *place,
                        struct documents *d, struct wcow_oci_writer *writer, unsigned step,
                        struct wcow_error *err)
{
    wcow_auto_index index = {0};
    int r = other_entries(place, &index, err);
    for (size_t i = 0; r == WCOW_OK && i < d->n_layers; i++) {
        if (!has_file(place->folder, &d->layers[i]))
            r = write_layer(b, &d->layers[i], writer, step, err);
    }
    if (r == WCOW_OK)
        r = wcow_oci_writer_add_bytes(writer, d->config.data, d->config.len, NULL, err);
    if (r == WCOW_OK)
        r = wcow_oci_writer_add_bytes(writer, d->manifest.data, d->manifest.len, NULL, err);
    if (r == WCOW_OK)
        r = wcow_str_map_set(&d->manifest_desc.annotations, WCOW_ANNOTATION_REF_NAME, place->tag,
                             err);
    if (r == WCOW_OK)
        r = wcow_index_add(&index, &d->manifest_desc, err);
    return r < 0 ? r : wcow_oci_writer_finish(writer, index.manifests, index.manifest_count, err);
}

static int export_folder(struct wcow_backend *b, const struct wcow_cache_place *place,
                         struct documents *d, unsigned step, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_oci_directory_free_p) struct wcow_oci_directory *directory = NULL;
    WCOW_CLEANUP(wcow_oci_writer_free_p) struct wcow_oci_writer *writer = NULL;
    int r = wcow_oci_directory_open(place->folder, &directory, err);
    if (r < 0)
        return r;
    const struct wcow_oci_output output = wcow_oci_directory_output(directory);
    r = wcow_oci_writer_new(&output, &writer, err);
    return r < 0 ? r : write_layout(b, place, d, writer, step, err);
}

int wcow_cache_export(struct wcow_backend *b, const struct wcow_cache_place *place,
                      const struct wcow_cache_config *config, unsigned step,
                      struct wcow_digest *ret, struct wcow_error *err)
{
    WCOW_CLEANUP(documents_done) struct documents d = {0};
    int r = make_documents(place, config, &d, err);
    if (r == WCOW_OK)
        r = place->type == WCOW_CACHE_LOCAL ? export_folder(b, place, &d, step, err)
                                            : export_registry(b, place, &d, step, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "--cache-to %s", place->text);
    if (ret)
        *ret = d.manifest_desc.digest;
    return WCOW_OK;
}
