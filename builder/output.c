/* SPDX-License-Identifier: Apache-2.0 */
/* What --output says, and the image in containerd's stores. */
#include "builder/output.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "containerd/content.h"
#include "containerd/images.h"

void wcow_output_done(struct wcow_output *output)
{
    free(output->name);
    free(output->dest);
    *output = (struct wcow_output){0};
}

void wcow_built_image_done(struct wcow_built_image *image)
{
    wcow_str_map_done(&image->annotations);
    wcow_buf_done(&image->config_data);
    wcow_buf_done(&image->manifest_data);
    wcow_descriptor_done(&image->config_desc);
    wcow_descriptor_done(&image->manifest_desc);
    *image = (struct wcow_built_image){0};
}

/* ---- --output ---- */

struct type_name {
    const char *name;
    enum wcow_output_type type;
    bool push;
};

static int set_type(struct wcow_output *o, const char *value, struct wcow_error *err)
{
    static const struct type_name types[] = {
        {"image", WCOW_OUTPUT_IMAGE, false}, {"registry", WCOW_OUTPUT_IMAGE, true},
        {"oci", WCOW_OUTPUT_OCI, false},     {"docker", WCOW_OUTPUT_DOCKER, false},
        {"local", WCOW_OUTPUT_LOCAL, false}, {"tar", WCOW_OUTPUT_TAR, false}};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcmp(value, types[i].name) == 0) {
            o->type = types[i].type;
            o->push |= types[i].push;
            return WCOW_OK;
        }
    }
    return WCOW_FAIL(err, WCOW_E_UNSUPPORTED,
                     "--output type=%s: there are image, registry, oci, docker, local and tar",
                     value);
}

static int set_bool(bool *ret, const char *key, const char *value, struct wcow_error *err)
{
    if (strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
        return WCOW_FAIL(err, WCOW_E_INVALID, "--output %s is true or false, not \"%s\"", key,
                         value);
    *ret = strcmp(value, "true") == 0;
    return WCOW_OK;
}

static int set_text(char **ret, const char *value, struct wcow_error *err)
{
    free(*ret);
    *ret = strdup(value);
    return *ret ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for --output");
}

static int set_field(struct wcow_output *o, const char *key, const char *value,
                     struct wcow_error *err)
{
    if (strcmp(key, "type") == 0)
        return set_type(o, value, err);
    if (strcmp(key, "name") == 0)
        return set_text(&o->name, value, err);
    if (strcmp(key, "dest") == 0)
        return set_text(&o->dest, value, err);
    if (strcmp(key, "push") == 0)
        return set_bool(&o->push, key, value, err);
    if (strcmp(key, "store") == 0)
        return set_bool(&o->store, key, value, err);
    if (strcmp(key, "tar") == 0)
        return set_bool(&o->is_tar, key, value, err);
    if (strcmp(key, "unpack") == 0)
        return set_bool(&o->unpack, key, value, err);
    return WCOW_FAIL(err, WCOW_E_INVALID,
                     "--output has no \"%s\"; there are type, name, dest, push, store, tar and "
                     "unpack",
                     key);
}

static int parse_fields(const char *text, struct wcow_output *o, struct wcow_error *err)
{
    wcow_autofree char *copy = strdup(text);
    if (!copy)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for --output");
    char *rest = copy;
    for (char *field = strsep(&rest, ","); field; field = strsep(&rest, ",")) {
        char *equals = strchr(field, '=');
        if (!equals)
            return WCOW_FAIL(err, WCOW_E_INVALID, "--output: \"%s\" is not key=value", field);
        *equals = '\0';
        int r = set_field(o, field, equals + 1, err);
        if (r < 0)
            return r;
    }
    return WCOW_OK;
}

int wcow_output_parse(const char *text, struct wcow_output *ret, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_output_done)
    struct wcow_output o = {.type = WCOW_OUTPUT_IMAGE, .is_tar = true, .store = true};
    if (!strchr(text, '=')) {
        o.type = strcmp(text, "-") == 0 ? WCOW_OUTPUT_TAR : WCOW_OUTPUT_LOCAL;
        int r = set_text(&o.dest, text, err);
        if (r == WCOW_OK) {
            *ret = o;
            o = (struct wcow_output){0};
        }
        return r;
    }
    int r = parse_fields(text, &o, err);
    if (r < 0)
        return r;
    if (o.type != WCOW_OUTPUT_IMAGE && !o.dest)
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         o.type == WCOW_OUTPUT_LOCAL
                             ? "--output %s needs dest=FOLDER"
                             : "--output %s needs dest=FILE (dest=- is standard output)",
                         text);
    if (o.type != WCOW_OUTPUT_IMAGE && o.push)
        return WCOW_FAIL(err, WCOW_E_INVALID, "--output %s: push is for type=image", text);
    *ret = o;
    o = (struct wcow_output){0};
    return WCOW_OK;
}

/* ---- the documents ---- */

