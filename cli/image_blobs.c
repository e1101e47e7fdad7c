/* SPDX-License-Identifier: Apache-2.0 */
/* The blobs of an image, checked against their digests, wherever they lie. */
#include <string.h>

#include "base/digest.h"
#include "cli/image_docker.h"
#include "cli/image_source.h"
#include "containerd/content.h"

#define BLOBS "blobs/sha256/"

static int copy_checked(const struct wcow_source *from, const struct wcow_descriptor *desc,
                        const struct wcow_sink *to, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_hash_free_p) struct wcow_hash *hash = NULL;
    uint64_t bytes = 0;
    int r = wcow_hash_new(&hash, err);
    while (r == WCOW_OK) {
        const uint8_t *data = NULL;
        size_t len = 0;
        r = wcow_source_next(from, &data, &len, err);
        if (r < 0 || !len)
            break;
        bytes += len;
        wcow_hash_add(hash, data, len);
        r = wcow_sink_write(to, data, len, err);
    }
    struct wcow_digest digest = {0};
    if (r == WCOW_OK)
        r = wcow_hash_digest(hash, &digest, err);
    if (r == WCOW_OK && (bytes != desc->size_bytes || strcmp(digest.text, desc->digest.text) != 0))
        return WCOW_FAIL(err, WCOW_E_DATA_LOSS,
                         "blob %s holds %llu bytes of digest %s; it should hold %llu",
                         desc->digest.text, (unsigned long long)bytes, digest.text,
                         (unsigned long long)desc->size_bytes);
    return r;
}

/* A file of the archive. */
static int archive_file(const struct wcow_image_source *s, const char *path,
                        struct wcow_source *ret, struct wcow_error *err)
{
    const struct wcow_listed *item = wcow_image_archive_find(s->list, path);
    if (!item)
        return WCOW_FAIL(err, WCOW_E_NOT_FOUND, "it has no %s", path);
    return wcow_layer_tar_data(s->archive, item->offset, item->entry.size_bytes, ret, err);
}

/* A blob of the archive; Docker's form has it under some other name. */
static int archive_blob(const struct wcow_image_source *s, const struct wcow_digest *digest,
                        struct wcow_source *ret, struct wcow_error *err)
{
    for (size_t i = 0; i < s->n_files; i++) {
        const struct wcow_archive_file *file = &s->files[i];
        if (strcmp(file->digest.text, digest->text) == 0)
            return wcow_layer_tar_data(s->archive, file->offset, file->size_bytes, ret, err);
    }
    wcow_autobuf path = {0};
    int r = wcow_buf_addf(&path, err, BLOBS "%s", digest->text + strlen("sha256:"));
    return r < 0 ? r : archive_file(s, (const char *)path.data, ret, err);
}

static int drop(void *ctx, const void *data, size_t len, struct wcow_error *err)
{
    (void)ctx;
    (void)data;
    (void)len;
    (void)err;
    return WCOW_OK;
}

static int open_in_folder(const struct wcow_image_source *s, const struct wcow_descriptor *desc,
                          struct wcow_layer_tar **ret, struct wcow_error *err)
{
    const struct wcow_sink nowhere = {.write = drop};
    WCOW_CLEANUP(wcow_layer_tar_free_p) struct wcow_layer_tar *tar = NULL;
    wcow_autobuf path = {0};
    struct wcow_source source = {0};
    int r = wcow_buf_addf(&path, err, "%s/" BLOBS "%s", s->folder,
                          desc->digest.text + strlen("sha256:"));
    if (r == WCOW_OK)
        r = wcow_layer_tar_open((const char *)path.data, &tar, err);
    if (r == WCOW_OK)
        r = wcow_layer_tar_raw(tar, &source, err);
    if (r == WCOW_OK)
        r = copy_checked(&source, desc, &nowhere, err);
    if (r == WCOW_OK)
        *ret = WCOW_TAKE_PTR(tar);
    return r;
}

