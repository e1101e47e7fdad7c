/* SPDX-License-Identifier: Apache-2.0 */
/* The config, the report, and the rules that look at one instruction or at names alone. */
#include "builder/lint.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "builder/instructions_flags.h"
#include "builder/lint_state.h"
#include "builder/pattern.h"
#include "builder/words_text.h"

static const struct {
    const char *name;
    const char *description;
    bool experimental;
} rules[WCOW_LINT_COUNT] = {
    [WCOW_LINT_STAGE_NAME_CASING] = {"StageNameCasing", "Stage names should be lowercase", false},
    [WCOW_LINT_FROM_AS_CASING] = {"FromAsCasing",
                                  "The keyword AS should have the casing of its FROM", false},
    [WCOW_LINT_NO_EMPTY_CONTINUATION] = {"NoEmptyContinuation",
                                         "An instruction should not go on over empty lines", false},
    [WCOW_LINT_CONSISTENT_INSTRUCTION_CASING] = {"ConsistentInstructionCasing",
                                                 "All instructions should have one casing", false},
    [WCOW_LINT_DUPLICATE_STAGE_NAME] = {"DuplicateStageName", "Stage names should be unique",
                                        false},
    [WCOW_LINT_RESERVED_STAGE_NAME] = {"ReservedStageName",
                                       "Reserved words should not be stage names", false},
    [WCOW_LINT_JSON_ARGS_RECOMMENDED] = {"JSONArgsRecommended",
                                         "CMD and ENTRYPOINT should be JSON arrays", false},
    [WCOW_LINT_MAINTAINER_DEPRECATED] = {"MaintainerDeprecated",
                                         "MAINTAINER is deprecated; a label names the author",
                                         false},
    [WCOW_LINT_UNDEFINED_ARG_IN_FROM] = {"UndefinedArgInFrom", "FROM should use declared ARGs",
                                         false},
    [WCOW_LINT_WORKDIR_RELATIVE_PATH] = {"WorkdirRelativePath",
                                         "A relative WORKDIR depends on the base image", false},
    [WCOW_LINT_UNDEFINED_VAR] = {"UndefinedVar", "Variables should be defined before their use",
                                 false},
    [WCOW_LINT_MULTIPLE_INSTRUCTIONS_DISALLOWED] =
        {"MultipleInstructionsDisallowed", "Of some instructions only a stage's last counts",
         false},
    [WCOW_LINT_LEGACY_KEY_VALUE_FORMAT] = {"LegacyKeyValueFormat",
                                           "ENV and LABEL should be written key=value", false},
    [WCOW_LINT_INVALID_BASE_IMAGE_PLATFORM] = {"InvalidBaseImagePlatform",
                                               "The base image should be for the target platform",
                                               false},
    [WCOW_LINT_REDUNDANT_TARGET_PLATFORM] = {"RedundantTargetPlatform",
                                             "$TARGETPLATFORM is FROM's platform anyway", false},
    [WCOW_LINT_SECRETS_USED_IN_ARG_OR_ENV] = {"SecretsUsedInArgOrEnv",
                                              "Secrets should not be in ARG or ENV", false},
    [WCOW_LINT_INVALID_DEFAULT_ARG_IN_FROM] =
        {"InvalidDefaultArgInFrom", "FROM should name an image when ARGs have their defaults",
         false},
    [WCOW_LINT_FROM_PLATFORM_FLAG_CONST_DISALLOWED] = {"FromPlatformFlagConstDisallowed",
                                                       "FROM's --platform should not be a constant",
                                                       false},
    [WCOW_LINT_COPY_IGNORED_FILE] = {"CopyIgnoredFile",
                                     "What .dockerignore leaves out cannot be copied", false},
    [WCOW_LINT_INVALID_DEFINITION_DESCRIPTION] =
        {"InvalidDefinitionDescription",
         "A comment directly above ARG or a named FROM should be `# <name> <description>`", true},
    [WCOW_LINT_EXPOSE_PROTO_CASING] = {"ExposeProtoCasing", "EXPOSE's protocol should be lowercase",
                                       false},
    [WCOW_LINT_EXPOSE_INVALID_FORMAT] = {"ExposeInvalidFormat",
                                         "EXPOSE should name neither an address nor a host port",
                                         false},
};

