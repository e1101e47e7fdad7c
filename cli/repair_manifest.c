/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/repair_manifest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/repair_layer.h"

struct mending {
    struct wcow_manifest_repair *q;
    /* What is below the layer at hand, nearest first. */
    struct wcow_layer_tar **tars;
    struct wcow_entry_list **lists;
    struct wcow_layer_view *views;
    size_t n;
};

static void mending_done(struct mending *j)
{
    for (size_t i = 0; i < j->q->image->manifest.layer_count; i++) {
        if (j->tars)
            wcow_layer_tar_free(j->tars[i]);
        if (j->lists)
            wcow_entry_list_free(j->lists[i]);
    }
    free(j->tars);
    free(j->lists);
    free(j->views);
}

/* ---- layers ---- */

/* @p tar lies below all that comes; takes it. */
static int push(struct mending *j, struct wcow_layer_tar *tar, struct wcow_error *err)
{
    j->tars[j->n] = tar;
    int r = wcow_layer_tar_list(tar, &j->lists[j->n], err);
    if (r < 0)
        return r;
    memmove(j->views + 1, j->views, j->n * sizeof(*j->views));
    j->views[0] = wcow_entry_list_view(j->lists[j->n++]);
    return WCOW_OK;
}

/* The digest and the size of a file. */
static int measure(struct wcow_layer_tar *tar, struct wcow_digest *ret, uint64_t *ret_size,
                   struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_hash_free_p) struct wcow_hash *hash = NULL;
    struct wcow_source source = {0};
    uint64_t size = 0;
    int r = wcow_hash_new(&hash, err);
    if (r == WCOW_OK)
        r = wcow_layer_tar_raw(tar, &source, err);
    while (r == WCOW_OK) {
        const uint8_t *data = NULL;
        size_t len = 0;
        r = wcow_source_next(&source, &data, &len, err);
        if (r < 0 || !len)
            break;
        wcow_hash_add(hash, data, len);
        size += len;
    }
    *ret_size = size;
    return r < 0 ? r : wcow_hash_digest(hash, ret, err);
}

static bool ends_with(const char *text, const char *end)
{
    size_t a = strlen(text);
    size_t b = strlen(end);
    return a >= b && strcmp(text + a - b, end) == 0;
}

static const char *compression_of(const char *media_type)
{
    return ends_with(media_type, "zstd") ? "zstd" : ends_with(media_type, "gzip") ? "gzip" : "none";
}

/* A layer that was mended is nobody's but ours: what was not to be distributed is another one. */
static const char *own_media_type(const char *media_type)
{
    static const char *const pairs[][2] = {
        {WCOW_MEDIA_OCI_FOREIGN, WCOW_MEDIA_OCI_LAYER},
        {WCOW_MEDIA_OCI_FOREIGN_GZIP, WCOW_MEDIA_OCI_LAYER_GZIP},
        {WCOW_MEDIA_OCI_FOREIGN_ZSTD, WCOW_MEDIA_OCI_LAYER_ZSTD},
        {WCOW_MEDIA_DOCKER_FOREIGN, WCOW_MEDIA_DOCKER_LAYER},
        {WCOW_MEDIA_DOCKER_FOREIGN_GZIP, WCOW_MEDIA_DOCKER_LAYER_GZIP},
    };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
        if (strcmp(media_type, pairs[i][0]) == 0)
            return pairs[i][1];
    return media_type;
}

static int add_blob(struct wcow_oci_writer *writer, struct wcow_layer_tar *tar,
                    const struct wcow_descriptor *desc, struct wcow_error *err)
{
    struct wcow_source source = {0};
    int r = wcow_layer_tar_raw(tar, &source, err);
    return r < 0 ? r
                 : wcow_oci_writer_add_blob(writer, desc->digest.text, desc->size_bytes, &source,
                                            err);
}

/* What was written to the scratch file takes the layer's place. */
static int replace_layer(struct mending *j, size_t i, const struct wcow_digest *diff_id,
                         struct wcow_error *err)
{
    struct wcow_descriptor *desc = &j->q->image->manifest.layers[i];
    WCOW_CLEANUP(wcow_layer_tar_free_p) struct wcow_layer_tar *tar = NULL;
    wcow_auto_descriptor made = {0};
    struct wcow_digest digest = {0};
    uint64_t size = 0;
    int r = wcow_layer_tar_open(j->q->scratch, &tar, err);
    if (r == WCOW_OK)
        r = measure(tar, &digest, &size, err);
    if (r == WCOW_OK)
        r = wcow_descriptor_init(&made, own_media_type(desc->media_type), digest.text, size, err);
    if (r == WCOW_OK)
        r = add_blob(j->q->writer, tar, &made, err);
    if (r == WCOW_OK)
        r = wcow_image_config_set_diff_id(j->q->image->config, i, diff_id->text, err);
    if (r < 0)
        return r;
    struct wcow_str_map annotations = desc->annotations;
    desc->annotations = made.annotations;
    made.annotations = annotations;
    wcow_descriptor_done(desc);
    *desc = made;
    made = (struct wcow_descriptor){0};
    (void)unlink(j->q->scratch);
    return push(j, WCOW_TAKE_PTR(tar), err);
}

