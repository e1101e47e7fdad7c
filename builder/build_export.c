/* SPDX-License-Identifier: Apache-2.0 */
/* The target's image: completed, stored, named, pushed, written to files. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/beneath.h"
#include "base/fd.h"
#include "builder/build_internal.h"
#include "builder/json_text.h"
#include "builder/output_files.h"

struct export
{
    struct wcow_build *build;
    struct wcow_built_image image;
    struct wcow_str_list names; /* normalised */
    struct wcow_output *outputs;
    size_t n_outputs;
    unsigned step;
};

/* ---- what was asked for ---- */

static int add_name(struct export *e, const char *text, struct wcow_error *err)
{
    struct wcow_reference ref;
    wcow_autobuf name = {0};
    int r = wcow_reference_parse(text, &ref, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "the name \"%s\"", text);
    if (ref.digest.text[0])
        return WCOW_FAIL(err, WCOW_E_INVALID, "the name \"%s\" has a digest; leave it out", text);
    wcow_reference_set_default_tag(&ref);
    r = wcow_reference_format(&ref, &name, err);
    for (size_t i = 0; r == WCOW_OK && i < e->names.count; i++) {
        if (strcmp(e->names.items[i], (const char *)name.data) == 0)
            return WCOW_OK;
    }
    return r < 0 ? r : wcow_str_list_add(&e->names, (const char *)name.data, err);
}

static int add_output_names(struct export *e, const struct wcow_output *o, struct wcow_error *err)
{
    if (!o->name)
        return WCOW_OK;
    return add_name(e, o->name, err);
}

static int parse_output(struct export *e, const char *text, struct wcow_error *err)
{
    int r = wcow_output_parse(text, &e->outputs[e->n_outputs], err);
    if (r == WCOW_OK)
        e->n_outputs++;
    return r;
}

static bool has_image_output(const struct export *e)
{
    for (size_t i = 0; i < e->n_outputs; i++) {
        if (e->outputs[i].type == WCOW_OUTPUT_IMAGE)
            return true;
    }
    return false;
}

/* Those that --output names; an image where it names none, or none that --push could push. */
static int parse_outputs(struct export *e, struct wcow_error *err)
{
    const struct wcow_build_options *o = e->build->options;
    e->outputs = calloc(o->outputs.count + 1, sizeof(*e->outputs));
    if (!e->outputs)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for --output");
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < o->outputs.count; i++)
        r = parse_output(e, o->outputs.items[i], err);
    if (r == WCOW_OK && (e->n_outputs == 0 || (o->push && !has_image_output(e))))
        r = parse_output(e, "type=image", err);
    return r;
}

static int take_outputs(struct export *e, struct wcow_error *err)
{
    const struct wcow_build_options *o = e->build->options;
    int r = parse_outputs(e, err);
    for (size_t i = 0; r == WCOW_OK && i < o->tags.count; i++)
        r = add_name(e, o->tags.items[i], err);
    for (size_t i = 0; r == WCOW_OK && i < e->n_outputs; i++)
        r = add_output_names(e, &e->outputs[i], err);
    bool pushes = o->push;
    for (size_t i = 0; r == WCOW_OK && i < e->n_outputs; i++)
        pushes |= e->outputs[i].push;
    if (r == WCOW_OK && pushes && e->names.count == 0)
        r = WCOW_FAIL(err, WCOW_E_INVALID, "--push needs a name to push to: -t REGISTRY/NAME:TAG");
    return r;
}

/* ---- the image ---- */

static int set_pair(const char *text, const char *option, char **ret_key, const char **ret_value,
                    struct wcow_error *err)
{
    const char *equals = strchr(text, '=');
    if (!equals || equals == text)
        return WCOW_FAIL(err, WCOW_E_INVALID, "%s %s is not key=value", option, text);
    *ret_key = strndup(text, (size_t)(equals - text));
    *ret_value = equals + 1;
    return *ret_key ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for %s", option);
}

/* The key less the level that it may name. There is no index to have annotations. */
static int annotation_name(const char *key, const char **ret, struct wcow_error *err)
{
    static const char *const others[] = {"index:", "index-descriptor:", "manifest-descriptor:"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        if (strncmp(key, others[i], strlen(others[i])) == 0)
            return WCOW_FAIL(err, WCOW_E_UNSUPPORTED,
                             "--annotation %s: this build makes a manifest and no index; the level "
                             "is \"manifest:\"",
                             key);
    }
    *ret = strncmp(key, "manifest:", 9) == 0 ? key + 9 : key;
    return WCOW_OK;
}

