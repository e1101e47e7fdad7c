/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/instructions_type.h"

#include <stdlib.h>
#include <string.h>

#include "builder/instructions_flags.h"
#include "builder/words_text.h"

static const char *const names[WCOW_INS_COUNT] = {
    [WCOW_INS_ADD] = "ADD",
    [WCOW_INS_ARG] = "ARG",
    [WCOW_INS_CMD] = "CMD",
    [WCOW_INS_COPY] = "COPY",
    [WCOW_INS_ENTRYPOINT] = "ENTRYPOINT",
    [WCOW_INS_ENV] = "ENV",
    [WCOW_INS_EXPOSE] = "EXPOSE",
    [WCOW_INS_FROM] = "FROM",
    [WCOW_INS_HEALTHCHECK] = "HEALTHCHECK",
    [WCOW_INS_LABEL] = "LABEL",
    [WCOW_INS_MAINTAINER] = "MAINTAINER",
    [WCOW_INS_ONBUILD] = "ONBUILD",
    [WCOW_INS_RUN] = "RUN",
    [WCOW_INS_SHELL] = "SHELL",
    [WCOW_INS_STOPSIGNAL] = "STOPSIGNAL",
    [WCOW_INS_USER] = "USER",
    [WCOW_INS_VOLUME] = "VOLUME",
    [WCOW_INS_WORKDIR] = "WORKDIR",
};

const char *wcow_instruction_name(enum wcow_instruction_kind kind)
{
    return names[kind];
}

/* Of a keyword in any case; false where there is no such instruction. */
static bool kind_of(const char *keyword, enum wcow_instruction_kind *ret)
{
    for (size_t i = 0; i < WCOW_INS_COUNT; i++) {
        if (wcow_text_casecmp(keyword, names[i]) == 0) {
            *ret = (enum wcow_instruction_kind)i;
            return true;
        }
    }
    return false;
}

static int out_of_memory(const struct wcow_typing *in)
{
    return WCOW_FAIL(in->err, WCOW_E_NOMEM, "out of memory reading the Dockerfile");
}

static int no_argument(const struct wcow_typing *in, const char *name)
{
    return WCOW_FAIL(in->err, WCOW_E_INVALID, "%s requires at least one argument", name);
}

static int no_flags(const struct wcow_typing *in, const struct wcow_node *node)
{
    return wcow_flags_read(node, in->arena, NULL, 0, in->err);
}

static bool is_lower(const char *text)
{
    for (; *text; text++) {
        if (*text != wcow_text_lower(*text))
            return false;
    }
    return true;
}

static int unknown(const struct wcow_typing *in, const char *keyword)
{
    const char *meant = wcow_diagnostic_suggest(keyword, names, WCOW_INS_COUNT);
    if (!meant)
        return WCOW_FAIL(in->err, WCOW_E_INVALID, "unknown instruction: %s", keyword);
    char *suggestion = wcow_arena_strdup(in->arena, meant);
    if (!suggestion)
        return out_of_memory(in);
    for (char *c = suggestion; *c && is_lower(keyword); c++)
        *c = wcow_text_lower(*c);
    return WCOW_FAIL(in->err, WCOW_E_INVALID, "unknown instruction: %s (did you mean %s?)", keyword,
                     suggestion);
}

const char *wcow_type_description(const struct wcow_node *node, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < node->comments.count && len > 0; i++) {
        const char *comment = node->comments.items[i];
        if (strncmp(comment, name, len) == 0 && comment[len] == ' ')
            return comment + len + 1;
    }
    return NULL;
}

void wcow_type_command(const struct wcow_node *node, size_t skip, struct wcow_ins_command *ret)
{
    *ret = (struct wcow_ins_command){.shell = node->form != WCOW_FORM_JSON};
    if (node->args.count > skip) {
        ret->args.items = node->args.items + skip;
        ret->args.count = node->args.count - skip;
    }
}

/* --- ENV, LABEL, ARG --- */

static int type_pairs(const struct wcow_typing *in, const struct wcow_node *node,
                      struct wcow_instruction *ret)
{
    size_t count = node->args.count / 3;
    if (count == 0)
        return no_argument(in, names[ret->kind]);
    struct wcow_pair *pairs = wcow_arena_alloc(in->arena, count * sizeof *pairs);
    if (!pairs)
        return out_of_memory(in);
    for (size_t i = 0; i < count; i++) {
        const char *const *item = &node->args.items[3 * i];
        if (!*item[0])
            return WCOW_FAIL(in->err, WCOW_E_INVALID, "%s names can not be blank",
                             names[ret->kind]);
        pairs[i] = (struct wcow_pair){.key = item[0], .value = item[1], .no_delim = !*item[2]};
    }
    ret->pairs = (struct wcow_pairs){pairs, count};
    return WCOW_OK;
}

