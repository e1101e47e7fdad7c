/* SPDX-License-Identifier: Apache-2.0 */
/* The documents of a result (configs, manifests, statements, the index) in containerd's content
 * store, each with the labels that keep what it refers to from its garbage collection. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "builder/output.h"
#include "containerd/content.h"
#include "containerd/images.h"

static void image_done(struct wcow_built_image *image)
{
    wcow_str_map_done(&image->annotations);
    wcow_str_map_done(&image->descriptor_annotations);
    wcow_descriptor_done(&image->config_desc);
    wcow_descriptor_done(&image->manifest_desc);
    wcow_descriptor_done(&image->attestation_desc);
    wcow_buf_done(&image->statement);
}

void wcow_built_done(struct wcow_built *built)
{
    for (size_t i = 0; i < built->n_images; i++)
        image_done(&built->images[i]);
    free(built->images);
    for (size_t i = 0; i < built->n_documents; i++) {
        wcow_descriptor_done(&built->documents[i].desc);
        wcow_buf_done(&built->documents[i].data);
        wcow_labels_done(&built->documents[i].labels);
    }
    free(built->documents);
    wcow_str_map_done(&built->index_annotations);
    wcow_str_map_done(&built->index_descriptor_annotations);
    wcow_descriptor_done(&built->target);
    *built = (struct wcow_built){0};
}

/* ---- one document ---- */

static int keep_document(struct wcow_built *built, const struct wcow_descriptor *desc,
                         struct wcow_labels *labels, struct wcow_buf *data, struct wcow_error *err)
{
    struct wcow_document *grown =
        reallocarray(built->documents, built->n_documents + 1, sizeof(*grown));
    if (!grown)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a document");
    built->documents = grown;
    grown[built->n_documents] = (struct wcow_document){0};
    int r = wcow_descriptor_copy(desc, &grown[built->n_documents].desc, err);
    if (r < 0)
        return r;
    struct wcow_document *kept = &grown[built->n_documents++];
    kept->data = *data;
    *data = (struct wcow_buf){0};
    if (labels) {
        kept->labels = *labels;
        *labels = (struct wcow_labels){0};
    }
    return WCOW_OK;
}

/* Describe it, and keep it. @p data and @p labels are taken. */
static int add(struct wcow_built *built, const char *media_type, struct wcow_labels *labels,
               struct wcow_buf *data, struct wcow_descriptor *ret, struct wcow_error *err)
{
    struct wcow_digest digest;
    int r = wcow_digest_of(data->data, data->len, &digest, err);
    if (r == WCOW_OK)
        r = wcow_descriptor_init(ret, media_type, digest.text, data->len, err);
    return r < 0 ? r : keep_document(built, ret, labels, data, err);
}

static void show(struct wcow_backend *b, unsigned step, const char *what, const char *digest)
{
    wcow_autobuf text = {0};
    if (wcow_buf_addf(&text, NULL, "%s %s", what, digest) == WCOW_OK)
        wcow_progress_status(b->progress, step, (const char *)text.data, 0, 0, true);
}

static int label(struct wcow_labels *labels, const char *name, size_t index,
                 const struct wcow_descriptor *desc, struct wcow_error *err)
{
    char key[80];
    (void)snprintf(key, sizeof(key), "containerd.io/gc.ref.content.%s.%zu", name, index);
    return wcow_labels_set(labels, key, desc->digest.text, err);
}

/* ---- an image ---- */

/* On a base in Docker's media types the image has them too, unless it is to carry what only OCI's
 * documents can: annotations, statements, other platforms. */
static bool is_docker(const struct wcow_built *built, const struct wcow_built_image *image)
{
    return image->base && wcow_media_is_docker(image->base->manifest.media_type) &&
           !built->is_index && image->annotations.count == 0;
}

static int add_layer(struct wcow_manifest *manifest, const struct wcow_descriptor *layer,
                     struct wcow_error *err)
{
    wcow_auto_descriptor copy = {0};
    int r = wcow_descriptor_copy(layer, &copy, err);
    if (r == WCOW_OK && !wcow_media_is_docker(manifest->media_type))
        (void)snprintf(copy.media_type, sizeof(copy.media_type), "%s",
                       wcow_media_to_oci(layer->media_type));
    return r < 0 ? r : wcow_manifest_add_layer(manifest, &copy, err);
}

static int add_manifest(struct wcow_built *built, const struct wcow_manifest *manifest,
                        struct wcow_descriptor *ret, struct wcow_error *err)
{
    struct wcow_labels labels = {0};
    wcow_autobuf data = {0};
    int r = wcow_labels_set(&labels, "containerd.io/gc.ref.content.config",
                            manifest->config.digest.text, err);
    for (size_t i = 0; r == WCOW_OK && i < manifest->layer_count; i++)
        r = label(&labels, "l", i, &manifest->layers[i], err);
    if (r == WCOW_OK)
        r = wcow_manifest_write(manifest, &data, err);
    if (r == WCOW_OK)
        r = add(built, manifest->media_type, &labels, &data, ret, err);
    wcow_labels_done(&labels);
    return r;
}