static int complete_config(struct export *e, struct wcow_stage_state *s, struct wcow_error *err)
{
    const struct wcow_build *b = e->build;
    int r = wcow_image_config_set_created(s->config, s->created_s, 0, err);
    for (size_t i = 0; r == WCOW_OK && i < b->options->labels.count; i++) {
        wcow_autofree char *key = NULL;
        const char *value = NULL;
        r = set_pair(b->options->labels.items[i], "--label", &key, &value, err);
        if (r == WCOW_OK)
            r = wcow_image_config_set_label(s->config, key, value, err);
    }
    for (size_t i = 0; r == WCOW_OK && i < b->options->annotations.count; i++) {
        wcow_autofree char *key = NULL;
        const char *value = NULL;
        r = set_pair(b->options->annotations.items[i], "--annotation", &key, &value, err);
        const char *name = NULL;
        if (r == WCOW_OK)
            r = annotation_name(key, &name, err);
        if (r == WCOW_OK)
            r = wcow_str_map_set(&e->image.annotations, name, value, err);
    }
    e->image.config = s->config;
    e->image.layers = s->descs;
    e->image.n_layers = s->n_descs;
    e->image.base = s->base;
    e->image.created_s = s->created_s;
    return r;
}

/* Manifest and layers as a local image, for unpacking. */
static int unpack(struct export *e, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_local_image_done) struct wcow_local_image image = {0};
    int r = wcow_manifest_parse(e->image.manifest_data.data, e->image.manifest_data.len, NULL,
                                &image.manifest, err);
    if (r == WCOW_OK)
        r = wcow_image_config_copy(e->image.config, &image.config, err);
    return r < 0 ? r : wcow_image_unpack(e->build->backend, &image, e->step, err);
}

static int export_image(struct export *e, const struct wcow_output *o, struct wcow_error *err)
{
    struct wcow_backend *backend = e->build->backend;
    int r = WCOW_OK;
    if (o->store && e->names.count)
        r = wcow_build_need_layers(e->build, wcow_build_target_of(e->build, 0), e->step, err);
    for (size_t i = 0; o->store && r == WCOW_OK && i < e->names.count; i++)
        r = wcow_output_name(backend, &e->image, e->names.items[i], e->step, err);
    if (r == WCOW_OK && o->unpack)
        r = unpack(e, err);
    if (r < 0 || !(o->push || e->build->options->push))
        return r;
    for (size_t i = 0; r == WCOW_OK && i < e->names.count; i++)
        r = wcow_output_push(backend, &e->image, e->names.items[i], e->step, err);
    return r;
}

/* ---- --iidfile, --metadata-file ---- */

static int write_file(const char *path, const struct wcow_buf *text, struct wcow_error *err)
{
    wcow_autoclose int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "create %s", path);
    return wcow_fd_write(fd, text->data, text->len, path, err);
}

static int write_metadata(const struct export *e, const char *path, struct wcow_error *err)
{
    wcow_autobuf text = {0};
    wcow_autobuf names = {0};
    const struct wcow_descriptor *d = &e->image.manifest_desc;
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < e->names.count; i++)
        r = wcow_buf_addf(&names, err, "%s%s", i ? "," : "", e->names.items[i]);
    if (r == WCOW_OK)
        r = wcow_buf_addf(&text, err,
                          "{\n  \"containerimage.config.digest\": \"%s\",\n"
                          "  \"containerimage.descriptor\": {\n    \"mediaType\": \"%s\",\n"
                          "    \"digest\": \"%s\",\n    \"size\": %llu\n  },\n"
                          "  \"containerimage.digest\": \"%s\",\n  \"image.name\": ",
                          e->image.config_desc.digest.text, d->media_type, d->digest.text,
                          (unsigned long long)d->size_bytes, d->digest.text);
    if (r == WCOW_OK)
        r = wcow_json_text_add(&text, names.data ? (const char *)names.data : "", err);
    if (r == WCOW_OK)
        r = wcow_buf_add_str(&text, "\n}\n", err);
    return r < 0 ? r : write_file(path, &text, err);
}

