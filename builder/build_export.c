/* SPDX-License-Identifier: Apache-2.0 */
/* The targets' images, out: completed, stored, named, pushed, written to files. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/beneath.h"
#include "base/fd.h"
#include "builder/build_caches.h"
#include "builder/build_provenance.h"
#include "builder/output_files.h"
#include "image/build_metadata.h"
#include "layer/filetime.h"

struct export
{
    struct wcow_build *build;
    const struct wcow_build_asked *asked;
    struct wcow_built built;
    struct wcow_build_provenance provenance;
};

/* ---- the images ---- */

static int set_labels(const struct wcow_build *b, struct wcow_image_config *config,
                      struct wcow_error *err)
{
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < b->options->labels.count; i++) {
        const char *text = b->options->labels.items[i];
        const char *equals = strchr(text, '=');
        if (!equals || equals == text)
            return WCOW_FAIL(err, WCOW_E_INVALID, "--label %s is not key=value", text);
        wcow_autofree char *key = strndup(text, (size_t)(equals - text));
        r = key ? wcow_image_config_set_label(config, key, equals + 1, err)
                : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for --label");
    }
    return r;
}

static int complete_image(struct export *e, size_t i, struct wcow_error *err)
{
    const struct wcow_build *b = e->build;
    struct wcow_stage_state *s = wcow_build_target_of(b, i);
    struct wcow_built_image *image = &e->built.images[i];
    const struct wcow_platform *platform = &b->variants[i].platform;
    const struct wcow_annotations *annotations = &e->asked->annotations;
    int r = wcow_image_config_set_created(s->config, s->created_s, 0, err);
    if (r == WCOW_OK)
        r = wcow_build_inline_cache(e->build, s, err);
    if (r == WCOW_OK)
        r = set_labels(b, s->config, err);
    if (r == WCOW_OK)
        r = wcow_annotations_select(annotations, WCOW_ANNOTATION_MANIFEST, platform,
                                    &image->annotations, err);
    if (r == WCOW_OK && e->asked->is_index)
        r = wcow_annotations_select(annotations, WCOW_ANNOTATION_MANIFEST_DESCRIPTOR, platform,
                                    &image->descriptor_annotations, err);
    image->config = s->config;
    image->layers = s->descs;
    image->n_layers = s->n_descs;
    image->base = s->base;
    if (s->created_s > e->built.created_s)
        e->built.created_s = s->created_s;
    return r;
}

static int complete(struct export *e, struct wcow_error *err)
{
    struct wcow_built *built = &e->built;
    const struct wcow_annotations *annotations = &e->asked->annotations;
    built->images = calloc(e->build->n_variants, sizeof(*built->images));
    if (!built->images)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for an image");
    built->n_images = e->build->n_variants;
    built->is_index = e->asked->is_index;
    int r = wcow_annotations_select(annotations, WCOW_ANNOTATION_INDEX, NULL,
                                    &built->index_annotations, err);
    if (r == WCOW_OK)
        r = wcow_annotations_select(annotations, WCOW_ANNOTATION_INDEX_DESCRIPTOR, NULL,
                                    &built->index_descriptor_annotations, err);
    for (size_t i = 0; r == WCOW_OK && i < built->n_images; i++)
        r = complete_image(e, i, err);
    return r;
}

/* ---- the documents ---- */

static int add_one(struct export *e, size_t i, unsigned step, struct wcow_error *err)
{
    struct wcow_backend *backend = e->build->backend;
    struct wcow_built_image *image = &e->built.images[i];
    int r = wcow_output_add_image(backend, &e->built, image, step, err);
    if (r < 0 || !e->asked->attest.provenance)
        return r;
    r = wcow_build_provenance_of(&e->provenance, i, image, &image->statement, err);
    image->predicate_type = WCOW_PROVENANCE_PREDICATE_TYPE;
    return r < 0 ? r : wcow_output_add_statement(backend, &e->built, image, step, err);
}

static int add_documents(struct export *e, unsigned step, struct wcow_error *err)
{
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < e->built.n_images; i++)
        r = add_one(e, i, step, err);
    return r < 0 ? r : wcow_output_add_target(e->build->backend, &e->built, step, err);
}

/* ---- containerd, registries ---- */

/* Manifest and layers as a local image, for unpacking. */
static int unpack(struct export *e, const struct wcow_built_image *built, unsigned step,
                  struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_local_image_done) struct wcow_local_image image = {0};
    int r = wcow_descriptor_copy(&built->config_desc, &image.manifest.config, err);
    for (size_t i = 0; r == WCOW_OK && i < built->n_layers; i++)
        r = wcow_manifest_add_layer(&image.manifest, &built->layers[i], err);
    if (r == WCOW_OK)
        r = wcow_image_config_copy(built->config, &image.config, err);
    return r < 0 ? r : wcow_image_unpack(e->build->backend, &image, step, err);
}

