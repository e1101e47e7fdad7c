/* SPDX-License-Identifier: Apache-2.0 */
/* Follows variables from the global ARGs through the stages as a build would, and looks at what is
 * used. */
#include <stdlib.h>
#include <string.h>

#include "builder/lint_state.h"
#include "builder/words_text.h"

/* The variables that one expansion asked for. */
struct used {
    struct wcow_arena *arena;
    struct wcow_strings unset;
    struct wcow_strings set;
};

static void note_variable(void *ctx, const char *name, bool is_set)
{
    struct used *used = ctx;
    struct wcow_strings *list = is_set ? &used->set : &used->unset;
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->items[i], name) == 0)
            return;
    }
    /* without memory a warning is lost, no more */
    if (wcow_strings_add(used->arena, list, wcow_arena_strdup(used->arena, name), NULL) != WCOW_OK)
        return;
}

static struct wcow_lexer lexer_of(const struct wcow_lint *lint, const struct wcow_env *env,
                                  struct used *used)
{
    struct wcow_lexer lexer = wcow_lexer_of(lint->file->dockerfile->escape, env);
    lexer.on_variable = note_variable;
    lexer.on_variable_ctx = used;
    return lexer;
}

static const char *suggest(const struct wcow_env *env, const char *name)
{
    wcow_autofree const char **names = calloc(env->count + 1, sizeof *names);
    if (!names)
        return NULL;
    for (size_t i = 0; i < env->count; i++)
        names[i] = env->vars[i].name;
    const char *meant = wcow_diagnostic_suggest(name, names, env->count);
    return meant && strcmp(meant, name) != 0 ? meant : NULL;
}

static void set(struct wcow_lint *lint, struct wcow_env *env, const char *name, const char *value)
{
    if (!lint->failed)
        lint->failed = wcow_env_set(env, name, value, lint->err);
}

static void copy(struct wcow_lint *lint, struct wcow_env *to, const struct wcow_env *from)
{
    if (from && !lint->failed)
        lint->failed = wcow_env_copy(to, from, lint->err);
}

/* --- FROM --- */

/* The platform variables that exist before any ARG. */
static void add_predefined(struct wcow_lint *lint, struct wcow_env *env)
{
    static const char *const defaults[] = {
        "BUILDPLATFORM=linux/amd64",
        "BUILDOS=linux",
        "BUILDOSVERSION=",
        "BUILDARCH=amd64",
        "BUILDVARIANT=",
        "TARGETPLATFORM=windows/amd64",
        "TARGETOS=windows",
        "TARGETOSVERSION=",
        "TARGETARCH=amd64",
        "TARGETVARIANT=",
        "TARGETSTAGE=default",
    };
    for (size_t i = 0; i < sizeof defaults / sizeof *defaults && !lint->failed; i++)
        lint->failed = wcow_env_set_pair(env, defaults[i], lint->err);
    copy(lint, env, lint->input->predefined);
}

/* Global ARGs with the values of the build arguments, or with their defaults alone. A name without
 * a value is declared: it is kept in @p declared. */
static void add_globals(struct wcow_lint *lint, bool with_build_args, struct wcow_env *env,
                        struct wcow_env *declared)
{
    struct used used = {.arena = &lint->report->arena};
    const struct wcow_lexer lexer = lexer_of(lint, env, &used);
    const struct wcow_arg_scope scope = {
        .build_args = with_build_args ? lint->input->build_args : NULL, .lexer = &lexer};
    for (size_t i = 0; i < lint->file->global_arg_count; i++) {
        const struct wcow_pairs *pairs = &lint->file->global_args[i].pairs;
        for (size_t k = 0; k < pairs->count; k++) {
            const char *value = NULL;
            set(lint, declared, pairs->items[k].key, "");
            if (wcow_arg_value(&scope, &pairs->items[k], used.arena, &value, NULL) == WCOW_OK &&
                value)
                set(lint, env, pairs->items[k].key, value);
        }
    }
}