static int write_files(const struct export *e, struct wcow_error *err)
{
    const struct wcow_build_options *o = e->build->options;
    wcow_autobuf id = {0};
    int r = wcow_buf_add_str(&id, e->image.manifest_desc.digest.text, err);
    if (r == WCOW_OK && o->iidfile)
        r = write_file(o->iidfile, &id, err);
    if (r == WCOW_OK && o->metadata_file)
        r = write_metadata(e, o->metadata_file, err);
    return r;
}

/* ---- files ---- */

static int export_files(struct export *e, const struct wcow_output *o, struct wcow_error *err)
{
    struct wcow_build *b = e->build;
    struct wcow_stage_state *s = wcow_build_target_of(b, 0);
    int r = wcow_build_sync_layers(b, s, e->step, err);
    if (r < 0)
        return r;
    wcow_autobuf text = {0};
    if (wcow_buf_addf(&text, NULL, "copying files to %s", o->dest) == WCOW_OK)
        wcow_progress_status(b->progress, e->step, (const char *)text.data, 0, 0, false);
    r = o->type == WCOW_OUTPUT_TAR
            ? wcow_files_to_tar(&s->layers, o->dest, b->options->cancel, err)
            : wcow_files_to_folder(&s->layers, o->dest, b->options->cancel, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "--output %s", o->dest);
    if (text.len)
        wcow_progress_status(b->progress, e->step, (const char *)text.data, 0, 0, true);
    return WCOW_OK;
}

/* ---- all ---- */

static int export_one(struct export *e, const struct wcow_output *o, struct wcow_error *err)
{
    switch (o->type) {
    case WCOW_OUTPUT_IMAGE:
        return export_image(e, o, err);
    case WCOW_OUTPUT_LOCAL:
    case WCOW_OUTPUT_TAR:
        return export_files(e, o, err);
    case WCOW_OUTPUT_OCI:
    case WCOW_OUTPUT_DOCKER:
        break;
    }
    int r = wcow_build_need_layers(e->build, wcow_build_target_of(e->build, 0), e->step, err);
    return r < 0 ? r
                 : wcow_output_archive(e->build->backend, &e->image, o, &e->names, e->step, err);
}

static int export_all(struct export *e, struct wcow_error *err)
{
    int r = wcow_output_store(e->build->backend, &e->image, e->step, err);
    for (size_t i = 0; r == WCOW_OK && i < e->n_outputs; i++)
        r = export_one(e, &e->outputs[i], err);
    return r < 0 ? r : write_files(e, err);
}

int wcow_build_check_outputs(struct wcow_build *b, struct wcow_error *err)
{
    struct export e = {.build = b};
    int r = take_outputs(&e, err);
    for (size_t i = 0; e.outputs && i < e.n_outputs; i++)
        wcow_output_done(&e.outputs[i]);
    free(e.outputs);
    wcow_str_list_done(&e.names);
    return r;
}

int wcow_build_export(struct wcow_build *b, struct wcow_build_result *ret, struct wcow_error *err)
{
    struct wcow_stage_state *s = wcow_build_target_of(b, 0);
    struct export e = {.build = b};
    int r = take_outputs(&e, err);
    if (r == WCOW_OK)
        r = complete_config(&e, s, err);
    if (r == WCOW_OK) {
        e.step = wcow_progress_start(b->progress, "exporting to image");
        r = export_all(&e, err);
        enum wcow_progress_end end = WCOW_PROGRESS_DONE;
        if (r < 0)
            end = r == WCOW_E_CANCELLED ? WCOW_PROGRESS_CANCELED : WCOW_PROGRESS_ERROR;
        wcow_progress_end(b->progress, e.step, end, r < 0 && err ? err->msg : NULL);
    }
    if (r == WCOW_OK) {
        ret->image = e.image.manifest_desc.digest;
        ret->config = e.image.config_desc.digest;
    }
    for (size_t i = 0; e.outputs && i < e.n_outputs; i++)
        wcow_output_done(&e.outputs[i]);
    free(e.outputs);
    wcow_str_list_done(&e.names);
    wcow_built_image_done(&e.image);
    return r;
}