/* First only look: most layers have nothing to mend. */
static int mend_layer(struct mending *j, size_t i, struct wcow_error *err)
{
    struct wcow_manifest_repair *q = j->q;
    char place[128];
    (void)snprintf(place, sizeof(place), "%slayer %zu: ", q->place, i + 1);
    const struct wcow_chain parents = {.layers = j->views, .n_layers = j->n};
    struct wcow_mending m = {.dry_run = true,
                             .quiet = true,
                             .is_silent = true,
                             .is_base = i == 0,
                             .is_diff = i > 0,
                             .parents = i > 0 ? &parents : NULL,
                             .place = place};
    WCOW_CLEANUP(wcow_layer_tar_free_p) struct wcow_layer_tar *tar = NULL;
    int r = wcow_image_source_layer(q->image, i, &tar, err);
    if (r == WCOW_OK)
        r = wcow_mend_layer(&m, tar, err);
    if (r < 0)
        return r;
    bool is_good = !m.n_mended;
    m.quiet = q->quiet;
    m.is_silent = false;
    m.dry_run = !q->writer || is_good;
    m.output = q->scratch;
    m.compression = compression_of(q->image->manifest.layers[i].media_type);
    r = wcow_mend_layer(&m, tar, err);
    if (r < 0)
        return r;
    q->n_mended += m.n_mended;
    q->n_left += m.n_left;
    if (!m.dry_run)
        return replace_layer(j, i, &m.diff_id, err);
    r = q->writer ? add_blob(q->writer, tar, &q->image->manifest.layers[i], err) : WCOW_OK;
    return r < 0 ? r : push(j, WCOW_TAKE_PTR(tar), err);
}

/* ---- documents ---- */

/* As it stands in the image, whose size need not be known yet. */
static int keep_document(const struct wcow_image_source *image, struct wcow_oci_writer *writer,
                         struct wcow_descriptor *desc, struct wcow_error *err)
{
    wcow_autobuf text = {0};
    struct wcow_digest ignored = {0};
    int r = wcow_image_source_document(image, desc, &text, err);
    desc->size_bytes = text.len;
    return r < 0 ? r : wcow_oci_writer_add_bytes(writer, text.data, text.len, &ignored, err);
}

static int add_document(struct wcow_oci_writer *writer, const struct wcow_buf *text,
                        struct wcow_descriptor *desc, struct wcow_error *err)
{
    desc->size_bytes = text->len;
    return wcow_oci_writer_add_bytes(writer, text->data, text->len, &desc->digest, err);
}

/* Where nothing was mended nothing is written anew: another writer's JSON may look different. */
static int write_documents(const struct wcow_manifest_repair *q, struct wcow_descriptor *desc,
                           struct wcow_error *err)
{
    struct wcow_manifest *manifest = &q->image->manifest;
    wcow_autobuf config = {0};
    wcow_autobuf text = {0};
    if (!q->n_mended && !q->image->n_files) {
        int r = keep_document(q->image, q->writer, &manifest->config, err);
        return r < 0 ? r : keep_document(q->image, q->writer, desc, err);
    }
    int r = wcow_image_config_write(q->image->config, &config, err);
    if (r == WCOW_OK && !q->n_mended)
        r = keep_document(q->image, q->writer, &manifest->config, err);
    else if (r == WCOW_OK)
        r = add_document(q->writer, &config, &manifest->config, err);
    if (r == WCOW_OK)
        r = wcow_manifest_write(manifest, &text, err);
    return r < 0 ? r : add_document(q->writer, &text, desc, err);
}

int wcow_repair_manifest(struct wcow_manifest_repair *repair, struct wcow_descriptor *desc,
                         struct wcow_error *err)
{
    size_t n = repair->image->manifest.layer_count;
    WCOW_CLEANUP(mending_done) struct mending j = {.q = repair};
    j.tars = calloc(n + 1, sizeof(struct wcow_layer_tar *));
    j.lists = calloc(n + 1, sizeof(struct wcow_entry_list *));
    j.views = calloc(n + 1, sizeof(*j.views));
    if (!j.tars || !j.lists || !j.views)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for an image");
    repair->n_mended = repair->n_left = 0;
    for (size_t i = 0; i < n; i++) {
        int r = mend_layer(&j, i, err);
        if (r < 0)
            return wcow_error_wrap(r, err, "%slayer %zu", repair->place, i + 1);
    }
    return repair->writer ? write_documents(repair, desc, err) : WCOW_OK;
}

static int copy_blob(const struct wcow_image_source *image, struct wcow_oci_writer *writer,
                     const struct wcow_descriptor *desc, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_layer_tar_free_p) struct wcow_layer_tar *tar = NULL;
    int r = wcow_image_source_blob(image, desc, &tar, err);
    return r < 0 ? r : add_blob(writer, tar, desc, err);
}

int wcow_repair_keep_manifest(const struct wcow_image_source *image, struct wcow_oci_writer *writer,
                              const struct wcow_descriptor *desc, struct wcow_error *err)
{
    wcow_autobuf text = {0};
    wcow_auto_manifest manifest = {0};
    struct wcow_digest ignored = {0};
    int r = wcow_image_source_document(image, desc, &text, err);
    if (r == WCOW_OK)
        r = wcow_manifest_parse(text.data, text.len, desc->media_type, &manifest, err);
    if (r == WCOW_OK)
        r = copy_blob(image, writer, &manifest.config, err);
    for (size_t i = 0; r == WCOW_OK && i < manifest.layer_count; i++)
        r = copy_blob(image, writer, &manifest.layers[i], err);
    return r < 0 ? r : wcow_oci_writer_add_bytes(writer, text.data, text.len, &ignored, err);
}
