/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/check_bases.h"

#include <stdlib.h>
#include <string.h>

#include "builder/build_lint.h"
#include "builder/hive_path.h"
#include "builder/image_layout.h"

/* Somebody waits: what does not answer is done without; but what a busy machine answers counts. */
enum { CONNECT_TIMEOUT_MS = 3000, STALL_TIMEOUT_MS = 15000 };

/* What a stage begins with. */
struct base {
    bool is_known;
    bool has_triggers; /* which may set variables that stand nowhere yet */
    struct wcow_platform wanted;
    struct wcow_platform is;
    struct wcow_env env;
};

struct wcow_check_bases {
    struct wcow_build *build;
    struct wcow_registry *registry;
    struct wcow_str_list silent; /* registries that did not answer */
    struct base *items;          /* one a stage */
    struct wcow_env plain;       /* of images that nothing is known of */
};

void wcow_check_bases_free(struct wcow_check_bases *bases)
{
    if (!bases)
        return;
    for (size_t i = 0; bases->items && i < bases->build->file->stage_count; i++)
        wcow_env_done(&bases->items[i].env);
    free(bases->items);
    wcow_env_done(&bases->plain);
    wcow_str_list_done(&bases->silent);
    wcow_registry_free(bases->registry);
    free(bases);
}

/* ---- one image ---- */

static int read_config(struct base *base, const struct wcow_buf *data, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_image_config_free_p) struct wcow_image_config *config = NULL;
    wcow_auto_str_list env = {0};
    wcow_auto_str_list triggers = {0};
    int r = wcow_image_config_parse(data->data, data->len, &config, err);
    if (r == WCOW_OK)
        r = wcow_image_config_list(config, WCOW_CONFIG_ENV, &env, err);
    if (r == WCOW_OK)
        r = wcow_image_config_list(config, WCOW_CONFIG_ON_BUILD, &triggers, err);
    base->env.ignore_case = true;
    for (size_t i = 0; r == WCOW_OK && i < env.count; i++)
        r = wcow_env_set_pair(&base->env, env.items[i], err);
    if (r < 0)
        return r;
    base->is = wcow_image_config_platform(config);
    base->has_triggers = triggers.count > 0;
    base->is_known = true;
    return WCOW_OK;
}

static int fetch_config(struct wcow_check_bases *bases, const struct wcow_reference *name,
                        const struct wcow_platform *platform, struct wcow_buf *out,
                        struct wcow_error *err)
{
    struct wcow_reference ref = *name;
    wcow_auto_descriptor desc = {0};
    wcow_auto_index index = {0};
    wcow_auto_manifest manifest = {0};
    wcow_autobuf first = {0};
    wcow_autobuf second = {0};
    const struct wcow_descriptor *chosen = NULL;
    int r = wcow_registry_fetch_manifest(bases->registry, &ref, &first, &desc, err);
    if (r < 0)
        return r;
    if (!wcow_media_is_index(desc.media_type)) {
        r = wcow_manifest_parse(first.data, first.len, desc.media_type, &manifest, err);
    } else {
        r = wcow_index_parse(first.data, first.len, desc.media_type, &index, err);
        if (r == WCOW_OK)
            r = wcow_index_select(&index, platform, &chosen, err);
        if (r < 0 || !chosen)
            return r;
        ref.digest = chosen->digest;
        r = wcow_registry_fetch_manifest(bases->registry, &ref, &second, NULL, err);
        if (r == WCOW_OK)
            r = wcow_manifest_parse(second.data, second.len, chosen->media_type, &manifest, err);
    }
    return r < 0 ? r
                 : wcow_registry_fetch_bytes(bases->registry, &ref, &manifest.config,
                                             WCOW_CONFIG_MAX_BYTES, out, err);
}

static bool is_silent(const struct wcow_check_bases *bases, const char *host)
{
    for (size_t i = 0; i < bases->silent.count; i++) {
        if (strcmp(bases->silent.items[i], host) == 0)
            return true;
    }
    return false;
}

