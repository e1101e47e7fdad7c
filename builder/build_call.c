/* SPDX-License-Identifier: Apache-2.0 */
/* --check and --call: what a Dockerfile says, without building it. */
#include <stdlib.h>
#include <string.h>

#include "base/utf.h"
#include "builder/ast_json.h"
#include "builder/build_check.h"
#include "builder/check_bases.h"
#include "builder/context_source.h"
#include "builder/lint.h"
#include "builder/outline.h"

/* The Dockerfile says that its warnings are errors. */
static int refuse_warnings(const struct wcow_lint_report *report, struct wcow_error *err)
{
    wcow_autobuf rules = {0};
    int r = wcow_lint_rules(report, &rules, err);
    return r < 0 ? r
                 : WCOW_FAIL(err, WCOW_E_PRECONDITION, "lint violation found for rules: %s",
                             (const char *)rules.data);
}

/* The warnings first; then what would end the build, which is an error. */
static int check(struct wcow_build *b, bool json, struct wcow_buf *out, struct wcow_error *err)
{
    const struct wcow_context_options options = {.path = b->options->context,
                                                 .name = b->options->context_name};
    int r = wcow_context_open(&options, &b->context, err);
    if (r == WCOW_OK)
        r = wcow_context_load_ignore(b->context, b->options->dockerfile, err);
    if (r < 0)
        return r;
    struct wcow_lint_input input = {.ignore = wcow_context_ignore(b->context),
                                    .build_args = &b->build_args,
                                    .predefined = &b->variants[0].predefined};
    WCOW_CLEANUP(wcow_check_bases_free_p) struct wcow_check_bases *bases = NULL;
    WCOW_CLEANUP(wcow_lint_report_free_p) struct wcow_lint_report *report = NULL;
    if (b->options->asks_bases)
        r = wcow_check_bases_ask(b, &bases, err);
    if (bases)
        wcow_check_bases_give(bases, &input);
    if (r == WCOW_OK)
        r = wcow_lint_run(b->file, &input, &report, err);
    int failed = r == WCOW_OK ? wcow_build_check(b, err) : WCOW_OK;
    if (r == WCOW_OK && failed == WCOW_OK && report->error && report->count > 0)
        failed = refuse_warnings(report, err);
    const struct wcow_lint_error fatal = {.message = failed < 0 && err ? err->msg : NULL,
                                          .where = b->where};
    if (r == WCOW_OK && json)
        r = wcow_lint_json(report, failed < 0 ? &fatal : NULL, out, err);
    else if (r == WCOW_OK)
        r = wcow_lint_format(report, b->dockerfile_name, b->source.data, b->source.len, out, err);
    if (r < 0 || failed < 0 || !report)
        return r < 0 ? r : failed;
    if (report->count > 0)
        r = WCOW_FAIL(err, WCOW_E_PRECONDITION, "the checks found %zu warning%s", report->count,
                      report->count == 1 ? "" : "s");
    return r;
}

static int print(char *text, struct wcow_buf *out, struct wcow_error *err)
{
    int r = wcow_buf_add_str(out, text, err);
    free(text);
    return r;
}

static bool is_ast(const char *name, size_t len)
{
    return len == 3 && strncmp(name, "ast", len) == 0;
}

static int print_ast(const struct wcow_build *b, struct wcow_buf *out, struct wcow_error *err)
{
    char *text = NULL;
    int r = wcow_ast_json(b->dockerfile, &text, err);
    return r < 0 ? r : print(text, out, err);
}

static int call(struct wcow_build *b, const char *name, size_t len, bool json, struct wcow_buf *out,
                struct wcow_error *err)
{
    char *text = NULL;
    if (len == 5 && strncmp(name, "check", len) == 0)
        return check(b, json, out, err);
    if (len == 4 && strncmp(name, "lint", len) == 0)
        return check(b, json, out, err);
    const struct wcow_outline_input input = {.target = b->options->target,
                                             .build_args = &b->build_args,
                                             .predefined = &b->variants[0].predefined,
                                             .source = &b->source,
                                             .json = json};
    if (len == 7 && strncmp(name, "outline", len) == 0) {
        int r = wcow_build_check(b, err);
        if (r == WCOW_OK)
            r = wcow_outline_print(b->file, &input, &text, err);
        return r < 0 ? r : print(text, out, err);
    }
    if (len == 7 && strncmp(name, "targets", len) == 0) {
        int r = wcow_outline_targets(b->file, &input, &text, err);
        return r < 0 ? r : print(text, out, err);
    }
    return WCOW_FAIL(err, WCOW_E_INVALID,
                     "--call is build, check, outline, targets or ast, not \"%s\"", name);
}

int wcow_build_call(const struct wcow_build_options *options, const char *name,
                    struct wcow_buf *out, struct wcow_buf *ret_excerpt, struct wcow_error *err)
{
    struct wcow_build_options own = *options;
    struct wcow_build b = {.options = &own};
    WCOW_CLEANUP(wcow_context_source_done) struct wcow_context_source source = {0};
    wcow_autofree char *dockerfile = NULL;
    const struct wcow_context_fetch fetch = {.from = options->context,
                                             .takes_text = true,
                                             .cancel = options->cancel,
                                             .build_args = &options->build_args};
    (void)pthread_mutex_init(&b.lock, NULL);
    const char *comma = strchr(name, ',');
    size_t len = comma ? (size_t)(comma - name) : strlen(name);
    bool json = comma && strcmp(comma, ",format=json") == 0;
    bool ast = is_ast(name, len);
    int r = WCOW_OK;
    if (comma && !json)
        r = WCOW_FAIL(err, WCOW_E_INVALID, "--call takes \",format=json\" only");
    if (r == WCOW_OK)
        r = wcow_context_source_open(&fetch, &source, err);
    if (r == WCOW_OK)
        r = wcow_context_source_apply(&source, &own, &dockerfile, err);
    if (r == WCOW_OK)
        r = ast ? wcow_build_load_syntax(&b, err) : wcow_build_load(&b, err);
    if (r == WCOW_OK)
        r = ast ? print_ast(&b, out, err) : call(&b, name, len, json, out, err);
    if (!json && !ast) /* a text for a terminal, of a Dockerfile that may be foreign */
        wcow_utf8_tame((char *)out->data, out->len);
    if (r < 0 && b.where.first > 0 && b.dockerfile_name)
        (void)!wcow_diagnostic_excerpt(ret_excerpt, b.dockerfile_name, b.source.data, b.source.len,
                                       b.where, NULL);
    wcow_build_done(&b);
    return r;
}
