/* SPDX-License-Identifier: Apache-2.0 */
/* The platforms of a build: --platform, and the variables that each of them gives. */
#include <stdlib.h>
#include <string.h>

#include "builder/build_internal.h"

enum { MAX_PLATFORMS = 64 };

static bool is_same(const struct wcow_platform *a, const struct wcow_platform *b)
{
    return strcmp(a->os, b->os) == 0 && strcmp(a->architecture, b->architecture) == 0 &&
           strcmp(a->variant, b->variant) == 0 && strcmp(a->os_version, b->os_version) == 0 &&
           strcmp(a->os_features, b->os_features) == 0;
}

/* One of those that --platform names. The same once more is passed over. */
static int add_platform(struct wcow_build *b, const char *text, struct wcow_error *err)
{
    struct wcow_platform platform;
    int r = wcow_platform_parse(text, &platform, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "--platform");
    if (strcmp(platform.os, "windows") != 0)
        return WCOW_FAIL(
            err, WCOW_E_UNSUPPORTED,
            "--platform %s: wcow builds images for windows; use another builder for %s", text,
            platform.os);
    for (size_t i = 0; i < b->n_variants; i++) {
        if (is_same(&b->variants[i].platform, &platform))
            return WCOW_OK;
    }
    if (b->n_variants == MAX_PLATFORMS)
        return WCOW_FAIL(err, WCOW_E_LIMIT, "--platform: one build makes at most %d",
                         MAX_PLATFORMS);
    b->variants[b->n_variants++] = (struct wcow_variant){.build = b, .platform = platform};
    return WCOW_OK;
}

static int take_platforms(struct wcow_build *b, struct wcow_error *err)
{
    const char *all = b->options->platform ? b->options->platform : "windows/amd64";
    wcow_autofree char *copy = strdup(all);
    /* The stages point to their variant: it must not move. */
    b->variants = calloc(MAX_PLATFORMS, sizeof(*b->variants));
    if (!copy || !b->variants)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for --platform");
    char *rest = copy;
    int r = WCOW_OK;
    for (char *text = strsep(&rest, ","); text && r == WCOW_OK; text = strsep(&rest, ","))
        r = add_platform(b, text, err);
    return r;
}

/* ---- variables ---- */

static int predefine_platform(struct wcow_env *env, const char *prefix, const char *text,
                              const struct wcow_platform *p, struct wcow_error *err)
{
    const struct {
        const char *name;
        const char *value;
    } variables[] = {{"PLATFORM", text},
                     {"OS", p->os},
                     {"OSVERSION", p->os_version},
                     {"ARCH", p->architecture},
                     {"VARIANT", p->variant}};
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < sizeof(variables) / sizeof(variables[0]); i++) {
        wcow_autobuf name = {0};
        r = wcow_buf_addf(&name, err, "%s%s", prefix, variables[i].name);
        if (r == WCOW_OK)
            r = wcow_env_set(env, (const char *)name.data, variables[i].value, err);
    }
    return r;
}

/* The arguments that are always there: TARGETPLATFORM and so on. */
static int predefine(const struct wcow_build *b, struct wcow_variant *v, struct wcow_error *err)
{
    const char *stage = b->options->target;
    struct wcow_platform host = wcow_platform_host();
    wcow_autobuf target = {0};
    wcow_autobuf build = {0};
    int r = wcow_platform_format(&v->platform, &target, err);
    if (r == WCOW_OK)
        r = wcow_platform_format(&host, &build, err);
    if (r == WCOW_OK)
        r = predefine_platform(&v->predefined, "TARGET", (const char *)target.data, &v->platform,
                               err);
    if (r == WCOW_OK)
        r = predefine_platform(&v->predefined, "BUILD", (const char *)build.data, &host, err);
    return r < 0 ? r
                 : wcow_env_set(&v->predefined, "TARGETSTAGE", stage && *stage ? stage : "default",
                                err);
}

/* The ARGs before the first FROM, each seeing those before it. */
static int take_globals(struct wcow_build *b, struct wcow_variant *v, struct wcow_error *err)
{
    const struct wcow_lexer lexer = wcow_lexer_of(b->dockerfile->escape, &v->globals);
    const struct wcow_arg_scope scope = {.build_args = &b->build_args, .lexer = &lexer};
    int r = wcow_env_copy(&v->globals, &v->predefined, err);
    for (size_t i = 0; r == WCOW_OK && i < b->file->global_arg_count; i++) {
        const struct wcow_instruction *ins = &b->file->global_args[i];
        b->where = ins->node->where;
        for (size_t k = 0; r == WCOW_OK && k < ins->pairs.count; k++) {
            const struct wcow_pair *pair = &ins->pairs.items[k];
            const char *value = NULL;
            r = wcow_arg_value(&scope, pair, &v->arena, &value, err);
            if (r == WCOW_OK && value)
                r = wcow_env_set(&v->globals, pair->key, value, err);
        }
    }
    if (r == WCOW_OK)
        b->where = (struct wcow_line_range){0};
    return r;
}

static int make_stages(const struct wcow_build *b, struct wcow_variant *v, struct wcow_error *err)
{
    size_t n = b->file->stage_count;
    v->stages = calloc(n ? n : 1, sizeof(*v->stages));
    if (!v->stages)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a build");
    for (size_t i = 0; i < n; i++) {
        v->stages[i] =
            (struct wcow_stage_state){.stage = &b->file->stages[i], .index = i, .variant = v};
        (void)pthread_mutex_init(&v->stages[i].syncing, NULL);
    }
    return WCOW_OK;
}

int wcow_build_check_platforms(struct wcow_build *b, struct wcow_error *err)
{
    return take_platforms(b, err);
}

int wcow_build_fill_variants(struct wcow_build *b, struct wcow_error *err)
{
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < b->n_variants; i++) {
        struct wcow_variant *v = &b->variants[i];
        r = predefine(b, v, err);
        if (r == WCOW_OK)
            r = take_globals(b, v, err);
        if (r == WCOW_OK)
            r = make_stages(b, v, err);
    }
    return r;
}

struct wcow_stage_state *wcow_build_target_of(const struct wcow_build *b, size_t variant)
{
    return &b->variants[variant].stages[b->target];
}

static void stage_done(struct wcow_stage_state *s)
{
    wcow_image_config_free(s->config);
    wcow_layers_done(&s->layers);
    for (size_t i = 0; i < s->n_descs; i++)
        wcow_descriptor_done(&s->descs[i]);
    free(s->descs);
    free(s->own);
    free(s->unwritten);
    free(s->notes);
    free(s->facts);
    wcow_env_done(&s->args);
    wcow_arena_done(&s->arena);
    (void)pthread_mutex_destroy(&s->syncing);
}

void wcow_build_variants_done(struct wcow_build *b)
{
    size_t n = b->file ? b->file->stage_count : 0;
    for (size_t i = 0; i < b->n_variants; i++) {
        struct wcow_variant *v = &b->variants[i];
        for (size_t k = 0; v->stages && k < n; k++)
            stage_done(&v->stages[k]);
    }
    /* Trees of one stage read files through the handles of another: those go last. */
    for (size_t i = 0; i < b->n_variants; i++) {
        struct wcow_variant *v = &b->variants[i];
        for (size_t k = 0; v->stages && k < n; k++)
            wcow_layer_sources_done(&v->stages[k].sources);
        free(v->stages);
        wcow_materials_done(&v->materials);
        wcow_env_done(&v->predefined);
        wcow_env_done(&v->globals);
        wcow_arena_done(&v->arena);
    }
    free(b->variants);
}
