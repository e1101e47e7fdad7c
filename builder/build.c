/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/build.h"

#include <stdlib.h>
#include <string.h>

#include "builder/build_caches.h"
#include "builder/build_check.h"
#include "builder/build_lint.h"
#include "builder/build_solve.h"
#include "builder/context_source.h"

/* ---- what it works with ---- */

static int open_context(struct wcow_build *b, struct wcow_error *err)
{
    const struct wcow_context_options options = {.path = b->options->context,
                                                 .name = b->options->context_name,
                                                 .cache = b->cache,
                                                 .cancel = b->options->cancel};
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
    wcow_progress_end(b->progress, step, wcow_progress_end_of(r, false),
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
                                                 .push_foreign = o->push_foreign,
                                                 .hosts_dir = o->hosts_dir,
                                                 .progress = b->progress,
                                                 .cancel = o->cancel};
    return wcow_backend_new(&options, &b->backend, err);
}

static int build(struct wcow_build *b, struct wcow_build_result *ret, struct wcow_error *err)
{
    int r = wcow_build_load(b, err);
    if (r == WCOW_OK)
        r = wcow_stage_target(b->file, b->options->target, &b->target, err);
    if (r == WCOW_OK)
        r = wcow_build_check_contexts(b, err);
    if (r == WCOW_OK)
        r = wcow_build_check(b, err);
    if (r == WCOW_OK)
        r = wcow_build_check_outputs(b, err);
    if (r == WCOW_OK)
        r = wcow_build_check_caches(b, err);
    if (r == WCOW_OK)
        r = wcow_secrets_parse(&b->options->secrets, &b->secrets, err);
    /* A build is as good without its cache. */
    if (r == WCOW_OK && b->options->cache_file &&
        wcow_build_cache_open(b->options->cache_file, &b->cache, NULL) < 0)
        b->cache = NULL;
    if (r == WCOW_OK)
        r = open_context(b, err);
    if (r == WCOW_OK)
        r = wcow_build_lint(b, NULL, err);
    if (r == WCOW_OK)
        r = open_backend(b, err);
    if (r == WCOW_OK)
        r = wcow_build_import_caches(b, err);
    if (r == WCOW_OK)
        r = wcow_build_solve(b, err);
    if (r == WCOW_OK)
        r = wcow_build_lint(b, &ret->warnings, err);
    if (r == WCOW_OK)
        r = wcow_build_export(b, ret, err);
    return r < 0 ? r : wcow_build_export_caches(b, err);
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
    WCOW_CLEANUP(wcow_solver_free_p) struct wcow_solver *solver = NULL;
    int r = wcow_solver_new(options, &solver, err);
    if (r < 0)
        return r;
    /* All parts end for Ctrl-C, and when a stage has failed. */
    struct wcow_build_options own = *options;
    own.cancel = wcow_solver_stop(solver);
    struct wcow_build b = {.options = &own, .progress = options->progress, .solver = solver};
    (void)pthread_mutex_init(&b.lock, NULL);
    WCOW_CLEANUP(wcow_context_source_done) struct wcow_context_source source = {0};
    wcow_autofree char *dockerfile = NULL;
    const struct wcow_context_fetch fetch = {.from = options->context,
                                             .takes_text = true,
                                             .progress = options->progress,
                                             .cancel = own.cancel,
                                             .build_args = &options->build_args};
    r = wcow_context_source_open(&fetch, &source, err);
    if (r == WCOW_OK)
        r = wcow_context_source_apply(&source, &own, &dockerfile, err);
    if (r == WCOW_OK)
        r = build(&b, ret, err);
    if (r < 0 && r != WCOW_E_CANCELLED)
        add_excerpt(&b, ret_excerpt);
    wcow_build_done(&b);
    return r;
}
