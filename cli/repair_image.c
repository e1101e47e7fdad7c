/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/repair_image.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/beneath.h"
#include "cli/image_source.h"
#include "cli/repair_layer.h"
#include "differ/host_tree.h"
#include "image/oci_layout.h"

#define REF_NAME        "org.opencontainers.image.ref.name"
#define CONTAINERD_NAME "io.containerd.image.name"

struct job {
    const struct wcow_image_repair *q;
    struct wcow_image_source image;
    struct wcow_backend *backend; /* of an image of containerd */
    struct wcow_oci_directory *directory;
    struct wcow_oci_writer *writer;
    char *scratch; /* name of the file that a mended layer is written to */
    /* What is below the layer at hand, nearest first. */
    struct wcow_layer_tar **tars;
    struct wcow_entry_list **lists;
    struct wcow_layer_view *views;
    size_t n;
    uint64_t n_mended;
    uint64_t n_left;
};

static void job_done(struct job *j)
{
    for (size_t i = 0; i < j->image.manifest.layer_count; i++) {
        if (j->tars)
            wcow_layer_tar_free(j->tars[i]);
        if (j->lists)
            wcow_entry_list_free(j->lists[i]);
    }
    if (j->scratch)
        (void)unlink(j->scratch);
    free(j->tars);
    free(j->lists);
    free(j->views);
    free(j->scratch);
    wcow_oci_writer_free(j->writer);
    wcow_oci_directory_free(j->directory);
    wcow_image_source_done(&j->image);
    wcow_backend_free(j->backend);
}

static int nomem(struct wcow_error *err)
{
    return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for an image");
}

int wcow_repair_is_image(const char *text, struct wcow_error *err)
{
    wcow_autofree char *path = NULL;
    wcow_autofree char *tag = NULL;
    struct stat st;
    int r = wcow_image_layout_name(text, &path, &tag, err);
    if (r != 0)
        return r;
    bool is_file = strcmp(text, "-") == 0 || text[0] == '/' || text[0] == '.';
    return !is_file && stat(text, &st) < 0;
}

/* ---- where it comes from and goes to ---- */

static int open_in_containerd(struct job *j, struct wcow_error *err)
{
    const struct wcow_target_options *o = j->q->where;
    const struct wcow_backend_options options = {
        .address = o->place.address, .ns = o->place.ns, .snapshotter = o->snapshotter};
    struct wcow_platform platform;
    WCOW_CLEANUP(wcow_local_image_done) struct wcow_local_image local = {0};
    int r = wcow_platform_parse(o->platform, &platform, err);
    if (r == WCOW_OK)
        r = wcow_backend_new(&options, &j->backend, err);
    if (r == WCOW_OK)
        r = wcow_image_find(j->backend, j->q->input, &platform, &local, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "\"%s\" is no file, and as an image", j->q->input);
    return wcow_image_source_of(j->backend, &local, &j->image, err);
}

static int open_input(struct job *j, struct wcow_error *err)
{
    wcow_autofree char *path = NULL;
    wcow_autofree char *tag = NULL;
    int r = wcow_image_layout_name(j->q->input, &path, &tag, err);
    if (r < 0)
        return r;
    r = r > 0 ? wcow_image_source_open(path, tag, j->q->where->platform, &j->image, err)
              : open_in_containerd(j, err);
    if (r < 0)
        return r;
    size_t n = j->image.manifest.layer_count;
    j->tars = calloc(n + 1, sizeof(struct wcow_layer_tar *));
    j->lists = calloc(n + 1, sizeof(struct wcow_entry_list *));
    j->views = calloc(n + 1, sizeof(*j->views));
    return j->tars && j->lists && j->views ? WCOW_OK : nomem(err);
}

static int open_output(struct job *j, struct wcow_error *err)
{
    struct stat st;
    if (j->q->dry_run)
        return WCOW_OK;
    if (stat(j->q->output, &st) == 0)
        return WCOW_FAIL(err, WCOW_E_EXISTS,
                         "\"%s\" is there already; a mended image goes into a new folder",
                         j->q->output);
    if (asprintf(&j->scratch, "%s/.layer", j->q->output) < 0) {
        j->scratch = NULL;
        return nomem(err);
    }
    int r = wcow_oci_directory_open(j->q->output, &j->directory, err);
    if (r < 0)
        return r;
    const struct wcow_oci_output output = wcow_oci_directory_output(j->directory);
    return wcow_oci_writer_new(&output, &j->writer, err);
}

/* ---- layers ---- */

/* @p tar lies below all that comes; takes it. */
static int push(struct job *j, struct wcow_layer_tar *tar, struct wcow_error *err)
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

static int add_blob(struct job *j, struct wcow_layer_tar *tar, const struct wcow_descriptor *desc,
                    struct wcow_error *err)
{
    struct wcow_source source = {0};
    int r = wcow_layer_tar_raw(tar, &source, err);
    return r < 0 ? r
                 : wcow_oci_writer_add_blob(j->writer, desc->digest.text, desc->size_bytes, &source,
                                            err);
}