/* What is kept here, or written to a file, needs its layers; what is only pushed may not. */
static int need_layers(struct export *e, unsigned step, struct wcow_error *err)
{
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < e->build->n_variants; i++)
        r = wcow_build_need_layers(e->build, wcow_build_target_of(e->build, i), step, err);
    return r;
}

/* A build that found all its layers comes to the image that is there: nothing is written then. */
static bool is_current(const struct export *e, const struct wcow_output *o)
{
    const struct wcow_str_list *names = &e->asked->names;
    bool is = o->store && !o->push && !o->unpack && !e->build->options->push && names->count > 0;
    for (size_t i = 0; is && i < names->count; i++)
        is = wcow_output_is_current(e->build->backend, &e->built, names->items[i]);
    return is;
}

static int export_image(struct export *e, const struct wcow_output *o, unsigned step,
                        struct wcow_error *err)
{
    struct wcow_backend *backend = e->build->backend;
    const struct wcow_str_list *names = &e->asked->names;
    bool is_kept = (o->store && names->count > 0) || o->unpack;
    int r = is_kept ? need_layers(e, step, err) : WCOW_OK;
    for (size_t i = 0; o->store && r == WCOW_OK && i < names->count; i++)
        r = wcow_output_name(backend, &e->built, names->items[i], step, err);
    for (size_t i = 0; o->unpack && r == WCOW_OK && i < e->built.n_images; i++)
        r = unpack(e, &e->built.images[i], step, err);
    if (r < 0 || !(o->push || e->build->options->push))
        return r;
    for (size_t i = 0; r == WCOW_OK && i < names->count; i++)
        r = wcow_output_push(backend, &e->built, names->items[i], o->push_by_digest, step, err);
    return r;
}

/* ---- files ---- */

/* "windows/amd64" as a folder's name, as buildx has it: "windows_amd64". */
static char *folder_of(const struct wcow_platform *platform)
{
    wcow_autobuf text = {0};
    if (wcow_platform_format(platform, &text, NULL) < 0)
        return NULL;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '/')
            text.data[i] = '_';
    }
    return wcow_buf_take_str(&text);
}

static void parts_done(struct wcow_files_parts *parts)
{
    for (size_t i = 0; i < parts->n; i++) {
        free(parts->items[i].folder);
        free(parts->items[i].extra_name);
    }
    free(parts->items);
}

/* What was attested stands beside the files. */
static int take_statement(const struct export *e, size_t i, struct wcow_files_part *part,
                          struct wcow_error *err)
{
    wcow_autobuf name = {0};
    wcow_autofree char *platform = folder_of(&e->build->variants[i].platform);
    if (e->built.images[i].stored_statement.len == 0)
        return WCOW_OK;
    if (!platform)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for --output");
    bool is_shared = e->build->n_variants > 1 && !part->folder;
    int r = is_shared ? wcow_buf_addf(&name, err, "provenance.%s.json", platform)
                      : wcow_buf_add_str(&name, "provenance.json", err);
    if (r < 0)
        return r;
    part->extra = e->built.images[i].stored_statement;
    part->extra_name = wcow_buf_take_str(&name);
    return part->extra_name ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for --output");
}

static int take_part(struct export *e, const struct wcow_output *o, size_t i, unsigned step,
                     struct wcow_files_part *part, struct wcow_error *err)
{
    struct wcow_build *b = e->build;
    struct wcow_stage_state *s = wcow_build_target_of(b, i);
    int r = wcow_build_sync_layers(b, s, step, err);
    if (r < 0)
        return r;
    part->layers = &s->layers;
    part->time_s = s->created_s;
    if (b->n_variants > 1 && o->platform_split) {
        part->folder = folder_of(&b->variants[i].platform);
        if (!part->folder)
            return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for --output");
    }
    return take_statement(e, i, part, err);
}

static int take_parts(struct export *e, const struct wcow_output *o, unsigned step,
                      struct wcow_files_parts *ret, struct wcow_error *err)
{
    struct wcow_build *b = e->build;
    ret->items = calloc(b->n_variants, sizeof(*ret->items));
    if (!ret->items)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for --output");
    int r = WCOW_OK;
    for (ret->n = 0; r == WCOW_OK && ret->n < b->n_variants; ret->n++)
        r = take_part(e, o, ret->n, step, &ret->items[ret->n], err);
    if (r < 0)
        return r;
    return o->platform_split ? WCOW_OK : wcow_files_check(ret, b->options->cancel, err);
}

static int export_files(struct export *e, const struct wcow_output *o, unsigned step,
                        struct wcow_error *err)
{
    struct wcow_build *b = e->build;
    const uint64_t epoch = wcow_filetime_of_unix(b->epoch_s, 0);
    WCOW_CLEANUP(parts_done)
    struct wcow_files_parts parts = {.latest = b->has_epoch ? &epoch : NULL};
    const char *what = o->type == WCOW_OUTPUT_TAR ? "sending tarball" : "copying files";
    int r = take_parts(e, o, step, &parts, err);
    if (r < 0)
        return r;
    wcow_progress_status(b->progress, step, what, 0, 0, false);
    r = o->type == WCOW_OUTPUT_TAR ? wcow_files_to_tar(&parts, o->dest, b->options->cancel, err)
                                   : wcow_files_to_folder(&parts, o->dest, b->options->cancel, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "--output %s", o->dest);
    wcow_progress_status(b->progress, step, what, 0, 0, true);
    return WCOW_OK;
}