/* Whether a name may be an image's: what the grammar of references refuses at first sight. */
static bool may_be_image(const char *name)
{
    size_t len = strlen(name);
    if (len == 0 || strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                 "._-/:@[]") != len)
        return false;
    if (!wcow_text_is_letter((unsigned char)name[0]) &&
        !wcow_text_is_digit((unsigned char)name[0]) && name[0] != '[')
        return false;
    char last = name[len - 1];
    if (!wcow_text_is_letter((unsigned char)last) && !wcow_text_is_digit((unsigned char)last) &&
        last != '_' && last != '-' && last != '.')
        return false;
    return !strstr(name, "//") && !strstr(name, "/:") && !strstr(name, "::");
}

static void check_platform(struct wcow_lint *lint, const struct wcow_stage *stage,
                           const struct wcow_env *env)
{
    struct used used = {.arena = &lint->report->arena};
    struct wcow_lexer lexer = lexer_of(lint, env, &used);
    const char *platform = NULL;
    if (!stage->platform ||
        wcow_words_expand(&lexer, stage->platform, used.arena, &platform, NULL) != WCOW_OK)
        return;
    const char *target = wcow_env_get(env, "TARGETPLATFORM");
    if (used.set.count == 1 && used.unset.count == 0 &&
        strcmp(used.set.items[0], "TARGETPLATFORM") == 0 && target && strcmp(target, platform) == 0)
        wcow_lint_warn(lint, WCOW_LINT_REDUNDANT_TARGET_PLATFORM, stage->node,
                       "Setting platform to predefined %s in FROM is redundant as this is the "
                       "default behavior",
                       stage->platform);
    if (used.set.count > 0 || used.unset.count > 0 || !*platform)
        return;
    /* a stage that is named after its platform is meant to have that one */
    size_t os_len = strcspn(platform, "/(");
    const char *arch = strrchr(platform, '/');
    wcow_autofree char *os = strndup(platform, os_len);
    const char *name = stage->name ? stage->name : "";
    if (!os || strstr(name, os) || (arch && strstr(name, arch + 1)))
        return;
    wcow_lint_warn(lint, WCOW_LINT_FROM_PLATFORM_FLAG_CONST_DISALLOWED, stage->node,
                   "FROM --platform flag should not use constant value \"%s\"", platform);
}

static void check_from_args(struct wcow_lint *lint, const struct wcow_stage *stage,
                            const char *text, const struct wcow_env *env,
                            const struct wcow_env *declared)
{
    struct used used = {.arena = &lint->report->arena};
    struct wcow_lexer lexer = lexer_of(lint, env, &used);
    const char *unused = NULL;
    if (!text || wcow_words_expand(&lexer, text, used.arena, &unused, NULL) != WCOW_OK)
        return;
    for (size_t i = 0; i < used.unset.count; i++) {
        const char *name = used.unset.items[i];
        if (wcow_env_get(declared, name))
            continue;
        const char *meant = suggest(declared, name);
        if (!meant)
            meant = suggest(env, name);
        wcow_lint_warn(lint, WCOW_LINT_UNDEFINED_ARG_IN_FROM, stage->node,
                       "FROM argument '%s' is not declared%s%s%s", name,
                       meant ? " (did you mean " : "", meant ? meant : "", meant ? "?)" : "");
    }
}

static void check_default_base(struct wcow_lint *lint, const struct wcow_stage *stage,
                               const struct wcow_env *defaults)
{
    struct used used = {.arena = &lint->report->arena};
    struct wcow_lexer lexer = lexer_of(lint, defaults, &used);
    const char *base = NULL;
    if (wcow_words_expand(&lexer, stage->base, used.arena, &base, NULL) != WCOW_OK)
        return;
    if (!may_be_image(base))
        wcow_lint_warn(lint, WCOW_LINT_INVALID_DEFAULT_ARG_IN_FROM, stage->node,
                       "Default value for ARG %s results in empty or invalid base image name",
                       stage->base);
}

/* --- within a stage --- */

struct walk {
    struct wcow_lint *lint;
    const struct wcow_env *globals;
    struct wcow_env *envs;     /* of each stage, at its end */
    struct wcow_env *declared; /* of each stage: ARGs, with a value or without */
    bool *is_unknown;          /* whether it begins with an image that nobody knows yet */
    bool *has_workdir;         /* whether a WORKDIR of this Dockerfile has been seen */
};