const char *wcow_lint_rule_name(enum wcow_lint_rule rule)
{
    return rules[rule].name;
}

const char *wcow_lint_rule_description(enum wcow_lint_rule rule)
{
    return rules[rule].description;
}

/* --- config --- */

/* Names of rules that do not exist (those of a later version, say) are passed over. */
static void mark_rules(const char *list, size_t len, bool *marks, bool *ret_all)
{
    const char *end = list + len;
    while (list < end) {
        const char *comma = memchr(list, ',', (size_t)(end - list));
        const char *name = list;
        size_t n = (size_t)((comma ? comma : end) - list);
        wcow_text_trim(&name, &n);
        if (n == 3 && memcmp(name, "all", 3) == 0)
            *ret_all = true;
        for (size_t i = 0; i < WCOW_LINT_COUNT; i++) {
            if (strlen(rules[i].name) == n && memcmp(rules[i].name, name, n) == 0)
                marks[i] = true;
        }
        list += (size_t)((comma ? comma + 1 : end) - list);
    }
}

static int read_option(const char *text, size_t len, struct wcow_lint_config *config,
                       struct wcow_error *err)
{
    wcow_text_trim(&text, &len);
    const char *equals = len ? memchr(text, '=', len) : NULL;
    if (!equals)
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "invalid check option \"%.*s\": write skip=RULE,… or skip=all, "
                         "error=true, experimental=RULE,…",
                         (int)len, text);
    const char *name = text;
    size_t name_len = (size_t)(equals - text);
    const char *value = equals + 1;
    size_t value_len = len - name_len - 1;
    wcow_text_trim(&name, &name_len);
    wcow_text_trim(&value, &value_len);
    bool all = false;
    if (name_len == 4 && memcmp(name, "skip", 4) == 0) {
        mark_rules(value, value_len, config->skip, &config->skip_all);
    } else if (name_len == 12 && memcmp(name, "experimental", 12) == 0) {
        mark_rules(value, value_len, config->enabled, &all);
        for (size_t i = 0; i < WCOW_LINT_COUNT && all; i++)
            config->enabled[i] = true;
    } else if (name_len == 5 && memcmp(name, "error", 5) == 0) {
        char word[8] = "";
        if (value_len < sizeof word)
            memcpy(word, value, value_len);
        if (!wcow_parse_bool(word, &config->error))
            return WCOW_FAIL(err, WCOW_E_INVALID,
                             "failed to parse check option \"%.*s\": error is true or false",
                             (int)len, text);
    } else {
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "invalid check option \"%.*s\": there are skip, error and experimental",
                         (int)name_len, name);
    }
    return WCOW_OK;
}

int wcow_lint_config_parse(const char *text, struct wcow_lint_config *ret, struct wcow_error *err)
{
    struct wcow_lint_config config = {0};
    size_t left = strlen(text);
    wcow_text_trim(&text, &left);
    while (left > 0) {
        const char *semicolon = memchr(text, ';', left);
        size_t n = semicolon ? (size_t)(semicolon - text) : left;
        int r = read_option(text, n, &config, err);
        if (r != WCOW_OK)
            return r;
        n += semicolon ? 1 : 0;
        text += n;
        left -= n;
    }
    *ret = config;
    return WCOW_OK;
}

/* --- report --- */

static bool is_off(const struct wcow_lint_config *config, enum wcow_lint_rule rule)
{
    if (rules[rule].experimental)
        return !config->enabled[rule];
    return config->skip_all || config->skip[rule];
}

