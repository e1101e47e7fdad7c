/* SPDX-License-Identifier: Apache-2.0 */
/* A stage: its instructions in turn, those of its base's ONBUILD first. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "builder/build_internal.h"
#include "builder/hive_path.h"
#include "builder/run.h"

static bool makes_layer(enum wcow_instruction_kind kind)
{
    return kind == WCOW_INS_COPY || kind == WCOW_INS_ADD || kind == WCOW_INS_WORKDIR ||
           kind == WCOW_INS_RUN;
}

/* "[windows/amd64 build 2/5] COPY …": the platform where there are several, the stage's name where
 * there are several of those. */
char *wcow_build_title(const struct wcow_build *b, const struct wcow_stage_state *s, size_t step,
                       const char *text)
{
    wcow_autobuf title = {0};
    int r = wcow_buf_add_str(&title, "[", NULL);
    if (r == WCOW_OK && b->n_variants > 1) {
        r = wcow_platform_format(&s->variant->platform, &title, NULL);
        if (r == WCOW_OK)
            r = wcow_buf_add_str(&title, " ", NULL);
    }
    if (r == WCOW_OK && s->stage->name)
        r = wcow_buf_addf(&title, NULL, "%s ", s->stage->name);
    else if (r == WCOW_OK && b->file->stage_count > 1)
        r = wcow_buf_addf(&title, NULL, "stage-%zu ", s->index);
    int width = snprintf(NULL, 0, "%zu", s->n_steps);
    if (r == WCOW_OK)
        r = wcow_buf_addf(&title, NULL, "%*zu/%zu] %s", width, step, s->n_steps, text);
    return r < 0 ? NULL : wcow_buf_take_str(&title);
}

int wcow_build_stage_env(const struct wcow_build *b, const struct wcow_stage_state *s,
                         struct wcow_env *ret, struct wcow_error *err)
{
    (void)b;
    wcow_auto_str_list env = {0};
    ret->ignore_case = s->args.ignore_case;
    int r = wcow_image_config_list(s->config, WCOW_CONFIG_ENV, &env, err);
    for (size_t i = 0; r == WCOW_OK && i < env.count; i++)
        r = wcow_env_set_pair(ret, env.items[i], err);
    /* An ENV after an ARG of its name has taken that away (build_config.c). */
    for (size_t i = 0; r == WCOW_OK && i < s->args.count; i++)
        r = wcow_env_set(ret, s->args.vars[i].name, s->args.vars[i].value, err);
    return r;
}

/* Each name sees those before it, on its own line too. */
static int take_args(struct wcow_build *b, struct wcow_stage_state *s,
                     const struct wcow_instruction *ins, struct wcow_env *env,
                     struct wcow_error *err)
{
    const struct wcow_lexer lexer = wcow_lexer_of(b->dockerfile->escape, env);
    const struct wcow_arg_scope scope = {
        .build_args = &b->build_args, .globals = &s->variant->globals, .lexer = &lexer};
    struct wcow_instruction taken = *ins;
    struct wcow_pair *pairs = wcow_arena_alloc(&s->arena, ins->pairs.count * sizeof(*pairs));
    if (!pairs)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for ARG");
    taken.pairs.items = pairs;
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < ins->pairs.count; i++) {
        const struct wcow_pair *pair = &ins->pairs.items[i];
        const char *value = NULL;
        r = wcow_arg_value(&scope, pair, &s->arena, &value, err);
        pairs[i] = (struct wcow_pair){.key = pair->key, .value = value};
        if (r == WCOW_OK && value)
            r = wcow_env_set(env, pair->key, value, err);
        if (r == WCOW_OK && value)
            r = wcow_env_set(&s->args, pair->key, value, err);
    }
    return r < 0 ? r : wcow_build_add_history(b, s, &taken, true, err);
}

/* The stage that @p from names, if it is one, is to be finished. */
static int await_named(struct wcow_build *b, const struct wcow_stage_state *s, const char *from,
                       struct wcow_error *err)
{
    ssize_t index = -1;
    struct wcow_stage_state *other = NULL;
    if (!from || wcow_build_is_named(b, from))
        return WCOW_OK;
    int r = wcow_build_stage_named(b, s, from, &index, err);
    return r < 0 || index < 0 ? r : wcow_build_await(b, s, (size_t)index, &other, err);
}