static void check_port(struct wcow_lint *lint, const struct wcow_node *node, const char *port)
{
    const char *slash = strchr(port, '/');
    for (const char *c = slash ? slash + 1 : ""; *c; c++) {
        if (*c == wcow_text_lower(*c))
            continue;
        wcow_lint_warn(lint, WCOW_LINT_EXPOSE_PROTO_CASING, node,
                       "Defined protocol '%s' in EXPOSE instruction should be lowercase", port);
        break;
    }
    if (strchr(port, ':'))
        wcow_lint_warn(lint, WCOW_LINT_EXPOSE_INVALID_FORMAT, node,
                       "EXPOSE instruction should not define an IP address or host-port mapping, "
                       "found '%s'",
                       port);
}

/* A drive without a root, as in C:app, is relative to what the drive's directory is. */
static bool is_absolute(const char *path)
{
    bool has_drive = wcow_text_is_letter((unsigned char)path[0]) && path[1] == ':';
    const char *root = has_drive ? path + 2 : path;
    return root[0] == '/' || root[0] == '\\';
}

/* The first WORKDIR of a stage and of those it builds on: the others are relative to it. */
static void check_workdir(struct walk *walk, size_t index, const struct wcow_instruction *ins,
                          const struct used *used)
{
    bool is_first = !walk->has_workdir[index];
    walk->has_workdir[index] = true;
    /* What a variable of an unknown image gives may begin with a root. */
    bool is_unknown = walk->is_unknown[index] && used->unset.count > 0;
    if (is_first && !is_unknown && !is_absolute(ins->text))
        wcow_lint_warn(walk->lint, WCOW_LINT_WORKDIR_RELATIVE_PATH, ins->node,
                       "Relative workdir \"%s\" can have unexpected results if the base image "
                       "changes",
                       ins->text);
}

static void check_used(struct walk *walk, size_t index, const struct wcow_instruction *ins,
                       const struct used *used)
{
    for (size_t i = 0; !walk->is_unknown[index] && i < used->unset.count; i++) {
        const char *name = used->unset.items[i];
        if (wcow_env_get(&walk->declared[index], name))
            continue;
        const char *meant = suggest(&walk->envs[index], name);
        wcow_lint_warn(walk->lint, WCOW_LINT_UNDEFINED_VAR, ins->node,
                       "Usage of undefined variable '$%s'%s%s%s", name,
                       meant ? " (did you mean $" : "", meant ? meant : "", meant ? "?)" : "");
    }
}

/* One after the other: a name sees those before it, and what it does not ask for is not used. */
static void walk_args(struct walk *walk, size_t index, const struct wcow_instruction *ins)
{
    struct wcow_lint *lint = walk->lint;
    struct wcow_env *env = &walk->envs[index];
    for (size_t i = 0; i < ins->pairs.count; i++) {
        const struct wcow_pair *pair = &ins->pairs.items[i];
        struct used used = {.arena = &lint->report->arena};
        const struct wcow_lexer lexer = lexer_of(lint, env, &used);
        const struct wcow_arg_scope scope = {
            .build_args = lint->input->build_args, .globals = walk->globals, .lexer = &lexer};
        const char *value = NULL;
        if (wcow_arg_value(&scope, pair, used.arena, &value, NULL) != WCOW_OK)
            return;
        check_used(walk, index, ins, &used);
        set(lint, &walk->declared[index], pair->key, "");
        if (value)
            set(lint, env, pair->key, value);
    }
}

static void walk_instruction(struct walk *walk, size_t index, const struct wcow_instruction *ins)
{
    struct wcow_lint *lint = walk->lint;
    struct used used = {.arena = &lint->report->arena};
    struct wcow_lexer lexer = lexer_of(lint, &walk->envs[index], &used);
    struct wcow_instruction expanded = {0};
    if (ins->kind == WCOW_INS_ARG) {
        walk_args(walk, index, ins);
        return;
    }
    if (wcow_instruction_expand(ins, &lexer, used.arena, &expanded, NULL) != WCOW_OK)
        return; /* the build says what is wrong */
    check_used(walk, index, ins, &used);
    if (ins->kind == WCOW_INS_WORKDIR)
        check_workdir(walk, index, &expanded, &used);
    for (size_t i = 0; ins->kind == WCOW_INS_ENV && i < expanded.pairs.count; i++)
        set(lint, &walk->envs[index], expanded.pairs.items[i].key, expanded.pairs.items[i].value);
    for (size_t i = 0; ins->kind == WCOW_INS_EXPOSE && i < expanded.list.count; i++)
        check_port(lint, ins->node, expanded.list.items[i]);
}