static int type_arg_word(const struct wcow_typing *in, const struct wcow_node *node,
                         const char *word, struct wcow_pair *ret)
{
    const char *equals = strchr(word, '=');
    if (equals == word)
        return WCOW_FAIL(in->err, WCOW_E_INVALID, "ARG names can not be blank");
    ret->key = equals ? wcow_arena_strndup(in->arena, word, (size_t)(equals - word)) : word;
    if (!ret->key)
        return out_of_memory(in);
    ret->value = equals ? equals + 1 : NULL;
    ret->description = wcow_type_description(node, ret->key);
    return WCOW_OK;
}

static int type_arg(const struct wcow_typing *in, const struct wcow_node *node,
                    struct wcow_instruction *ret)
{
    size_t count = node->args.count;
    if (count == 0)
        return no_argument(in, "ARG");
    struct wcow_pair *pairs = wcow_arena_alloc(in->arena, count * sizeof *pairs);
    if (!pairs)
        return out_of_memory(in);
    for (size_t i = 0; i < count; i++) {
        int r = type_arg_word(in, node, node->args.items[i], &pairs[i]);
        if (r != WCOW_OK)
            return r;
    }
    ret->pairs = (struct wcow_pairs){pairs, count};
    return WCOW_OK;
}

/* --- one text, or a list --- */

static int type_text(const struct wcow_typing *in, const struct wcow_node *node,
                     struct wcow_instruction *ret)
{
    if (node->args.count != 1)
        return WCOW_FAIL(in->err, WCOW_E_INVALID, "%s requires exactly one argument",
                         names[ret->kind]);
    ret->text = node->args.items[0];
    return WCOW_OK;
}

