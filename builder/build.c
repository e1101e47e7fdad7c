/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/build.h"

#include <stdlib.h>
#include <string.h>

#include "builder/build_internal.h"
#include "builder/words.h"

/* ---- which stages ---- */

static void want(struct wcow_build *b, size_t index);

static void want_named(struct wcow_build *b, const char *name, size_t before)
{
    if (wcow_build_is_named(b, name))
        return;
    const struct wcow_stage *stage = wcow_stage_find(b->file, name, before);
    char *end = NULL;
    unsigned long number = strtoul(name, &end, 10);
    if (stage)
        want(b, (size_t)(stage - b->file->stages));
    else if (*name && !*end && number < before)
        want(b, number);
}

/* The stages before it that one needs: its base, and those it copies from. */
// NOLINTNEXTLINE(misc-no-recursion)
static void want(struct wcow_build *b, size_t index)
{
    struct wcow_stage_state *s = &b->stages[index];
    if (s->is_wanted)
        return;
    s->is_wanted = true;
    const struct wcow_lexer lexer = wcow_lexer_of(b->dockerfile->escape, &b->globals);
    const char *base = NULL;
    if (wcow_words_expand(&lexer, s->stage->base, &b->arena, &base, NULL) == WCOW_OK)
        want_named(b, base, index);
    for (size_t i = 0; i < s->stage->instruction_count; i++) {
        const struct wcow_instruction *ins = &s->stage->instructions[i];
        if ((ins->kind == WCOW_INS_COPY || ins->kind == WCOW_INS_ADD) && ins->copy.from)
            want_named(b, ins->copy.from, index);
    }
}

static int plan(struct wcow_build *b, struct wcow_error *err)
{
    size_t n = b->file->stage_count;
    b->stages = calloc(n ? n : 1, sizeof(*b->stages));
    if (!b->stages)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a build");
    for (size_t i = 0; i < n; i++) {
        b->stages[i].stage = &b->file->stages[i];
        b->stages[i].index = i;
    }
    int r = wcow_stage_target(b->file, b->options->target, &b->target, err);
    if (r == WCOW_OK)
        want(b, b->target);
    return r;
}

/* ---- what it works with ---- */

static int open_context(struct wcow_build *b, struct wcow_error *err)
{
    const struct wcow_context_options options = {
        .path = b->options->context, .cache = b->cache, .cancel = b->options->cancel};
    int r = wcow_context_open(&options, &b->context, err);
    if (r < 0)
        return r;
    unsigned step = wcow_progress_start(b->progress, "[internal] load .dockerignore");
    const char *dockerfile = b->options->dockerfile;
    wcow_autobuf path = {0};
    if (!dockerfile)
        r = wcow_buf_addf(&path, err, "%s/Dockerfile", b->options->context);
    else if (strcmp(dockerfile, "-") != 0)
        r = wcow_buf_add_str(&path, dockerfile, err);
    if (r == WCOW_OK)
        r = wcow_context_load_ignore(b->context, path.len ? (const char *)path.data : NULL, err);
    wcow_progress_end(b->progress, step, r < 0 ? WCOW_PROGRESS_ERROR : WCOW_PROGRESS_DONE,
                      r < 0 && err ? err->msg : NULL);
    return r;
}

static int open_backend(struct wcow_build *b, struct wcow_error *err)
{
    const struct wcow_build_options *o = b->options;
    const struct wcow_backend_options options = {.address = o->address,
                                                 .ns = o->ns,
                                                 .snapshotter = o->snapshotter,
                                                 .plain_http = o->plain_http,
                                                 .hosts_dir = o->hosts_dir,
                                                 .progress = b->progress,
                                                 .cancel = o->cancel};
    return wcow_backend_new(&options, &b->backend, err);
}

static int build(struct wcow_build *b, struct wcow_build_result *ret, struct wcow_error *err)
{
    int r = wcow_build_load(b, err);
    if (r == WCOW_OK)
        r = plan(b, err);
    if (r == WCOW_OK)
        r = wcow_build_check_contexts(b, err);
    if (r == WCOW_OK)
        r = wcow_build_check_outputs(b, err);
    /* A build is as good without its cache. */
    if (r == WCOW_OK && b->options->cache_file &&
        wcow_build_cache_open(b->options->cache_file, &b->cache, NULL) < 0)
        b->cache = NULL;
    if (r == WCOW_OK)
        r = open_context(b, err);
    if (r == WCOW_OK)
        r = open_backend(b, err);
    for (size_t i = 0; r == WCOW_OK && i < b->file->stage_count; i++) {
        if (b->stages[i].is_wanted)
            r = wcow_build_stage(b, &b->stages[i], err);
    }
    return r < 0 ? r : wcow_build_export(b, ret, err);
}

static void add_excerpt(const struct wcow_build *b, struct wcow_buf *out)
{
    if (out && b->where.first > 0 && b->dockerfile_name)
        (void)!wcow_diagnostic_excerpt(out, b->dockerfile_name, b->source.data, b->source.len,
                                       b->where, NULL);
}

int wcow_build_run(const struct wcow_build_options *options, struct wcow_build_result *ret,
                   struct wcow_buf *ret_excerpt, struct wcow_error *err)
{
    struct wcow_build b = {.options = options, .progress = options->progress};
    int r = build(&b, ret, err);
    if (r < 0 && r != WCOW_E_CANCELLED)
        add_excerpt(&b, ret_excerpt);
    wcow_build_done(&b);
    return r;
}