/* What ONBUILD leaves to the stages behind may set variables, too. */
static bool has_triggers(const struct wcow_stage *stage)
{
    for (size_t i = 0; i < stage->instruction_count; i++) {
        if (stage->instructions[i].kind == WCOW_INS_ONBUILD)
            return true;
    }
    return false;
}

/* What a stage begins with: the end of the stage it builds on, or the base image's variables. */
static void begin_stage(struct walk *walk, size_t index, const struct wcow_stage *stage)
{
    struct wcow_lint *lint = walk->lint;
    walk->envs[index].ignore_case = true;
    walk->declared[index].ignore_case = true;
    const struct wcow_stage *base = wcow_stage_find(lint->file, stage->base, index);
    if (base) {
        copy(lint, &walk->envs[index], &walk->envs[base - lint->file->stages]);
        copy(lint, &walk->declared[index], &walk->declared[base - lint->file->stages]);
        walk->is_unknown[index] = walk->is_unknown[base - lint->file->stages] || has_triggers(base);
        walk->has_workdir[index] = walk->has_workdir[base - lint->file->stages];
        return;
    }
    set(lint, &walk->envs[index], "PATH", "c:\\Windows\\System32;c:\\Windows");
    if (!lint->input->base_env || strcmp(stage->base, "scratch") == 0)
        return;
    const struct wcow_env *env = lint->input->base_env(lint->input->base_env_ctx, stage->base);
    walk->is_unknown[index] = !env;
    copy(lint, &walk->envs[index], env);
}

static void walk_stages(struct walk *walk)
{
    const struct wcow_build_file *file = walk->lint->file;
    for (size_t i = 0; i < file->stage_count && !walk->lint->failed; i++) {
        begin_stage(walk, i, &file->stages[i]);
        for (size_t k = 0; k < file->stages[i].instruction_count; k++)
            walk_instruction(walk, i, &file->stages[i].instructions[k]);
    }
    for (size_t i = 0; i < file->stage_count; i++) {
        wcow_env_done(&walk->envs[i]);
        wcow_env_done(&walk->declared[i]);
    }
}

static void check_froms(struct wcow_lint *lint, const struct wcow_env *globals,
                        const struct wcow_env *declared)
{
    WCOW_CLEANUP(wcow_env_done) struct wcow_env defaults = {0};
    WCOW_CLEANUP(wcow_env_done) struct wcow_env unused = {0};
    add_predefined(lint, &defaults);
    add_globals(lint, false, &defaults, &unused);
    for (size_t i = 0; i < lint->file->stage_count && !lint->failed; i++) {
        const struct wcow_stage *stage = &lint->file->stages[i];
        check_from_args(lint, stage, stage->base, globals, declared);
        check_from_args(lint, stage, stage->platform, globals, declared);
        check_platform(lint, stage, globals);
        check_default_base(lint, stage, &defaults);
    }
}

void wcow_lint_variables(struct wcow_lint *lint)
{
    WCOW_CLEANUP(wcow_env_done) struct wcow_env globals = {0};
    WCOW_CLEANUP(wcow_env_done) struct wcow_env declared = {0};
    add_predefined(lint, &globals);
    add_globals(lint, true, &globals, &declared);
    check_froms(lint, &globals, &declared);
    size_t count = lint->file->stage_count;
    wcow_autofree struct wcow_env *envs = calloc(count, sizeof *envs);
    wcow_autofree struct wcow_env *names = calloc(count, sizeof *names);
    wcow_autofree bool *unknown = calloc(count, sizeof *unknown);
    wcow_autofree bool *workdirs = calloc(count, sizeof *workdirs);
    if (!envs || !names || !unknown || !workdirs) {
        lint->failed = WCOW_FAIL(lint->err, WCOW_E_NOMEM, "out of memory checking the Dockerfile");
        return;
    }
    struct walk walk = {lint, &globals, envs, names, unknown, workdirs};
    walk_stages(&walk);
}