static int make_config(struct wcow_built_image *image, bool docker, struct wcow_error *err)
{
    struct wcow_digest digest;
    int r = wcow_image_config_write(image->config, &image->config_data, err);
    if (r == WCOW_OK)
        r = wcow_digest_of(image->config_data.data, image->config_data.len, &digest, err);
    if (r == WCOW_OK)
        r = wcow_descriptor_init(&image->config_desc,
                                 docker ? WCOW_MEDIA_DOCKER_CONFIG : WCOW_MEDIA_OCI_CONFIG,
                                 digest.text, image->config_data.len, err);
    return r;
}

static int make_manifest(struct wcow_built_image *image, bool docker, struct wcow_error *err)
{
    wcow_auto_manifest manifest = {0};
    struct wcow_digest digest;
    (void)snprintf(manifest.media_type, sizeof(manifest.media_type), "%s",
                   docker ? WCOW_MEDIA_DOCKER_MANIFEST : WCOW_MEDIA_OCI_MANIFEST);
    int r = wcow_descriptor_copy(&image->config_desc, &manifest.config, err);
    for (size_t i = 0; r == WCOW_OK && i < image->n_layers; i++)
        r = wcow_manifest_add_layer(&manifest, &image->layers[i], err);
    if (r == WCOW_OK)
        r = wcow_str_map_copy(&manifest.annotations, &image->annotations, err);
    if (r == WCOW_OK)
        r = wcow_manifest_write(&manifest, &image->manifest_data, err);
    if (r == WCOW_OK)
        r = wcow_digest_of(image->manifest_data.data, image->manifest_data.len, &digest, err);
    if (r == WCOW_OK)
        r = wcow_descriptor_init(&image->manifest_desc, manifest.media_type, digest.text,
                                 image->manifest_data.len, err);
    image->manifest_desc.has_platform = true;
    image->manifest_desc.platform = wcow_image_config_platform(image->config);
    return r;
}

/* ---- the content store ---- */

static int manifest_labels(const struct wcow_built_image *image, struct wcow_labels *labels,
                           struct wcow_error *err)
{
    int r = wcow_labels_set(labels, "containerd.io/gc.ref.content.config",
                            image->config_desc.digest.text, err);
    for (size_t i = 0; r == WCOW_OK && i < image->n_layers; i++) {
        char key[64];
        (void)snprintf(key, sizeof(key), "containerd.io/gc.ref.content.l.%zu", i);
        r = wcow_labels_set(labels, key, image->layers[i].digest.text, err);
    }
    return r;
}

static int store_blob(struct wcow_backend *b, const struct wcow_buf *data,
                      const struct wcow_labels *labels, struct wcow_error *err)
{
    struct wcow_digest digest;
    wcow_autofree char *name = wcow_backend_name(b, "-document");
    if (!name)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a document");
    return wcow_content_write_all(&b->ctx, name, data->data, data->len, labels, &digest, err);
}

static void show(struct wcow_backend *b, unsigned step, const char *what, const char *digest)
{
    wcow_autobuf text = {0};
    if (wcow_buf_addf(&text, NULL, "%s %s", what, digest) == WCOW_OK)
        wcow_progress_status(b->progress, step, (const char *)text.data, 0, 0, true);
}

int wcow_output_store(struct wcow_backend *b, struct wcow_built_image *image, unsigned step,
                      struct wcow_error *err)
{
    bool docker = image->base && wcow_media_is_docker(image->base->manifest.media_type);
    struct wcow_labels labels = {0};
    int r = make_config(image, docker, err);
    if (r == WCOW_OK)
        r = make_manifest(image, docker, err);
    if (r == WCOW_OK)
        r = store_blob(b, &image->config_data, NULL, err);
    if (r == WCOW_OK) {
        show(b, step, "exporting config", image->config_desc.digest.text);
        r = manifest_labels(image, &labels, err);
    }
    if (r == WCOW_OK)
        r = store_blob(b, &image->manifest_data, &labels, err);
    if (r == WCOW_OK)
        show(b, step, "exporting manifest", image->manifest_desc.digest.text);
    wcow_labels_done(&labels);
    return r < 0 ? wcow_error_wrap(r, err, "store the image") : WCOW_OK;
}

int wcow_output_name(struct wcow_backend *b, const struct wcow_built_image *image, const char *name,
                     unsigned step, struct wcow_error *err)
{
    struct wcow_image_record record = {.name = strdup(name),
                                       .media_type = strdup(image->manifest_desc.media_type),
                                       .digest = image->manifest_desc.digest,
                                       .size_bytes = image->manifest_desc.size_bytes};
    int r = record.name && record.media_type
                ? wcow_image_put(&b->ctx, &record, image->created_s, err)
                : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for an image's record");
    wcow_image_record_done(&record);
    if (r < 0)
        return wcow_error_wrap(r, err, "name the image %s", name);
    show(b, step, "naming to", name);
    return WCOW_OK;
}