static int compare_strings(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int type_expose(const struct wcow_typing *in, const struct wcow_node *node,
                       struct wcow_instruction *ret)
{
    if (node->args.count == 0)
        return no_argument(in, "EXPOSE");
    int r = WCOW_OK;
    struct wcow_strings ports = {0};
    for (size_t i = 0; i < node->args.count && r == WCOW_OK; i++)
        r = wcow_strings_add(in->arena, &ports, node->args.items[i], in->err);
    if (r != WCOW_OK)
        return r;
    qsort(ports.items, ports.count, sizeof *ports.items, compare_strings);
    ret->list = ports;
    return WCOW_OK;
}

static int type_volume(const struct wcow_typing *in, const struct wcow_node *node,
                       struct wcow_instruction *ret)
{
    if (node->args.count == 0)
        return no_argument(in, "VOLUME");
    struct wcow_strings volumes = {0};
    for (size_t i = 0; i < node->args.count; i++) {
        const char *text = node->args.items[i];
        size_t len = strlen(text);
        wcow_text_trim(&text, &len);
        if (len == 0)
            return WCOW_FAIL(in->err, WCOW_E_INVALID,
                             "VOLUME specified can not be an empty string");
        int r = wcow_strings_add(in->arena, &volumes, wcow_arena_strndup(in->arena, text, len),
                                 in->err);
        if (r != WCOW_OK)
            return r;
    }
    ret->list = volumes;
    return WCOW_OK;
}

static int type_shell(const struct wcow_typing *in, const struct wcow_node *node,
                      struct wcow_instruction *ret)
{
    if (node->args.count == 0)
        return no_argument(in, "SHELL");
    if (node->form != WCOW_FORM_JSON) {
        const char *hint = node->json_failed && strchr(node->rest, '\\')
                               ? ". JSON wants each backslash doubled: [\"C:\\\\tools\\\\sh.exe\"]"
                               : ", as in SHELL [\"powershell\", \"-Command\"]";
        return WCOW_FAIL(in->err, WCOW_E_INVALID,
                         "SHELL requires the arguments to be in JSON form%s", hint);
    }
    ret->list = node->args;
    return WCOW_OK;
}

static int type_command(const struct wcow_typing *in, const struct wcow_node *node,
                        struct wcow_instruction *ret)
{
    (void)in;
    wcow_type_command(node, 0, &ret->command);
    return WCOW_OK;
}

/* --- ONBUILD --- */

/* The instruction as it stands behind ONBUILD, here-documents and all. */
static int trigger_text(const struct wcow_typing *in, const struct wcow_node *node,
                        const char **ret)
{
    wcow_autobuf text = {0};
    int r = wcow_buf_add_str(&text, node->rest, in->err);
    for (size_t i = 0; i < node->heredoc_count && r == WCOW_OK; i++)
        r = wcow_buf_addf(&text, in->err, "\n%s%s", node->heredocs[i].content,
                          node->heredocs[i].name);
    if (r != WCOW_OK)
        return r;
    *ret = wcow_arena_strndup(in->arena, (const char *)text.data, text.len);
    return *ret ? WCOW_OK : out_of_memory(in);
}

static int type_onbuild(const struct wcow_typing *in, const struct wcow_node *node,
                        struct wcow_instruction *ret)
{
    const struct wcow_node *child = node->child;
    if (!child || !*child->name)
        return no_argument(in, "ONBUILD");
    if (strcmp(child->name, "onbuild") == 0)
        return WCOW_FAIL(in->err, WCOW_E_INVALID,
                         "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
    if (strcmp(child->name, "from") == 0 || strcmp(child->name, "maintainer") == 0)
        return WCOW_FAIL(in->err, WCOW_E_INVALID, "%s isn't allowed as an ONBUILD trigger",
                         child->name[0] == 'f' ? "FROM" : "MAINTAINER");
    struct wcow_instruction checked = {0};
    int r = wcow_instruction_type(in, child, &checked);
    return r == WCOW_OK ? trigger_text(in, node, &ret->text) : r;
}

typedef int type_fn(const struct wcow_typing *in, const struct wcow_node *node,
                    struct wcow_instruction *ret);

/* RUN, COPY, ADD and HEALTHCHECK read flags of their own; the others know none. */
static type_fn *const typers[WCOW_INS_COUNT] = {
    [WCOW_INS_ADD] = wcow_type_copy,
    [WCOW_INS_ARG] = type_arg,
    [WCOW_INS_CMD] = type_command,
    [WCOW_INS_COPY] = wcow_type_copy,
    [WCOW_INS_ENTRYPOINT] = type_command,
    [WCOW_INS_ENV] = type_pairs,
    [WCOW_INS_EXPOSE] = type_expose,
    [WCOW_INS_FROM] = NULL,
    [WCOW_INS_HEALTHCHECK] = wcow_type_health,
    [WCOW_INS_LABEL] = type_pairs,
    [WCOW_INS_MAINTAINER] = type_text,
    [WCOW_INS_ONBUILD] = type_onbuild,
    [WCOW_INS_RUN] = wcow_type_run,
    [WCOW_INS_SHELL] = type_shell,
    [WCOW_INS_STOPSIGNAL] = type_text,
    [WCOW_INS_USER] = type_text,
    [WCOW_INS_VOLUME] = type_volume,
    [WCOW_INS_WORKDIR] = type_text,
};

static bool has_flags(enum wcow_instruction_kind kind)
{
    return kind == WCOW_INS_RUN || kind == WCOW_INS_COPY || kind == WCOW_INS_ADD ||
           kind == WCOW_INS_HEALTHCHECK;
}

static int no_nul(const struct wcow_typing *in, const struct wcow_node *node)
{
    for (size_t i = 0; i < node->args.count && node->form == WCOW_FORM_JSON; i++) {
        if (strstr(node->args.items[i], WCOW_NODE_NUL))
            return WCOW_FAIL(
                in->err, WCOW_E_INVALID,
                "the JSON array of %s holds a NUL character, which no path or argument "
                "can hold",
                node->keyword);
    }
    return WCOW_OK;
}

int wcow_instruction_type(const struct wcow_typing *in, const struct wcow_node *node,
                          struct wcow_instruction *ret)
{
    struct wcow_instruction typed = {.node = node};
    if (!kind_of(node->name, &typed.kind))
        return unknown(in, node->keyword);
    if (!typers[typed.kind])
        return WCOW_FAIL(in->err, WCOW_E_INVALID, "%s begins a stage and cannot stand here",
                         names[typed.kind]);
    int r = no_nul(in, node);
    if (r == WCOW_OK && !has_flags(typed.kind))
        r = no_flags(in, node);
    if (r == WCOW_OK)
        r = typers[typed.kind](in, node, &typed);
    if (r == WCOW_OK)
        *ret = typed;
    return r;
}