/* `# check=skip=RULE` directly above an instruction holds for it alone. */
static bool is_skipped_above(const struct wcow_node *node, enum wcow_lint_rule rule)
{
    for (size_t i = 0; node && i < node->comments.count; i++) {
        struct wcow_lint_config config = {0};
        const char *comment = node->comments.items[i];
        if (strncmp(comment, "check=", 6) != 0)
            continue;
        /* What follows a space is said to the reader. */
        char text[WCOW_LINT_COUNT * 40] = "";
        size_t len = strcspn(comment + 6, " ");
        if (len < sizeof text)
            memcpy(text, comment + 6, len);
        return wcow_lint_config_parse(text, &config, NULL) == WCOW_OK &&
               (config.skip_all || config.skip[rule]);
    }
    return false;
}

static struct wcow_lint_warning *new_warning(struct wcow_lint *lint)
{
    struct wcow_lint_report *report = lint->report;
    if (report->count == lint->cap) {
        size_t cap = lint->cap ? lint->cap * 2 : 16;
        struct wcow_lint_warning *all = wcow_arena_alloc(&report->arena, cap * sizeof *all);
        if (!all)
            return NULL;
        if (report->count > 0)
            memcpy(all, report->warnings, report->count * sizeof *all);
        report->warnings = all;
        lint->cap = cap;
    }
    return &report->warnings[report->count];
}

struct wcow_lint_warning *wcow_lint_warn(struct wcow_lint *lint, enum wcow_lint_rule rule,
                                         const struct wcow_node *node, const char *fmt, ...)
{
    if (lint->failed || is_off(&lint->config, rule) || is_skipped_above(node, rule))
        return NULL;
    char text[1024];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    struct wcow_lint_warning *warning = new_warning(lint);
    char *detail = wcow_arena_strdup(&lint->report->arena, text);
    if (!warning || !detail) {
        lint->failed = WCOW_FAIL(lint->err, WCOW_E_NOMEM, "out of memory checking the Dockerfile");
        return NULL;
    }
    *warning = (struct wcow_lint_warning){.rule = rule, .detail = detail};
    if (node)
        warning->where = node->where;
    lint->report->count++;
    return warning;
}

/* --- rules about names and keywords --- */

static bool is_lower(const char *text)
{
    for (; *text; text++) {
        if (*text != wcow_text_lower(*text))
            return false;
    }
    return true;
}

static bool is_upper(const char *text)
{
    for (; *text; text++) {
        if (*text != wcow_text_upper(*text))
            return false;
    }
    return true;
}

static void check_from(struct wcow_lint *lint, const struct wcow_stage *stage)
{
    const struct wcow_node *node = stage->node;
    if (!stage->name)
        return;
    if (!is_lower(stage->name_as_written))
        wcow_lint_warn(lint, WCOW_LINT_STAGE_NAME_CASING, node,
                       "Stage name '%s' should be lowercase", stage->name_as_written);
    const char *as = node->args.items[1];
    bool differs =
        (is_lower(node->keyword) && !is_lower(as)) || (is_upper(node->keyword) && !is_upper(as));
    if (differs)
        wcow_lint_warn(lint, WCOW_LINT_FROM_AS_CASING, node,
                       "'%s' and '%s' keywords' casing do not match", as, node->keyword);
    if (strcmp(stage->name, "scratch") == 0 || strcmp(stage->name, "context") == 0)
        wcow_lint_warn(lint, WCOW_LINT_RESERVED_STAGE_NAME, node,
                       "Stage name should not use the same name as reserved stage \"%s\"",
                       stage->name);
    if (wcow_stage_find(lint->file, stage->name, (size_t)(stage - lint->file->stages)))
        wcow_lint_warn(lint, WCOW_LINT_DUPLICATE_STAGE_NAME, node,
                       "Duplicate stage name \"%s\", stage names should be unique", stage->name);
}

static void count_casing(const char *keyword, size_t *lower, size_t *upper)
{
    *lower += is_lower(keyword);
    *upper += is_upper(keyword) && !is_lower(keyword);
}

static void check_keyword(struct wcow_lint *lint, const struct wcow_node *node, bool want_lower)
{
    if (want_lower ? is_lower(node->keyword) : is_upper(node->keyword))
        return;
    wcow_lint_warn(lint, WCOW_LINT_CONSISTENT_INSTRUCTION_CASING, node,
                   "Command '%s' should match the case of the command majority (%s)", node->keyword,
                   want_lower ? "lowercase" : "uppercase");
}