static int make_manifest(const struct wcow_built_image *image, bool docker,
                         struct wcow_manifest *ret, struct wcow_error *err)
{
    (void)snprintf(ret->media_type, sizeof(ret->media_type), "%s",
                   docker ? WCOW_MEDIA_DOCKER_MANIFEST : WCOW_MEDIA_OCI_MANIFEST);
    int r = wcow_descriptor_copy(&image->config_desc, &ret->config, err);
    for (size_t i = 0; r == WCOW_OK && i < image->n_layers; i++)
        r = add_layer(ret, &image->layers[i], err);
    return r < 0 ? r : wcow_str_map_copy(&ret->annotations, &image->annotations, err);
}

int wcow_output_add_image(struct wcow_backend *b, struct wcow_built *built,
                          struct wcow_built_image *image, unsigned step, struct wcow_error *err)
{
    wcow_autobuf data = {0};
    wcow_auto_manifest manifest = {0};
    bool docker = is_docker(built, image);
    int r = wcow_image_config_write(image->config, &data, err);
    if (r == WCOW_OK)
        r = add(built, docker ? WCOW_MEDIA_DOCKER_CONFIG : WCOW_MEDIA_OCI_CONFIG, NULL, &data,
                &image->config_desc, err);
    if (r == WCOW_OK)
        r = make_manifest(image, docker, &manifest, err);
    if (r == WCOW_OK)
        r = add_manifest(built, &manifest, &image->manifest_desc, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "the image");
    image->manifest_desc.has_platform = true;
    image->manifest_desc.platform = wcow_image_config_platform(image->config);
    show(b, step, "exporting manifest", image->manifest_desc.digest.text);
    show(b, step, "exporting config", image->config_desc.digest.text);
    return wcow_str_map_copy(&image->manifest_desc.annotations, &image->descriptor_annotations,
                             err);
}

/* ---- its statement ---- */

static struct wcow_platform unknown_platform(void)
{
    return (struct wcow_platform){.os = "unknown", .architecture = "unknown"};
}

/* An image's config, for those that want one: its only layer is the statement. */
static int add_statement_config(struct wcow_built *built, const struct wcow_descriptor *layer,
                                struct wcow_descriptor *ret, struct wcow_error *err)
{
    const struct wcow_platform platform = unknown_platform();
    WCOW_CLEANUP(wcow_image_config_free_p) struct wcow_image_config *config = NULL;
    wcow_autobuf data = {0};
    int r = wcow_image_config_new(&platform, &config, err);
    if (r == WCOW_OK)
        r = wcow_image_config_add_diff_id(config, layer->digest.text, err);
    if (r == WCOW_OK)
        r = wcow_image_config_write(config, &data, err);
    return r < 0 ? r : add(built, WCOW_MEDIA_OCI_CONFIG, NULL, &data, ret, err);
}

static int add_statement_manifest(struct wcow_built *built, struct wcow_built_image *image,
                                  struct wcow_error *err)
{
    wcow_auto_descriptor layer = {0};
    wcow_auto_manifest manifest = {.media_type = WCOW_MEDIA_OCI_MANIFEST};
    image->stored_statement = (struct wcow_bytes){image->statement.data, image->statement.len};
    int r = add(built, WCOW_MEDIA_IN_TOTO, NULL, &image->statement, &layer, err);
    if (r == WCOW_OK)
        r = wcow_str_map_set(&layer.annotations, "in-toto.io/predicate-type", image->predicate_type,
                             err);
    if (r == WCOW_OK)
        r = wcow_manifest_add_layer(&manifest, &layer, err);
    if (r == WCOW_OK)
        r = add_statement_config(built, &layer, &manifest.config, err);
    return r < 0 ? r : add_manifest(built, &manifest, &image->attestation_desc, err);
}

int wcow_output_add_statement(struct wcow_backend *b, struct wcow_built *built,
                              struct wcow_built_image *image, unsigned step, struct wcow_error *err)
{
    struct wcow_descriptor *desc = &image->attestation_desc;
    int r = add_statement_manifest(built, image, err);
    if (r == WCOW_OK)
        r = wcow_str_map_set(&desc->annotations, WCOW_ANNOTATION_ATTESTATION,
                             "attestation-manifest", err);
    if (r == WCOW_OK)
        r = wcow_str_map_set(&desc->annotations, WCOW_ANNOTATION_ATTESTED,
                             image->manifest_desc.digest.text, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "the attestation");
    desc->has_platform = true;
    desc->platform = unknown_platform();
    show(b, step, "exporting attestation manifest", desc->digest.text);
    return WCOW_OK;
}

