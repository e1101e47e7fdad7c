/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/build_outputs.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void wcow_build_asked_done(struct wcow_build_asked *asked)
{
    for (size_t i = 0; i < asked->n_outputs; i++)
        wcow_output_done(&asked->outputs[i]);
    free(asked->outputs);
    wcow_str_list_done(&asked->names);
    wcow_annotations_done(&asked->annotations);
    wcow_attest_done(&asked->attest);
    *asked = (struct wcow_build_asked){0};
}

/* ---- names ---- */

static int add_name(struct wcow_build_asked *a, const char *text, struct wcow_error *err)
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
    for (size_t i = 0; r == WCOW_OK && i < a->names.count; i++) {
        if (strcmp(a->names.items[i], (const char *)name.data) == 0)
            return WCOW_OK;
    }
    return r < 0 ? r : wcow_str_list_add(&a->names, (const char *)name.data, err);
}

/* An output's names, "," between. */
static int add_names(struct wcow_build_asked *a, const char *text, struct wcow_error *err)
{
    wcow_autofree char *copy = strdup(text);
    if (!copy)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for --output");
    int r = WCOW_OK;
    char *rest = copy;
    for (char *name = strsep(&rest, ","); name && r == WCOW_OK; name = strsep(&rest, ","))
        r = add_name(a, name, err);
    return r;
}

static int take_names(struct wcow_build_asked *a, const struct wcow_build_options *o,
                      struct wcow_error *err)
{
    int r = WCOW_OK;
    bool pushes = o->push;
    for (size_t i = 0; r == WCOW_OK && i < o->tags.count; i++)
        r = add_name(a, o->tags.items[i], err);
    for (size_t i = 0; r == WCOW_OK && i < a->n_outputs; i++) {
        pushes |= a->outputs[i].push;
        if (a->outputs[i].name)
            r = add_names(a, a->outputs[i].name, err);
    }
    if (r == WCOW_OK && pushes && a->names.count == 0)
        r = WCOW_FAIL(err, WCOW_E_INVALID, "--push needs a name to push to: -t REGISTRY/NAME:TAG");
    return r;
}

/* ---- outputs ---- */

static int parse_output(struct wcow_build_asked *a, const char *text, struct wcow_error *err)
{
    int r = wcow_output_parse(text, &a->outputs[a->n_outputs], err);
    if (r == WCOW_OK)
        a->n_outputs++;
    return r;
}

static bool has_image(const struct wcow_build_asked *a)
{
    for (size_t i = 0; i < a->n_outputs; i++) {
        if (a->outputs[i].type == WCOW_OUTPUT_IMAGE)
            return true;
    }
    return false;
}

/* Those that --output names; an image where it names none, or none that --push could push. */
static int take_outputs(struct wcow_build_asked *a, const struct wcow_build_options *o,
                        struct wcow_error *err)
{
    a->outputs = calloc(o->outputs.count + 1, sizeof(*a->outputs));
    if (!a->outputs)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for --output");
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < o->outputs.count; i++)
        r = parse_output(a, o->outputs.items[i], err);
    if (r == WCOW_OK && (a->n_outputs == 0 || (o->push && !has_image(a))))
        r = parse_output(a, "type=image", err);
    return r;
}

static bool is_stdout(const struct wcow_output *o)
{
    return o->type != WCOW_OUTPUT_IMAGE && o->type != WCOW_OUTPUT_LOCAL &&
           strcmp(o->dest, "-") == 0;
}

bool wcow_build_asked_stdout(const struct wcow_build_asked *asked)
{
    for (size_t i = 0; i < asked->n_outputs; i++) {
        if (is_stdout(&asked->outputs[i]))
            return true;
    }
    return false;
}

static int check_outputs(const struct wcow_build_asked *a, size_t n_platforms,
                         struct wcow_error *err)
{
    size_t to_stdout = 0;
    for (size_t i = 0; i < a->n_outputs; i++) {
        bool is_docker = a->outputs[i].type == WCOW_OUTPUT_DOCKER;
        to_stdout += is_stdout(&a->outputs[i]);
        if (is_docker && n_platforms > 1)
            return WCOW_FAIL(err, WCOW_E_UNSUPPORTED,
                             "--output type=docker holds one image, and there are %zu platforms: "
                             "use type=oci",
                             n_platforms);
        if (is_docker && a->is_index)
            return WCOW_FAIL(err, WCOW_E_UNSUPPORTED,
                             "--output type=docker holds no attestations: use type=oci, or "
                             "--provenance=false");
    }
    if (to_stdout > 1)
        return WCOW_FAIL(err, WCOW_E_INVALID, "two outputs cannot both go to standard output");
    return !to_stdout || !isatty(STDOUT_FILENO)
               ? WCOW_OK
               : WCOW_FAIL(err, WCOW_E_INVALID,
                           "standard output is a terminal, which an archive does not go to: name "
                           "a file (dest=FILE), or lead it to one");
}

/* ---- annotations ---- */

static int take_annotations(struct wcow_build_asked *a, const struct wcow_build_options *o,
                            struct wcow_error *err)
{
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < o->annotations.count; i++)
        r = wcow_annotations_add(&a->annotations, o->annotations.items[i], err);
    for (size_t i = 0; i < a->n_outputs; i++) {
        const struct wcow_str_list *list = &a->outputs[i].annotations;
        for (size_t k = 0; r == WCOW_OK && k < list->count; k++)
            r = wcow_annotations_add(&a->annotations, list->items[k], err);
    }
    return r;
}

int wcow_build_asked_take(const struct wcow_build_options *options,
                          const struct wcow_platform *platforms, size_t n_platforms,
                          struct wcow_build_asked *ret, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_build_asked_done) struct wcow_build_asked a = {0};
    int r = wcow_attest_parse(&options->attests, &a.attest, err);
    a.is_index = n_platforms > 1 || a.attest.provenance;
    if (r == WCOW_OK)
        r = take_outputs(&a, options, err);
    if (r == WCOW_OK)
        r = check_outputs(&a, n_platforms, err);
    if (r == WCOW_OK)
        r = take_names(&a, options, err);
    if (r == WCOW_OK)
        r = take_annotations(&a, options, err);
    if (r == WCOW_OK)
        r = wcow_annotations_check(&a.annotations, a.is_index, platforms, n_platforms, err);
    if (r < 0)
        return r;
    *ret = a;
    a = (struct wcow_build_asked){0};
    return WCOW_OK;
}