static void check_casing(struct wcow_lint *lint)
{
    size_t lower = 0;
    size_t upper = 0;
    const struct wcow_dockerfile *dockerfile = lint->file->dockerfile;
    for (size_t i = lint->file->global_arg_count; i < dockerfile->node_count; i++)
        count_casing(dockerfile->nodes[i].keyword, &lower, &upper);
    for (size_t i = lint->file->global_arg_count; i < dockerfile->node_count; i++)
        check_keyword(lint, &dockerfile->nodes[i], lower > upper);
}

/* --- rules about one instruction --- */

/* Whether @p name has one of the words as one of its parts between underscores. */
static bool has_part(const char *name, const char *const *words, size_t count)
{
    while (*name) {
        size_t n = strcspn(name, "_");
        for (size_t i = 0; i < count; i++) {
            if (strlen(words[i]) == n && strncasecmp(words[i], name, n) == 0)
                return true;
        }
        name += n + (name[n] == '_');
    }
    return false;
}

static void check_secrets(struct wcow_lint *lint, const struct wcow_instruction *ins)
{
    static const char *const secret[] = {"apikey",   "auth",  "credential", "credentials", "key",
                                         "password", "pword", "passwd",     "secret",      "token"};
    static const char *const harmless[] = {"public", "file", "version"};
    for (size_t i = 0; i < ins->pairs.count; i++) {
        const char *key = ins->pairs.items[i].key;
        if (has_part(key, secret, sizeof secret / sizeof *secret) &&
            !has_part(key, harmless, sizeof harmless / sizeof *harmless))
            wcow_lint_warn(lint, WCOW_LINT_SECRETS_USED_IN_ARG_OR_ENV, ins->node,
                           "Do not use ARG or ENV instructions for sensitive data (%s \"%s\")",
                           wcow_instruction_name(ins->kind), key);
    }
}

static void check_pairs(struct wcow_lint *lint, const struct wcow_instruction *ins)
{
    if (ins->kind != WCOW_INS_LABEL)
        check_secrets(lint, ins);
    const char *name = wcow_instruction_name(ins->kind);
    for (size_t i = 0; i < ins->pairs.count; i++) {
        if (ins->pairs.items[i].no_delim)
            wcow_lint_warn(lint, WCOW_LINT_LEGACY_KEY_VALUE_FORMAT, ins->node,
                           "\"%s key=value\" should be used instead of legacy \"%s key value\" "
                           "format",
                           name, name);
    }
}

/* The last comment above an ARG or a named FROM should begin with a name that is defined there. */
static void check_description(struct wcow_lint *lint, const struct wcow_node *node,
                              const char *instruction, const struct wcow_pair *names, size_t count)
{
    if (node->comments.count == 0 || count == 0)
        return;
    const char *comment = node->comments.items[node->comments.count - 1];
    size_t n = strcspn(comment, " ");
    for (size_t i = 0; i < count; i++) {
        if (strlen(names[i].key) == n && memcmp(names[i].key, comment, n) == 0)
            return;
    }
    wcow_lint_warn(lint, WCOW_LINT_INVALID_DEFINITION_DESCRIPTION, node,
                   "Comment for %s should follow the format: `# %s <description>`", instruction,
                   count > 1 ? "<arg_key>" : names[0].key);
}

static void check_copy(struct wcow_lint *lint, const struct wcow_instruction *ins)
{
    const struct wcow_ignore *ignore = lint->input->ignore;
    if (!ignore || ins->copy.from)
        return;
    for (size_t i = 0; i < wcow_ignore_count(ignore); i++) {
        if (wcow_ignore_pattern(ignore, i)[0] == '!')
            return; /* what comes back cannot be told without the files */
    }
    for (size_t i = 0; i < ins->copy.sources.count; i++) {
        const char *source = ins->copy.sources.items[i];
        wcow_autofree char *path = calloc(1, strlen(source) + 3);
        if (!path)
            return;
        memcpy(path, source, strlen(source));
        wcow_pattern_clean(path);
        if (strcmp(path, ".") != 0 && strcmp(path, "/") != 0 && wcow_ignore_matches(ignore, path))
            wcow_lint_warn(lint, WCOW_LINT_COPY_IGNORED_FILE, ins->node,
                           "Attempting to %s file \"%s\" that is excluded by .dockerignore",
                           ins->kind == WCOW_INS_ADD ? "Add" : "Copy", path);
    }
}

