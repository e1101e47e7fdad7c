/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/image_layout.h"

#include <stdlib.h>
#include <string.h>

#include "builder/blobs.h"
#include "containerd/content.h"
#include "containerd/images.h"
#include "image/file.h"

#define PREFIX "oci-layout://"

bool wcow_image_layout_is(const char *value)
{
    return strncmp(value, PREFIX, strlen(PREFIX)) == 0;
}

/* What stands behind the prefix, cut into its parts. */
struct layout {
    char *folder;
    char *tag;    /* NULL: none was named; so below */
    char *digest; /* with its algorithm */
};

static void layout_done(struct layout *layout)
{
    free(layout->folder);
    free(layout->tag);
    free(layout->digest);
}

static int cut(const char *value, struct layout *ret, struct wcow_error *err)
{
    const char *path = value + strlen(PREFIX);
    const char *slash = strrchr(path, '/');
    const char *at = strrchr(path, '@');
    const char *colon = strchr(slash ? slash : path, ':');
    size_t len = strlen(path);
    if (at && (!slash || at > slash)) {
        len = (size_t)(at - path);
        ret->digest = strdup(at + 1);
    } else if (colon) {
        len = (size_t)(colon - path);
        ret->tag = strdup(colon + 1);
    }
    ret->folder = strndup(path, len);
    bool is_short = (len < strlen(path) && !ret->digest && !ret->tag) || !ret->folder;
    return is_short ? WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for an image") : WCOW_OK;
}

/* ---- index.json ---- */

static const char *tag_of(const struct wcow_descriptor *desc)
{
    return wcow_str_map_get(&desc->annotations, WCOW_ANNOTATION_REF_NAME);
}

static bool is_asked(const struct layout *layout, const struct wcow_index *index,
                     const struct wcow_descriptor *desc)
{
    if (layout->digest)
        return strcmp(desc->digest.text, layout->digest) == 0;
    const char *tag = tag_of(desc);
    if (layout->tag)
        return tag && strcmp(tag, layout->tag) == 0;
    return index->manifest_count == 1 || (tag && strcmp(tag, "latest") == 0);
}

static int not_there(const struct layout *layout, const struct wcow_index *index,
                     struct wcow_error *err)
{
    wcow_autobuf tags = {0};
    for (size_t i = 0; i < index->manifest_count; i++) {
        const char *tag = tag_of(&index->manifests[i]);
        int r = wcow_buf_addf(&tags, err, "%s%s", tags.len ? ", " : "",
                              tag ? tag : index->manifests[i].digest.text);
        if (r < 0)
            return r;
    }
    return WCOW_FAIL(err, WCOW_E_NOT_FOUND, "the OCI layout %s has no image %s; there are: %s",
                     layout->folder,
                     layout->digest ? layout->digest
                     : layout->tag  ? layout->tag
                                    : "of the name latest",
                     tags.len ? (const char *)tags.data : "none");
}

static int find(const struct layout *layout, struct wcow_descriptor *ret, struct wcow_error *err)
{
    wcow_autobuf path = {0};
    wcow_autobuf data = {0};
    wcow_auto_index index = {0};
    int r = wcow_buf_addf(&path, err, "%s/index.json", layout->folder);
    if (r == WCOW_OK)
        r = wcow_file_read((const char *)path.data, WCOW_MANIFEST_MAX_BYTES, &data, err);
    if (r == WCOW_OK)
        r = wcow_index_parse(data.data, data.len, WCOW_MEDIA_OCI_INDEX, &index, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "the OCI layout %s", layout->folder);
    for (size_t i = 0; i < index.manifest_count; i++) {
        if (is_asked(layout, &index, &index.manifests[i]))
            return wcow_descriptor_copy(&index.manifests[i], ret, err);
    }
    return not_there(layout, &index, err);
}

/* ---- its blobs ---- */

/* A document: into the content store at once, and read. */
static int take_document(struct wcow_backend *b, const struct layout *layout,
                         const struct wcow_descriptor *desc, unsigned step, struct wcow_buf *out,
                         struct wcow_error *err)
{
    int r = wcow_blobs_add_folder(b->blobs, desc, layout->folder, err);
    if (r == WCOW_OK)
        r = wcow_blob_fetch(b, desc, step, err);
    return r < 0 ? r
                 : wcow_content_read_all(&b->ctx, desc->digest.text, WCOW_MANIFEST_MAX_BYTES, out,
                                         err);
}

static int take_manifest(struct wcow_backend *b, const struct layout *layout,
                         const struct wcow_descriptor *desc, unsigned step, struct wcow_error *err)
{
    wcow_autobuf data = {0};
    wcow_autobuf config = {0};
    wcow_auto_manifest manifest = {0};
    int r = take_document(b, layout, desc, step, &data, err);
    if (r == WCOW_OK)
        r = wcow_manifest_parse(data.data, data.len, desc->media_type, &manifest, err);
    if (r == WCOW_OK)
        r = take_document(b, layout, &manifest.config, step, &config, err);
    for (size_t i = 0; r == WCOW_OK && i < manifest.layer_count; i++)
        r = wcow_blobs_add_folder(b->blobs, &manifest.layers[i], layout->folder, err);
    return r;
}

static int take_image(struct wcow_backend *b, const struct layout *layout,
                      const struct wcow_descriptor *desc, const struct wcow_platform *platform,
                      unsigned step, struct wcow_error *err)
{
    wcow_autobuf data = {0};
    wcow_auto_index index = {0};
    const struct wcow_descriptor *chosen = NULL;
    if (!wcow_media_is_index(desc->media_type))
        return take_manifest(b, layout, desc, step, err);
    int r = take_document(b, layout, desc, step, &data, err);
    if (r == WCOW_OK)
        r = wcow_index_parse(data.data, data.len, desc->media_type, &index, err);
    if (r == WCOW_OK)
        r = wcow_index_select(&index, platform, &chosen, err);
    return r < 0 ? r : take_manifest(b, layout, chosen, step, err);
}

int wcow_image_layout_load(struct wcow_backend *b, const char *value,
                           const struct wcow_platform *platform, unsigned step,
                           struct wcow_local_image *ret, struct wcow_error *err)
{
    WCOW_CLEANUP(layout_done) struct layout layout = {0};
    wcow_auto_descriptor desc = {0};
    wcow_autobuf name = {0};
    int r = cut(value, &layout, err);
    if (r == WCOW_OK)
        r = find(&layout, &desc, err);
    if (r == WCOW_OK)
        r = take_image(b, &layout, &desc, platform, step, err);
    /* A layout has no name: the digest stands for one. */
    if (r == WCOW_OK)
        r = wcow_buf_addf(&name, err, "localhost/oci-layout@%s", desc.digest.text);
    if (r < 0)
        return wcow_error_wrap(r, err, "%s", value);
    const struct wcow_image_record record = {.name = (char *)name.data,
                                             .media_type = desc.media_type,
                                             .digest = desc.digest,
                                             .size_bytes = desc.size_bytes};
    WCOW_CLEANUP(wcow_local_image_done) struct wcow_local_image image = {0};
    r = wcow_image_load(b, &record, platform, &image, err);
    if (r < 0)
        return r;
    free(image.name);
    image.name = strdup(value); /* as messages and later questions call it */
    if (!image.name)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for an image");
    *ret = image;
    image = (struct wcow_local_image){0};
    return WCOW_OK;
}