/* ---- the index ---- */

/* Images first, then what is said of them. */
static int fill_index(const struct wcow_built *built, struct wcow_index *ret,
                      struct wcow_error *err)
{
    (void)snprintf(ret->media_type, sizeof(ret->media_type), "%s", WCOW_MEDIA_OCI_INDEX);
    int r = wcow_str_map_copy(&ret->annotations, &built->index_annotations, err);
    for (size_t i = 0; r == WCOW_OK && i < built->n_images; i++)
        r = wcow_index_add(ret, &built->images[i].manifest_desc, err);
    for (size_t i = 0; r == WCOW_OK && i < built->n_images; i++) {
        if (built->images[i].attestation_desc.size_bytes > 0)
            r = wcow_index_add(ret, &built->images[i].attestation_desc, err);
    }
    return r;
}

static int add_index(struct wcow_built *built, struct wcow_error *err)
{
    wcow_auto_index index = {0};
    wcow_autobuf data = {0};
    struct wcow_labels labels = {0};
    int r = fill_index(built, &index, err);
    for (size_t i = 0; r == WCOW_OK && i < index.manifest_count; i++)
        r = label(&labels, "m", i, &index.manifests[i], err);
    if (r == WCOW_OK)
        r = wcow_index_write(&index, &data, err);
    if (r == WCOW_OK)
        r = add(built, index.media_type, &labels, &data, &built->target, err);
    if (r == WCOW_OK)
        r = wcow_str_map_copy(&built->target.annotations, &built->index_descriptor_annotations,
                              err);
    wcow_labels_done(&labels);
    return r;
}

int wcow_output_add_target(struct wcow_backend *b, struct wcow_built *built, unsigned step,
                           struct wcow_error *err)
{
    if (!built->is_index)
        return wcow_descriptor_copy(&built->images[0].manifest_desc, &built->target, err);
    int r = add_index(built, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "the index");
    show(b, step, "exporting manifest list", built->target.digest.text);
    return WCOW_OK;
}

/* ---- containerd ---- */

static int write_document(struct wcow_backend *b, const struct wcow_document *d,
                          struct wcow_error *err)
{
    struct wcow_digest digest;
    wcow_autofree char *name = wcow_backend_name(b, "-document");
    if (!name)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a document");
    int r =
        wcow_content_write_all(&b->ctx, name, d->data.data, d->data.len, &d->labels, &digest, err);
    return r < 0 ? wcow_error_wrap(r, err, "store the image") : WCOW_OK;
}

int wcow_output_store(struct wcow_backend *b, struct wcow_built *built, struct wcow_error *err)
{
    int r = WCOW_OK;
    while (r == WCOW_OK && built->n_written < built->n_documents) {
        r = write_document(b, &built->documents[built->n_written], err);
        built->n_written += r == WCOW_OK;
    }
    return r;
}

static bool has_blob(struct wcow_backend *b, const struct wcow_descriptor *desc)
{
    struct wcow_content_info info = {0};
    int r = wcow_content_info(&b->ctx, desc->digest.text, &info, NULL);
    bool has = r == WCOW_OK && info.size_bytes == desc->size_bytes;
    wcow_content_info_done(&info);
    return has;
}

static bool has_all(struct wcow_backend *b, const struct wcow_built *built)
{
    bool has = true;
    for (size_t i = 0; has && i < built->n_documents; i++)
        has = has_blob(b, &built->documents[i].desc);
    for (size_t i = 0; has && i < built->n_images; i++) {
        for (size_t k = 0; has && k < built->images[i].n_layers; k++)
            has = has_blob(b, &built->images[i].layers[k]);
    }
    return has;
}

bool wcow_output_is_current(struct wcow_backend *b, const struct wcow_built *built,
                            const char *name)
{
    struct wcow_image_record record = {0};
    int r = wcow_image_get(&b->ctx, name, &record, NULL);
    bool is = r == WCOW_OK && strcmp(record.digest.text, built->target.digest.text) == 0 &&
              has_all(b, built);
    wcow_image_record_done(&record);
    return is;
}

int wcow_output_name(struct wcow_backend *b, const struct wcow_built *built, const char *name,
                     unsigned step, struct wcow_error *err)
{
    struct wcow_image_record record = {.name = strdup(name),
                                       .media_type = strdup(built->target.media_type),
                                       .digest = built->target.digest,
                                       .size_bytes = built->target.size_bytes};
    int r = record.name && record.media_type
                ? wcow_image_put(&b->ctx, &record, built->created_s, err)
                : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for an image's record");
    wcow_image_record_done(&record);
    if (r < 0)
        return wcow_error_wrap(r, err, "name the image %s", name);
    show(b, step, "naming to", name);
    return WCOW_OK;
}