static void check_instruction(struct wcow_lint *lint, const struct wcow_instruction *ins)
{
    if (ins->kind == WCOW_INS_MAINTAINER)
        wcow_lint_warn(lint, WCOW_LINT_MAINTAINER_DEPRECATED, ins->node,
                       "Maintainer instruction is deprecated in favor of using label");
    if (ins->kind == WCOW_INS_ARG)
        check_description(lint, ins->node, "ARG", ins->pairs.items, ins->pairs.count);
    if (ins->kind == WCOW_INS_ARG || ins->kind == WCOW_INS_ENV || ins->kind == WCOW_INS_LABEL)
        check_pairs(lint, ins);
    if (ins->kind == WCOW_INS_COPY || ins->kind == WCOW_INS_ADD)
        check_copy(lint, ins);
}

/* --- rules about a stage --- */

static const struct wcow_stage *base_stage(const struct wcow_lint *lint,
                                           const struct wcow_stage *stage)
{
    return wcow_stage_find(lint->file, stage->base, (size_t)(stage - lint->file->stages));
}

/* Whether the stage, or one that it builds on, has an instruction of @p kind. */
static bool stage_has(const struct wcow_lint *lint, const struct wcow_stage *stage,
                      enum wcow_instruction_kind kind)
{
    for (; stage; stage = base_stage(lint, stage)) {
        for (size_t i = 0; i < stage->instruction_count; i++) {
            if (stage->instructions[i].kind == kind)
                return true;
        }
    }
    return false;
}

static void check_once(struct wcow_lint *lint, const struct wcow_stage *stage,
                       enum wcow_instruction_kind kind)
{
    const struct wcow_node *previous = NULL;
    for (size_t i = 0; i < stage->instruction_count; i++) {
        const struct wcow_instruction *ins = &stage->instructions[i];
        if (ins->kind != kind)
            continue;
        if (previous)
            wcow_lint_warn(lint, WCOW_LINT_MULTIPLE_INSTRUCTIONS_DISALLOWED, previous,
                           "Multiple %s instructions should not be used in the same stage because "
                           "only the last one will be used",
                           wcow_instruction_name(kind));
        previous = ins->node;
    }
}

static void check_shell_forms(struct wcow_lint *lint, const struct wcow_stage *stage)
{
    const struct wcow_stage *base = base_stage(lint, stage);
    bool shell_is_set = base && stage_has(lint, base, WCOW_INS_SHELL);
    for (size_t i = 0; i < stage->instruction_count; i++) {
        const struct wcow_instruction *ins = &stage->instructions[i];
        shell_is_set = shell_is_set || ins->kind == WCOW_INS_SHELL;
        bool command = ins->kind == WCOW_INS_CMD || ins->kind == WCOW_INS_ENTRYPOINT;
        if (!command || !ins->command.shell || shell_is_set)
            continue;
        struct wcow_lint_warning *warning = wcow_lint_warn(
            lint, WCOW_LINT_JSON_ARGS_RECOMMENDED, ins->node,
            "JSON arguments recommended for %s to prevent unintended behavior related to "
            "OS signals",
            wcow_instruction_name(ins->kind));
        if (warning && ins->node->json_failed)
            warning->hint = "what begins with [ is no valid JSON, so it is taken as a command";
    }
}

static void check_base_platform(struct wcow_lint *lint, const struct wcow_stage *stage)
{
    const struct wcow_lint_input *input = lint->input;
    const size_t index = (size_t)(stage - lint->file->stages);
    struct wcow_lint_platforms platforms;
    if (input->base_platform && input->base_platform(input->base_platform_ctx, index, &platforms))
        wcow_lint_warn(lint, WCOW_LINT_INVALID_BASE_IMAGE_PLATFORM, stage->node,
                       "Base image %s was pulled with platform \"%s\", expected \"%s\" for current "
                       "build",
                       stage->base, platforms.is, platforms.wanted);
}

