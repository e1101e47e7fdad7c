/* SPDX-License-Identifier: Apache-2.0 */
/* What is wrong with a Dockerfile whatever its base images hold is said before anything is fetched:
 * stages that don't exist yet, names that are no images, flags that cannot mean anything. Words
 * with variables in them wait for their step. */
#include "builder/build_check.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "builder/remote.h"
#include "builder/rights.h"
#include "builder/winpath.h"
#include "builder/words.h"

static bool is_constant(const char *text)
{
    return text && !strpbrk(text, "$`\\\"'");
}

/* ---- FROM ---- */

static int check_platform(const struct wcow_stage *stage, const struct wcow_lexer *lexer,
                          struct wcow_arena *arena, struct wcow_error *err)
{
    struct wcow_platform platform;
    const char *text = NULL;
    if (!stage->platform)
        return WCOW_OK;
    int r = wcow_words_expand(lexer, stage->platform, arena, &text, err);
    if (r == WCOW_OK && !*text)
        r = WCOW_FAIL(err, WCOW_E_INVALID, "empty platform value from expression %s",
                      stage->platform);
    return r < 0 ? r : wcow_platform_parse(text, &platform, err);
}

static int check_base(const struct wcow_build *b, size_t index, const struct wcow_lexer *lexer,
                      struct wcow_arena *arena, struct wcow_error *err)
{
    const struct wcow_stage *stage = &b->file->stages[index];
    struct wcow_reference ref;
    const char *base = NULL;
    int r = wcow_words_expand(lexer, stage->base, arena, &base, err);
    if (r == WCOW_OK && !*base)
        r = WCOW_FAIL(err, WCOW_E_INVALID, "base name (%s) should not be blank", stage->base);
    if (r < 0 || strcmp(base, "scratch") == 0 || wcow_build_is_named(b, base) ||
        wcow_stage_find(b->file, base, index))
        return r;
    r = wcow_reference_parse(base, &ref, err);
    return r < 0 ? wcow_error_wrap(r, err, "failed to parse stage name \"%s\"", base) : WCOW_OK;
}

/* ---- COPY and ADD ---- */

static int check_from(const struct wcow_build *b, size_t index, const char *from,
                      struct wcow_error *err)
{
    const struct wcow_stage *self = &b->file->stages[index];
    if (!from || wcow_build_is_named(b, from) || wcow_stage_find(b->file, from, index))
        return WCOW_OK;
    for (size_t i = index; i < b->file->stage_count; i++) {
        const struct wcow_stage *stage = &b->file->stages[i];
        if (!stage->name || strcasecmp(stage->name, from) != 0)
            continue;
        return i == index
                   ? WCOW_FAIL(err, WCOW_E_INVALID, "circular dependency detected on stage: %s",
                               from)
                   : WCOW_FAIL(err, WCOW_E_INVALID,
                               "cannot copy from stage \"%s\", it needs to be defined before "
                               "current stage \"%s\"",
                               from, self->name ? self->name : self->base);
    }
    return WCOW_OK;
}

static int check_chmod(const char *text, struct wcow_error *err)
{
    struct wcow_chmod chmod = {0};
    if (!is_constant(text))
        return WCOW_OK;
    int r = wcow_chmod_parse(text, &chmod, err);
    wcow_chmod_done(&chmod);
    return r;
}

int wcow_build_check_copy(const struct wcow_copy *copy, bool is_add, struct wcow_error *err)
{
    size_t n = copy->sources.count + copy->content_count;
    bool is_remote = false;
    for (size_t i = 0; i < copy->sources.count; i++) {
        const char *source = copy->sources.items[i];
        is_remote = wcow_git_is_url(source) || wcow_remote_is_http(source);
        if (!is_add && wcow_remote_is_http(source))
            return WCOW_FAIL(err, WCOW_E_INVALID,
                             "source can't be a URL for COPY: ADD %s fetches it", source);
    }
    if (!copy->checksum)
        return WCOW_OK;
    if (n != 1)
        return WCOW_FAIL(err, WCOW_E_INVALID, "--checksum is for one source, and there are %zu", n);
    if (!is_remote)
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "checksum requires HTTP(S) or Git sources: what is in the build context "
                         "is as it is");
    return WCOW_OK;
}