/* ---- --iidfile, --metadata-file ---- */

static int write_file(const char *path, const struct wcow_buf *text, struct wcow_error *err)
{
    wcow_autoclose int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "write %s", path);
    return wcow_fd_write(fd, text->data, text->len, path, err);
}

static int write_metadata(const struct export *e, const char *path, struct wcow_error *err)
{
    const struct wcow_built *built = &e->built;
    wcow_autobuf text = {0};
    const struct wcow_build_metadata metadata = {
        .target = &built->target,
        .config = built->is_index ? NULL : &built->images[0].config_desc.digest,
        .names = &e->asked->names,
        .predicates = e->provenance.predicates,
        .n_predicates = e->provenance.n_predicates};
    int r = wcow_build_metadata_write(&metadata, &text, err);
    return r < 0 ? r : write_file(path, &text, err);
}

static int write_files(const struct export *e, struct wcow_error *err)
{
    const struct wcow_build_options *o = e->build->options;
    wcow_autobuf id = {0};
    int r = wcow_buf_add_str(&id, e->built.target.digest.text, err);
    if (r == WCOW_OK && o->iidfile)
        r = write_file(o->iidfile, &id, err);
    if (r == WCOW_OK && o->metadata_file)
        r = write_metadata(e, o->metadata_file, err);
    return r;
}

/* ---- all ---- */

static const char *title_of(const struct wcow_output *o)
{
    switch (o->type) {
    case WCOW_OUTPUT_OCI:
        return "exporting to oci image format";
    case WCOW_OUTPUT_DOCKER:
        return "exporting to docker image format";
    case WCOW_OUTPUT_LOCAL:
        return "exporting to client directory";
    case WCOW_OUTPUT_TAR:
        return "exporting to client tarball";
    case WCOW_OUTPUT_IMAGE:
        break;
    }
    return "exporting to image";
}

static int export_to(struct export *e, const struct wcow_output *o, unsigned step,
                     struct wcow_error *err)
{
    int r = e->built.target.size_bytes ? WCOW_OK : add_documents(e, step, err);
    if (r == WCOW_OK && o->type == WCOW_OUTPUT_IMAGE && is_current(e, o))
        return WCOW_OK;
    if (r == WCOW_OK)
        r = wcow_output_store(e->build->backend, &e->built, err);
    if (r < 0)
        return r;
    switch (o->type) {
    case WCOW_OUTPUT_IMAGE:
        return export_image(e, o, step, err);
    case WCOW_OUTPUT_LOCAL:
    case WCOW_OUTPUT_TAR:
        return export_files(e, o, step, err);
    case WCOW_OUTPUT_OCI:
    case WCOW_OUTPUT_DOCKER:
        break;
    }
    r = need_layers(e, step, err);
    return r < 0
               ? r
               : wcow_output_archive(e->build->backend, &e->built, o, &e->asked->names, step, err);
}

static int export_one(struct export *e, const struct wcow_output *o, struct wcow_error *err)
{
    struct wcow_progress *progress = e->build->progress;
    unsigned step = wcow_progress_start(progress, title_of(o));
    int r = export_to(e, o, step, err);
    wcow_progress_end(progress, step, wcow_progress_end_of(r, false),
                      r < 0 && err ? err->msg : NULL);
    return r;
}

static int export_all(struct export *e, struct wcow_error *err)
{
    int r = complete(e, err);
    if (r == WCOW_OK && e->asked->attest.provenance)
        r = wcow_build_provenance_init(e->build, &e->provenance, err);
    for (size_t i = 0; r == WCOW_OK && i < e->asked->n_outputs; i++)
        r = export_one(e, &e->asked->outputs[i], err);
    return r < 0 ? r : write_files(e, err);
}

int wcow_build_check_outputs(struct wcow_build *b, struct wcow_error *err)
{
    wcow_autofree struct wcow_platform *platforms = calloc(b->n_variants, sizeof(*platforms));
    if (!platforms)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for --platform");
    for (size_t i = 0; i < b->n_variants; i++)
        platforms[i] = b->variants[i].platform;
    return wcow_build_asked_take(b->options, platforms, b->n_variants, &b->asked, err);
}

int wcow_build_export(struct wcow_build *b, struct wcow_build_result *ret, struct wcow_error *err)
{
    struct export e = {.build = b, .asked = &b->asked};
    int r = export_all(&e, err);
    if (r == WCOW_OK) {
        ret->image = e.built.target.digest;
        ret->uses_stdout = wcow_build_asked_stdout(&b->asked);
    }
    wcow_build_provenance_done(&e.provenance);
    wcow_built_done(&e.built);
    return r;
}