static int ask(struct wcow_check_bases *bases, const char *name, struct base *base,
               struct wcow_error *err)
{
    struct wcow_reference ref;
    wcow_autobuf config = {0};
    struct wcow_error why = {0};
    if (wcow_image_layout_is(name) || wcow_reference_parse(name, &ref, &why) < 0)
        return WCOW_OK;
    wcow_reference_set_default_tag(&ref);
    if (is_silent(bases, ref.host))
        return WCOW_OK;
    int r = fetch_config(bases, &ref, &base->wanted, &config, &why);
    if (r == WCOW_OK)
        r = read_config(base, &config, &why);
    if (r == WCOW_E_UNAVAILABLE || r == WCOW_E_DEADLINE)
        return wcow_str_list_add(&bases->silent, ref.host, err);
    if (r == WCOW_E_CANCELLED || r == WCOW_E_NOMEM) {
        if (err)
            *err = why;
        return r;
    }
    return WCOW_OK;
}

/* ---- all stages ---- */

static int ask_stage(struct wcow_check_bases *bases, size_t index, struct wcow_error *err)
{
    const struct wcow_build *b = bases->build;
    const struct wcow_stage *stage = &b->file->stages[index];
    const struct wcow_lexer lexer = wcow_lexer_of(b->dockerfile->escape, &b->variants[0].globals);
    WCOW_CLEANUP(wcow_arena_done) struct wcow_arena arena = {0};
    struct base *base = &bases->items[index];
    const char *name = NULL;
    const char *platform = NULL;
    base->wanted = b->variants[0].platform;
    /* What is wrong with the words is said by wcow_build_check(). */
    if (wcow_words_expand(&lexer, stage->base, &arena, &name, NULL) < 0)
        return WCOW_OK;
    if (stage->platform &&
        (wcow_words_expand(&lexer, stage->platform, &arena, &platform, NULL) < 0 ||
         wcow_platform_parse(platform, &base->wanted, NULL) < 0))
        return WCOW_OK;
    const char *named = wcow_build_named_image(b, name);
    if (!named && (strcmp(name, "scratch") == 0 || wcow_build_is_named(b, name) ||
                   wcow_stage_find(b->file, name, index)))
        return WCOW_OK;
    return ask(bases, named ? named : name, base, err);
}

int wcow_check_bases_ask(struct wcow_build *b, struct wcow_check_bases **ret,
                         struct wcow_error *err)
{
    const struct wcow_registry_options options = {.plain_http = b->options->plain_http,
                                                  .hosts_dir = b->options->hosts_dir,
                                                  .cancelled = b->options->cancel,
                                                  .max_attempts = 1,
                                                  .connect_timeout_ms = CONNECT_TIMEOUT_MS,
                                                  .stall_timeout_ms = STALL_TIMEOUT_MS};
    WCOW_CLEANUP(wcow_check_bases_free_p)
    struct wcow_check_bases *bases = calloc(1, sizeof(*bases));
    struct base *items = calloc(b->file->stage_count, sizeof(*items));
    if (!bases || !items) {
        free(items);
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory to check a Dockerfile");
    }
    bases->build = b;
    bases->items = items;
    bases->plain.ignore_case = true;
    int r = wcow_env_set(&bases->plain, "PATH", WCOW_DEFAULT_PATH, err);
    if (r == WCOW_OK)
        r = wcow_registry_new(&options, &bases->registry, err);
    for (size_t i = 0; r == WCOW_OK && i < b->file->stage_count; i++)
        r = ask_stage(bases, i, err);
    if (r < 0)
        return r;
    *ret = WCOW_TAKE_PTR(bases);
    return WCOW_OK;
}

/* ---- for the rules ---- */

static const struct wcow_env *base_env(void *ctx, const char *image)
{
    const struct wcow_check_bases *bases = ctx;
    const struct wcow_build_file *file = bases->build->file;
    for (size_t i = 0; i < file->stage_count; i++) {
        if (bases->items[i].is_known && strcmp(file->stages[i].base, image) == 0)
            return bases->items[i].has_triggers ? NULL : &bases->items[i].env;
    }
    return &bases->plain;
}

static bool base_platform(void *ctx, size_t stage, struct wcow_lint_platforms *ret)
{
    const struct wcow_check_bases *bases = ctx;
    const struct base *base = &bases->items[stage];
    return base->is.os[0] && wcow_build_platforms_differ(&base->is, &base->wanted, ret);
}

void wcow_check_bases_give(struct wcow_check_bases *bases, struct wcow_lint_input *input)
{
    input->base_env = base_env;
    input->base_env_ctx = bases;
    input->base_platform = base_platform;
    input->base_platform_ctx = bases;
}