/* Of a stage that is for Windows as far as one can see. */
static int check_path(const struct wcow_build *b, size_t index, const char *text,
                      struct wcow_error *err)
{
    wcow_autofree char *path = NULL;
    return is_constant(text) && !b->file->stages[index].platform
               ? wcow_winpath_normalise(text, false, &path, err)
               : WCOW_OK;
}

static int check_copy(const struct wcow_build *b, size_t index, const struct wcow_instruction *ins,
                      struct wcow_error *err)
{
    const struct wcow_copy *copy = &ins->copy;
    bool is_add = ins->kind == WCOW_INS_ADD;
    bool is_constant_source =
        !copy->checksum || copy->sources.count != 1 || is_constant(copy->sources.items[0]);
    int r = is_constant_source ? wcow_build_check_copy(copy, is_add, err) : WCOW_OK;
    if (r == WCOW_OK)
        r = check_from(b, index, copy->from, err);
    if (r == WCOW_OK)
        r = check_path(b, index, copy->dest, err);
    return r < 0 ? r : check_chmod(copy->chmod, err);
}

static int check_instruction(const struct wcow_build *b, size_t index,
                             const struct wcow_instruction *ins, struct wcow_error *err)
{
    int r = WCOW_OK;
    if (ins->kind == WCOW_INS_COPY || ins->kind == WCOW_INS_ADD)
        return check_copy(b, index, ins, err);
    for (size_t i = 0; ins->kind == WCOW_INS_RUN && r == WCOW_OK && i < ins->run.mount_count; i++)
        r = check_from(b, index, ins->run.mounts[i].from, err);
    return r == WCOW_OK && ins->kind == WCOW_INS_WORKDIR ? check_path(b, index, ins->text, err) : r;
}

/* ---- words ---- */

/* Any value does: whether a word can be read depends on none. */
static const char *any_value(const void *ctx, const char *name)
{
    (void)ctx;
    (void)name;
    return "x";
}

static int check_args(const struct wcow_build *b, const struct wcow_instruction *ins,
                      const struct wcow_lexer *lexer, struct wcow_arena *arena,
                      struct wcow_error *err)
{
    const struct wcow_arg_scope scope = {.build_args = &b->build_args, .lexer = lexer};
    const char *value = NULL;
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < ins->pairs.count; i++)
        r = wcow_arg_value(&scope, &ins->pairs.items[i], arena, &value, err);
    return r;
}

/* Quotes without an end and the like. RUN's mounts were read where they have no variables; with
 * wrong values they would mean something else. */
static int check_words(const struct wcow_build *b, const struct wcow_instruction *ins,
                       struct wcow_arena *arena, struct wcow_error *err)
{
    const struct wcow_lexer lexer = {.escape = b->dockerfile->escape, .env = {.get = any_value}};
    struct wcow_instruction unused;
    if (ins->kind == WCOW_INS_RUN)
        return WCOW_OK;
    return ins->kind == WCOW_INS_ARG ? check_args(b, ins, &lexer, arena, err)
                                     : wcow_instruction_expand(ins, &lexer, arena, &unused, err);
}

static int check_stage(struct wcow_build *b, size_t index, const struct wcow_lexer *lexer,
                       struct wcow_error *err)
{
    const struct wcow_stage *stage = &b->file->stages[index];
    b->where = stage->node->where;
    WCOW_CLEANUP(wcow_arena_done) struct wcow_arena arena = {0};
    int r = check_platform(stage, lexer, &arena, err);
    if (r == WCOW_OK)
        r = check_base(b, index, lexer, &arena, err);
    for (size_t i = 0; r == WCOW_OK && i < stage->instruction_count; i++) {
        b->where = stage->instructions[i].node->where;
        r = check_instruction(b, index, &stage->instructions[i], err);
        if (r == WCOW_OK)
            r = check_words(b, &stage->instructions[i], &arena, err);
    }
    return r;
}

int wcow_build_check(struct wcow_build *b, struct wcow_error *err)
{
    const struct wcow_lexer lexer = wcow_lexer_of(b->dockerfile->escape, &b->variants[0].globals);
    for (size_t i = 0; i < b->file->stage_count; i++) {
        int r = check_stage(b, i, &lexer, err);
        if (r < 0)
            return r;
    }
    b->where = (struct wcow_line_range){0};
    return WCOW_OK;
}