/* What was written to the scratch file takes the layer's place. */
static int replace_layer(struct job *j, size_t i, const struct wcow_digest *diff_id,
                         struct wcow_error *err)
{
    struct wcow_descriptor *desc = &j->image.manifest.layers[i];
    WCOW_CLEANUP(wcow_layer_tar_free_p) struct wcow_layer_tar *tar = NULL;
    wcow_auto_descriptor made = {0};
    struct wcow_digest digest = {0};
    uint64_t size = 0;
    int r = wcow_layer_tar_open(j->scratch, &tar, err);
    if (r == WCOW_OK)
        r = measure(tar, &digest, &size, err);
    if (r == WCOW_OK)
        r = wcow_descriptor_init(&made, own_media_type(desc->media_type), digest.text, size, err);
    if (r == WCOW_OK)
        r = add_blob(j, tar, &made, err);
    if (r == WCOW_OK)
        r = wcow_image_config_set_diff_id(j->image.config, i, diff_id->text, err);
    if (r < 0)
        return r;
    struct wcow_str_map annotations = desc->annotations;
    desc->annotations = made.annotations;
    made.annotations = annotations;
    wcow_descriptor_done(desc);
    *desc = made;
    made = (struct wcow_descriptor){0};
    (void)unlink(j->scratch);
    return push(j, WCOW_TAKE_PTR(tar), err);
}

/* First only look: most layers have nothing to mend. */
static int mend_layer(struct job *j, size_t i, struct wcow_error *err)
{
    char place[32];
    (void)snprintf(place, sizeof(place), "layer %zu: ", i + 1);
    const struct wcow_chain parents = {.layers = j->views, .n_layers = j->n};
    struct wcow_mending m = {.dry_run = true,
                             .quiet = true,
                             .is_silent = true,
                             .is_base = i == 0,
                             .is_diff = i > 0,
                             .parents = i > 0 ? &parents : NULL,
                             .place = place};
    WCOW_CLEANUP(wcow_layer_tar_free_p) struct wcow_layer_tar *tar = NULL;
    int r = wcow_image_source_layer(&j->image, i, &tar, err);
    if (r == WCOW_OK)
        r = wcow_mend_layer(&m, tar, err);
    if (r < 0)
        return r;
    bool is_good = !m.n_mended;
    m.quiet = j->q->quiet;
    m.is_silent = false;
    m.dry_run = j->q->dry_run || is_good;
    m.output = j->scratch;
    m.compression = compression_of(j->image.manifest.layers[i].media_type);
    r = wcow_mend_layer(&m, tar, err);
    if (r < 0)
        return r;
    j->n_mended += m.n_mended;
    j->n_left += m.n_left;
    if (!m.dry_run)
        return replace_layer(j, i, &m.diff_id, err);
    r = j->writer ? add_blob(j, tar, &j->image.manifest.layers[i], err) : WCOW_OK;
    return r < 0 ? r : push(j, WCOW_TAKE_PTR(tar), err);
}

/* ---- documents ---- */

static int add_document(struct job *j, const struct wcow_buf *text, struct wcow_descriptor *desc,
                        struct wcow_error *err)
{
    int r = wcow_oci_writer_add_bytes(j->writer, text->data, text->len, &desc->digest, err);
    desc->size_bytes = text->len;
    return r;
}

static int name_entry(struct job *j, struct wcow_error *err)
{
    struct wcow_str_map *names = &j->image.entry.annotations;
    struct wcow_reference ref;
    wcow_autobuf full = {0};
    const char *tag = j->q->tag;
    if (!tag && j->backend)
        tag = j->image.name;
    if (!tag)
        return WCOW_OK;
    int r = wcow_str_map_set(names, REF_NAME, tag, err);
    /* A tag alone names no image of containerd. */
    if (r < 0 || !strpbrk(tag, "/:") || wcow_reference_parse(tag, &ref, NULL) < 0)
        return r;
    wcow_reference_set_default_tag(&ref);
    r = wcow_reference_format(&ref, &full, err);
    return r < 0 ? r : wcow_str_map_set(names, CONTAINERD_NAME, (const char *)full.data, err);
}

static int write_documents(struct job *j, struct wcow_error *err)
{
    wcow_autobuf config = {0};
    wcow_autobuf manifest = {0};
    int r = wcow_image_config_write(j->image.config, &config, err);
    if (r == WCOW_OK)
        r = add_document(j, &config, &j->image.manifest.config, err);
    if (r == WCOW_OK)
        r = wcow_manifest_write(&j->image.manifest, &manifest, err);
    if (r == WCOW_OK)
        r = add_document(j, &manifest, &j->image.entry, err);
    if (r == WCOW_OK)
        r = name_entry(j, err);
    return r < 0 ? r : wcow_oci_writer_finish(j->writer, &j->image.entry, 1, err);
}

int wcow_repair_image(const struct wcow_image_repair *repair, uint64_t *ret_n_left,
                      struct wcow_error *err)
{
    WCOW_CLEANUP(job_done) struct job j = {.q = repair};
    int r = open_input(&j, err);
    if (r == WCOW_OK)
        r = open_output(&j, err);
    for (size_t i = 0; r == WCOW_OK && i < j.image.manifest.layer_count; i++) {
        r = mend_layer(&j, i, err);
        if (r < 0)
            (void)wcow_error_wrap(r, err, "layer %zu", i + 1);
    }
    if (r == WCOW_OK && j.writer)
        r = write_documents(&j, err);
    if (r < 0) {
        /* Nothing was there before. */
        if (j.directory && wcow_host_remove(AT_FDCWD, repair->output, NULL) < 0)
            (void)fprintf(stderr, "wcow repair: \"%s\" is left unfinished\n", repair->output);
        return r;
    }
    if (j.writer)
        (void)fprintf(stderr, "manifest: %s\n", j.image.entry.digest.text);
    *ret_n_left = j.n_left;
    return WCOW_OK;
}