/* Into a temporary file. */
static int take_blob(const struct wcow_source *source, const struct wcow_descriptor *desc,
                     struct wcow_layer_tar **ret, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_layer_tar_free_p) struct wcow_layer_tar *tar = NULL;
    struct wcow_sink sink = {0};
    int r = wcow_layer_tar_new(desc->digest.text, &tar, &sink, err);
    if (r == WCOW_OK)
        r = copy_checked(source, desc, &sink, err);
    if (r == WCOW_OK)
        r = wcow_layer_tar_written(tar, err);
    if (r == WCOW_OK)
        *ret = WCOW_TAKE_PTR(tar);
    return r;
}

static int open_in_containerd(const struct wcow_image_source *s, const struct wcow_descriptor *desc,
                              struct wcow_layer_tar **ret, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_content_reader_free_p) struct wcow_content_reader *reader = NULL;
    int r = wcow_content_reader_open(&s->backend->ctx, s->backend->content_root, desc->digest.text,
                                     desc->size_bytes, &reader, err);
    if (r < 0)
        return r;
    const struct wcow_source source = wcow_content_reader_source(reader);
    return take_blob(&source, desc, ret, err);
}

int wcow_image_source_blob(const struct wcow_image_source *s, const struct wcow_descriptor *desc,
                           struct wcow_layer_tar **ret, struct wcow_error *err)
{
    if (s->folder)
        return open_in_folder(s, desc, ret, err);
    if (s->backend)
        return open_in_containerd(s, desc, ret, err);
    struct wcow_source source = {0};
    int r = archive_blob(s, &desc->digest, &source, err);
    return r < 0 ? r : take_blob(&source, desc, ret, err);
}

int wcow_image_source_layer(const struct wcow_image_source *source, size_t i,
                            struct wcow_layer_tar **ret, struct wcow_error *err)
{
    int r = wcow_image_source_blob(source, &source->manifest.layers[i], ret, err);
    return r < 0 ? wcow_error_wrap(r, err, "%s, layer %zu", source->name, i + 1) : r;
}

/* ---- documents ---- */

int wcow_image_source_document(const struct wcow_image_source *s,
                               const struct wcow_descriptor *desc, struct wcow_buf *out,
                               struct wcow_error *err)
{
    if (s->backend)
        return wcow_content_read_all(&s->backend->ctx, desc->digest.text, WCOW_CONFIG_MAX_BYTES,
                                     out, err);
    WCOW_CLEANUP(wcow_layer_tar_free_p) struct wcow_layer_tar *tar = NULL;
    struct wcow_source source = {0};
    out->max_bytes = WCOW_CONFIG_MAX_BYTES;
    const struct wcow_sink sink = wcow_buf_sink(out);
    int r = wcow_image_source_blob(s, desc, &tar, err);
    if (r == WCOW_OK)
        r = wcow_layer_tar_raw(tar, &source, err);
    return r != WCOW_OK ? r : copy_checked(&source, desc, &sink, err);
}

/* It has no descriptor. */
int wcow_image_source_top(const struct wcow_image_source *s, struct wcow_buf *out,
                          struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_layer_tar_free_p) struct wcow_layer_tar *tar = NULL;
    struct wcow_source source = {0};
    wcow_autobuf path = {0};
    out->max_bytes = WCOW_MANIFEST_MAX_BYTES;
    int r = WCOW_OK;
    if (s->folder) {
        r = wcow_buf_addf(&path, err, "%s/index.json", s->folder);
        if (r == WCOW_OK)
            r = wcow_layer_tar_open((const char *)path.data, &tar, err);
        if (r == WCOW_OK)
            r = wcow_layer_tar_raw(tar, &source, err);
    } else {
        r = archive_file(s, "index.json", &source, err);
    }
    return r < 0 ? r : wcow_buf_add_source(out, &source, err);
}
