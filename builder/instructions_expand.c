/* SPDX-License-Identifier: Apache-2.0 */
/* Variables in instructions: which parts of which kind are expanded, and how. */
#include <string.h>

#include "builder/instructions.h"
#include "builder/instructions_mount.h"

struct expansion {
    const struct wcow_lexer *lexer;
    struct wcow_arena *arena;
    struct wcow_error *err;
};

static int out_of_memory(const struct expansion *x)
{
    return WCOW_FAIL(x->err, WCOW_E_NOMEM, "out of memory expanding variables");
}

/* *text is replaced; NULL stays. */
static int expand_text(const struct expansion *x, const char **text)
{
    return *text ? wcow_words_expand(x->lexer, *text, x->arena, text, x->err) : WCOW_OK;
}

static int expand_list(const struct expansion *x, struct wcow_strings *list)
{
    struct wcow_strings out = {0};
    int r = WCOW_OK;
    for (size_t i = 0; i < list->count && r == WCOW_OK; i++) {
        const char *text = list->items[i];
        r = expand_text(x, &text);
        if (r == WCOW_OK)
            r = wcow_strings_add(x->arena, &out, text, x->err);
    }
    if (r == WCOW_OK)
        *list = out;
    return r;
}

/* EXPOSE: a variable may hold several words. */
static int split_list(const struct expansion *x, struct wcow_strings *list)
{
    struct wcow_strings out = {0};
    int r = WCOW_OK;
    for (size_t i = 0; i < list->count && r == WCOW_OK; i++) {
        struct wcow_strings words = {0};
        r = wcow_words_split(x->lexer, list->items[i], x->arena, &words, x->err);
        for (size_t k = 0; k < words.count && r == WCOW_OK; k++)
            r = wcow_strings_add(x->arena, &out, words.items[k], x->err);
    }
    if (r == WCOW_OK)
        *list = out;
    return r;
}

static int expand_pairs(const struct expansion *x, struct wcow_pairs *pairs)
{
    struct wcow_pair *items = wcow_arena_alloc(x->arena, pairs->count * sizeof *items);
    if (!items)
        return out_of_memory(x);
    int r = WCOW_OK;
    for (size_t i = 0; i < pairs->count && r == WCOW_OK; i++) {
        items[i] = pairs->items[i];
        r = expand_text(x, &items[i].key);
        if (r == WCOW_OK)
            r = expand_text(x, &items[i].value);
    }
    if (r == WCOW_OK)
        pairs->items = items;
    return r;
}

/* A here-document keeps its quotes and backslashes; only its variables are replaced. */
static int expand_contents(const struct expansion *x, struct wcow_copy *copy)
{
    if (copy->content_count == 0)
        return WCOW_OK;
    struct wcow_heredoc *docs = wcow_arena_alloc(x->arena, copy->content_count * sizeof *docs);
    if (!docs)
        return out_of_memory(x);
    struct wcow_lexer lexer = *x->lexer;
    lexer.heredoc = true;
    for (size_t i = 0; i < copy->content_count; i++) {
        docs[i] = copy->contents[i];
        if (!docs[i].expand)
            continue;
        int r = wcow_words_expand(&lexer, docs[i].content, x->arena, &docs[i].content, x->err);
        if (r != WCOW_OK)
            return wcow_error_wrap(r, x->err, "here-document %s", docs[i].name);
        docs[i].content_len = strlen(docs[i].content);
    }
    copy->contents = docs;
    return WCOW_OK;
}

static int expand_copy(const struct expansion *x, bool json, struct wcow_copy *copy)
{
    /* JSON has undone its escapes already: a backslash that is left is meant. */
    struct wcow_lexer plain = *x->lexer;
    plain.heredoc = true;
    struct expansion paths = *x;
    if (json)
        paths.lexer = &plain;
    int r = expand_text(x, &copy->chown);
    if (r == WCOW_OK)
        r = expand_text(x, &copy->chmod);
    if (r == WCOW_OK)
        r = expand_text(x, &copy->checksum);
    if (r == WCOW_OK)
        r = expand_list(&paths, &copy->sources);
    if (r == WCOW_OK)
        r = expand_text(&paths, &copy->dest);
    return r == WCOW_OK ? expand_contents(x, copy) : r;
}

static int expand_volumes(const struct expansion *x, bool json, struct wcow_strings *volumes)
{
    struct wcow_lexer plain = *x->lexer;
    plain.heredoc = true;
    struct expansion paths = *x;
    if (json)
        paths.lexer = &plain;
    return expand_list(&paths, volumes);
}

static int expand_mounts(const struct expansion *x, struct wcow_run *run)
{
    size_t count = run->mount_flags.count;
    struct wcow_run_mount *mounts = wcow_arena_alloc(x->arena, count * sizeof *mounts);
    if (!mounts)
        return out_of_memory(x);
    for (size_t i = 0; i < count; i++) {
        int r = wcow_mount_parse(run->mount_flags.items[i], x->lexer, x->arena, &mounts[i], x->err);
        if (r != WCOW_OK)
            return r;
    }
    run->mounts = mounts;
    run->mount_count = count;
    return WCOW_OK;
}

static int expand(const struct expansion *x, struct wcow_instruction *ins)
{
    bool json = ins->node->form == WCOW_FORM_JSON;
    switch (ins->kind) {
    case WCOW_INS_ENV:
    case WCOW_INS_LABEL:
        return expand_pairs(x, &ins->pairs);
    case WCOW_INS_ADD:
    case WCOW_INS_COPY:
        return expand_copy(x, json, &ins->copy);
    case WCOW_INS_RUN:
        return expand_mounts(x, &ins->run);
    case WCOW_INS_EXPOSE:
        return split_list(x, &ins->list);
    case WCOW_INS_VOLUME:
        return expand_volumes(x, json, &ins->list);
    case WCOW_INS_STOPSIGNAL:
    case WCOW_INS_USER:
    case WCOW_INS_WORKDIR:
        return expand_text(x, &ins->text);
    case WCOW_INS_ARG:
    case WCOW_INS_CMD:
    case WCOW_INS_ENTRYPOINT:
    case WCOW_INS_FROM:
    case WCOW_INS_HEALTHCHECK:
    case WCOW_INS_MAINTAINER:
    case WCOW_INS_ONBUILD:
    case WCOW_INS_SHELL:
    case WCOW_INS_COUNT:
    default:
        return WCOW_OK;
    }
}

int wcow_instruction_expand(const struct wcow_instruction *ins, const struct wcow_lexer *lexer,
                            struct wcow_arena *arena, struct wcow_instruction *ret,
                            struct wcow_error *err)
{
    struct expansion x = {lexer, arena, err};
    struct wcow_instruction out = *ins;
    int r = expand(&x, &out);
    if (r == WCOW_OK)
        *ret = out;
    return r;
}

int wcow_arg_value(const struct wcow_arg_scope *scope, const struct wcow_pair *pair,
                   struct wcow_arena *arena, const char **ret, struct wcow_error *err)
{
    const char *given = scope->build_args ? wcow_env_get(scope->build_args, pair->key) : NULL;
    if (!given && pair->value)
        return wcow_words_expand(scope->lexer, pair->value, arena, ret, err);
    if (!given && scope->globals)
        given = wcow_env_get(scope->globals, pair->key);
    *ret = given;
    return WCOW_OK;
}