/* What a step reads of other stages. */
static int await_inputs(struct wcow_build *b, const struct wcow_stage_state *s,
                        const struct wcow_instruction *ins, struct wcow_error *err)
{
    int r = WCOW_OK;
    if (ins->kind == WCOW_INS_COPY)
        r = await_named(b, s, ins->copy.from, err);
    for (size_t i = 0; ins->kind == WCOW_INS_RUN && r == WCOW_OK && i < ins->run.mount_count; i++)
        r = await_named(b, s, ins->run.mounts[i].from, err);
    return r;
}

static int make(struct wcow_build *b, struct wcow_stage_state *s,
                const struct wcow_instruction *ins, unsigned step, struct wcow_layer_made *ret,
                struct wcow_error *err)
{
    return ins->kind == WCOW_INS_RUN ? wcow_build_run_step(b, s, ins, step, ret, err)
                                     : wcow_build_files_step(b, s, ins, step, ret, err);
}

static int make_layer(struct wcow_build *b, struct wcow_stage_state *s,
                      const struct wcow_instruction *ins, struct wcow_error *err)
{
    wcow_autofree char *title = wcow_build_title(b, s, ++s->steps_done, ins->node->original);
    if (!title)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a step");
    int r = await_inputs(b, s, ins, err);
    if (r == WCOW_OK)
        r = wcow_build_take_slot(b, err);
    if (r < 0)
        return r;
    unsigned step = wcow_progress_start(b->progress, title);
    struct wcow_layer_made made = {0};
    r = make(b, s, ins, step, &made, err);
    if (r == WCOW_OK)
        r = wcow_build_add_history(b, s, ins, made.is_empty, err);
    wcow_progress_end(b->progress, step, wcow_progress_end_of(r, made.is_cached),
                      r < 0 && err ? err->msg : NULL);
    wcow_build_give_slot(b);
    return r;
}

/* Where an instruction speaks of PATH and no ENV has set it, its value is the registry's. */
static int add_registry_path(struct wcow_build *b, struct wcow_stage_state *s,
                             const struct wcow_instruction *ins, struct wcow_env *env,
                             struct wcow_error *err)
{
    const char *text = ins->node->original;
    if (strcmp(s->platform.os, "windows") != 0 || !strpbrk(text, "$%") ||
        !strcasestr(text, "PATH") || wcow_env_get(env, "PATH"))
        return WCOW_OK;
    const char *path = NULL;
    int r = wcow_build_registry_path(b, s, &path, err);
    return r < 0 ? r : wcow_env_set(env, "PATH", path, err);
}

static const char *percent_path(void *ctx, const char *name, size_t len)
{
    const struct wcow_env *env = ctx;
    return len == 4 && strncasecmp(name, "PATH", len) == 0 ? wcow_env_get(env, "PATH") : NULL;
}

/* What a config's variables hold is not expanded when a container starts: %PATH% would stay as it
 * is, and the container without its programs. */
static int expand_percent(struct wcow_stage_state *s, struct wcow_instruction *ins,
                          struct wcow_env *env, struct wcow_error *err)
{
    for (size_t i = 0; ins->kind == WCOW_INS_ENV && i < ins->pairs.count; i++) {
        struct wcow_pair *pair = &ins->pairs.items[i];
        wcow_autobuf value = {0};
        if (!pair->value || !strchr(pair->value, '%'))
            continue;
        int r = wcow_percent_expand(pair->value, percent_path, env, &value, err);
        if (r < 0)
            return r;
        pair->value = wcow_arena_strdup(&s->arena, (const char *)value.data);
        if (!pair->value)
            return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for ENV");
    }
    return WCOW_OK;
}