static void check_stage(struct wcow_lint *lint, const struct wcow_stage *stage)
{
    check_from(lint, stage);
    check_base_platform(lint, stage);
    if (stage->name) {
        struct wcow_pair name = {.key = stage->name};
        check_description(lint, stage->node, "FROM", &name, 1);
    }
    for (size_t i = 0; i < stage->instruction_count; i++)
        check_instruction(lint, &stage->instructions[i]);
    check_once(lint, stage, WCOW_INS_CMD);
    check_once(lint, stage, WCOW_INS_ENTRYPOINT);
    check_once(lint, stage, WCOW_INS_HEALTHCHECK);
    check_shell_forms(lint, stage);
}

/* --- all --- */

static void check_continuations(struct wcow_lint *lint)
{
    const struct wcow_dockerfile *dockerfile = lint->file->dockerfile;
    for (size_t i = 0; i < dockerfile->warning_count; i++) {
        struct wcow_node here = {.where = dockerfile->warnings[i].where};
        wcow_lint_warn(lint, WCOW_LINT_NO_EMPTY_CONTINUATION, &here, "Empty continuation line");
    }
}

static int compare_warnings(const void *a, const void *b)
{
    const struct wcow_lint_warning *x = a;
    const struct wcow_lint_warning *y = b;
    if (x->where.first != y->where.first)
        return x->where.first < y->where.first ? -1 : 1;
    if (x->rule != y->rule)
        return x->rule < y->rule ? -1 : 1;
    return strcmp(x->detail, y->detail);
}

static int choose_config(const struct wcow_build_file *file, const struct wcow_lint_input *input,
                         struct wcow_lint_config *ret, struct wcow_error *err)
{
    *ret = input->config;
    const char *text =
        input->build_args ? wcow_env_get(input->build_args, "BUILDKIT_DOCKERFILE_CHECK") : NULL;
    if (!text)
        text = wcow_dockerfile_directive(file->dockerfile, "check");
    if (!text)
        return WCOW_OK;
    struct wcow_lint_config config;
    int r = wcow_lint_config_parse(text, &config, err);
    if (r != WCOW_OK)
        return wcow_error_wrap(r, err, "check");
    ret->skip_all = ret->skip_all || config.skip_all;
    ret->error = ret->error || config.error;
    for (size_t i = 0; i < WCOW_LINT_COUNT; i++) {
        ret->skip[i] = ret->skip[i] || config.skip[i];
        ret->enabled[i] = ret->enabled[i] || config.enabled[i];
    }
    return WCOW_OK;
}

int wcow_lint_run(const struct wcow_build_file *file, const struct wcow_lint_input *input,
                  struct wcow_lint_report **ret, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_lint_report_free_p)
    struct wcow_lint_report *report = calloc(1, sizeof *report);
    if (!report)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory checking the Dockerfile");
    struct wcow_lint lint = {.file = file, .input = input, .report = report, .err = err};
    int r = choose_config(file, input, &lint.config, err);
    if (r != WCOW_OK)
        return r;
    check_continuations(&lint);
    check_casing(&lint);
    for (size_t i = 0; i < file->global_arg_count; i++)
        check_instruction(&lint, &file->global_args[i]);
    for (size_t i = 0; i < file->stage_count; i++)
        check_stage(&lint, &file->stages[i]);
    wcow_lint_variables(&lint);
    if (lint.failed)
        return lint.failed;
    if (report->count > 0)
        qsort(report->warnings, report->count, sizeof *report->warnings, compare_warnings);
    report->error = lint.config.error;
    *ret = WCOW_TAKE_PTR(report);
    return WCOW_OK;
}

void wcow_lint_report_free(struct wcow_lint_report *report)
{
    if (!report)
        return;
    wcow_arena_done(&report->arena);
    free(report);
}