/* The instruction as it is meant here, its variables replaced. */
static int expand(const struct wcow_build *b, struct wcow_stage_state *s,
                  const struct wcow_instruction *ins, struct wcow_env *env,
                  struct wcow_instruction *ret, struct wcow_error *err)
{
    const struct wcow_lexer lexer = wcow_lexer_of(b->dockerfile->escape, env);
    int r = wcow_instruction_expand(ins, &lexer, &s->arena, ret, err);
    return r == WCOW_OK && strcmp(s->platform.os, "windows") == 0 ? expand_percent(s, ret, env, err)
                                                                  : r;
}

static int execute(struct wcow_build *b, struct wcow_stage_state *s,
                   const struct wcow_instruction *ins, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_env_done) struct wcow_env env = {0};
    struct wcow_instruction expanded = *ins;
    int r = wcow_build_stage_env(b, s, &env, err);
    if (r == WCOW_OK)
        r = add_registry_path(b, s, ins, &env, err);
    if (r == WCOW_OK && ins->kind == WCOW_INS_ARG)
        return take_args(b, s, ins, &env, err);
    if (r == WCOW_OK)
        r = expand(b, s, ins, &env, &expanded, err);
    if (r < 0)
        return r;
    return makes_layer(ins->kind) ? make_layer(b, s, &expanded, err)
                                  : wcow_build_configure(b, s, &expanded, err);
}

/* The triggers that the base carries for whoever builds on it; they are spent then. */
static int run_triggers(struct wcow_build *b, struct wcow_stage_state *s, struct wcow_error *err)
{
    wcow_auto_str_list triggers = {0};
    int r = wcow_image_config_list(s->config, WCOW_CONFIG_ON_BUILD, &triggers, err);
    if (r == WCOW_OK && triggers.count > 0)
        r = wcow_image_config_set_list(s->config, WCOW_CONFIG_ON_BUILD, NULL, err);
    /* One may be RUN, and need what those before it wrote. */
    s->is_below |= triggers.count > 0;
    for (size_t i = 0; r == WCOW_OK && i < triggers.count; i++) {
        const struct wcow_instruction *ins = NULL;
        (void)pthread_mutex_lock(&b->lock);
        r = wcow_build_file_add_trigger(b->file, triggers.items[i], &ins, err);
        (void)pthread_mutex_unlock(&b->lock);
        if (r == WCOW_OK) {
            s->n_steps += makes_layer(ins->kind);
            r = execute(b, s, ins, err);
        }
        if (r < 0)
            r = wcow_error_wrap(r, err, "ONBUILD %s (of the base image)", triggers.items[i]);
    }
    return r;
}

/* Whether @p name is among those between commas. */
static bool names(const char *list, const char *name)
{
    size_t len = strlen(name);
    for (const char *p = list; p; p = strchr(p, ','), p += p != NULL) {
        if (strncasecmp(p, name, len) == 0 && (p[len] == '\0' || p[len] == ','))
            return true;
    }
    return false;
}

/* --no-cache-filter names stages as --target does. */
static bool skips_cache(const struct wcow_build *b, const struct wcow_stage_state *s)
{
    const struct wcow_str_list *filter = &b->options->no_cache_filter;
    for (size_t i = 0; s->stage->name && i < filter->count; i++) {
        if (names(filter->items[i], s->stage->name))
            return true;
    }
    return b->options->no_cache;
}

int wcow_build_stage(struct wcow_build *b, struct wcow_stage_state *s, struct wcow_error *err)
{
    s->skips_cache = skips_cache(b, s);
    for (size_t i = 0; i < s->stage->instruction_count; i++)
        s->n_steps += makes_layer(s->stage->instructions[i].kind);
    int r = wcow_build_begin_stage(b, s, err);
    if (r == WCOW_OK)
        r = run_triggers(b, s, err);
    for (size_t i = 0; r == WCOW_OK && i < s->stage->instruction_count; i++) {
        const struct wcow_instruction *ins = &s->stage->instructions[i];
        s->where = ins->node->where;
        if (wcow_backend_is_cancelled(b->backend))
            return WCOW_FAIL(err, WCOW_E_CANCELLED, "cancelled");
        r = execute(b, s, ins, err);
    }
    return r;
}
