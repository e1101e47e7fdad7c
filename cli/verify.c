/* SPDX-License-Identifier: Apache-2.0 */
/* wcow verify: would Windows import this image or layer? Each breach by entry and rule. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "builder/json_text.h"
#include "cli/show.h"
#include "cli/target.h"
#include "cli/verbs.h"
#include "differ/export.h"
#include "layer/verify.h"

enum { SHOWN_PER_RULE = 10, MAX_RULES = 64, RULE_NAME_MAX = 32 };

/* How often a rule was broken in the layer at hand. */
struct tally {
    char rule[RULE_NAME_MAX];
    uint64_t n;
};

struct verification {
    struct wcow_target_options where;
    bool all;
    bool quiet;
    bool as_json;
    bool strict;
    bool no_hash;
    bool is_base;
    bool is_diff;
    /* Of what is being verified: */
    const char *target_name;
    const struct wcow_target *target;
    size_t layer;
    struct wcow_verify *verify;
    struct tally tallies[MAX_RULES];
    uint64_t n_entries;
    uint64_t n_by_severity[WCOW_SEVERITY_ERROR + 1]; /* in this layer */
    bool failed;                                     /* anything, anywhere */
};

/* ---- findings ---- */

static uint64_t count(struct verification *v, const char *rule)
{
    for (size_t i = 0; i < MAX_RULES; i++) {
        struct tally *t = &v->tallies[i];
        if (!t->n)
            (void)snprintf(t->rule, sizeof(t->rule), "%s", rule);
        if (strcmp(t->rule, rule) == 0)
            return ++t->n;
    }
    return 0;
}

/* The base is layer 1. */
static size_t layer_number(const struct verification *v)
{
    return v->target->n - v->layer;
}

/* "image, layer 2", or the target alone where it is one layer. */
static int print_place(const struct verification *v, struct wcow_error *err)
{
    wcow_autobuf text = {0};
    int r = wcow_target_escape(&text, v->target_name, err);
    if (r < 0)
        return r;
    (void)printf("%s", (const char *)text.data);
    if (v->target->n_own > 1)
        (void)printf(", layer %zu", layer_number(v));
    return WCOW_OK;
}

static int print_json(const struct verification *v, const struct wcow_finding *f,
                      struct wcow_error *err)
{
    wcow_autobuf line = {0};
    const struct {
        const char *key;
        const char *value;
    } fields[] = {
        {"{\"target\":", v->target_name}, {",\"severity\":", wcow_severity_name(f->severity)},
        {",\"rule\":", f->rule},          {",\"name\":", f->name},
        {",\"text\":", f->text},
    };
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < sizeof(fields) / sizeof(fields[0]); i++) {
        r = wcow_buf_add_str(&line, fields[i].key, err);
        if (r == WCOW_OK)
            r = wcow_json_text_add(&line, fields[i].value, err);
    }
    if (r == WCOW_OK)
        (void)printf("%s,\"layer\":%zu}\n", (const char *)line.data, layer_number(v));
    return r;
}

static int print_finding(const struct verification *v, const struct wcow_finding *f,
                         struct wcow_error *err)
{
    wcow_autobuf text = {0};
    int r = print_place(v, err);
    if (r == WCOW_OK && *f->name)
        r = wcow_target_escape(&text, f->name, err);
    if (r == WCOW_OK && *f->name)
        r = wcow_buf_add_str(&text, ": ", err);
    if (r == WCOW_OK)
        r = wcow_target_escape(&text, f->text, err);
    if (r == WCOW_OK)
        (void)printf(": %s: %s: %s\n", wcow_severity_name(f->severity), f->rule,
                     (const char *)text.data);
    return r;
}

static int on_finding(void *arg, const struct wcow_finding *f, struct wcow_error *err)
{
    struct verification *v = arg;
    if (f->severity == WCOW_SEVERITY_NONE)
        return WCOW_OK;
    v->n_by_severity[f->severity]++;
    v->failed |= f->severity > WCOW_SEVERITY_NOTE || v->strict;
    uint64_t n = count(v, f->rule);
    if (v->quiet)
        return WCOW_OK;
    if (v->as_json)
        return print_json(v, f, err);
    return n > SHOWN_PER_RULE && !v->all ? WCOW_OK : print_finding(v, f, err);
}

static int print_left_out(const struct verification *v, struct wcow_error *err)
{
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < MAX_RULES && v->tallies[i].n; i++) {
        uint64_t n = v->tallies[i].n;
        if (n <= SHOWN_PER_RULE || v->all)
            continue;
        r = print_place(v, err);
        (void)printf(": %s: %" PRIu64 " more; --all shows them\n", v->tallies[i].rule,
                     n - SHOWN_PER_RULE);
    }
    return r;
}

static int print_verdict(const struct verification *v, struct wcow_error *err)
{
    const uint64_t *n = v->n_by_severity;
    int r = print_left_out(v, err);
    if (r == WCOW_OK)
        r = print_place(v, err);
    if (r < 0)
        return r;
    (void)printf(": %" PRIu64 " entries; ", v->n_entries);
    if (n[WCOW_SEVERITY_ERROR] || n[WCOW_SEVERITY_WARNING])
        (void)printf("Windows would not import this layer (errors: %" PRIu64 ", warnings: %" PRIu64
                     ", notes: %" PRIu64 ")\n",
                     n[WCOW_SEVERITY_ERROR], n[WCOW_SEVERITY_WARNING], n[WCOW_SEVERITY_NOTE]);
    else if (n[WCOW_SEVERITY_NOTE])
        (void)printf("Windows would import this layer, but not all as it was meant (notes: %" PRIu64
                     ")\n",
                     n[WCOW_SEVERITY_NOTE]);
    else
        (void)puts("Windows would import this layer");
    return WCOW_OK;
}

/* ---- one layer ---- */

static int verify_entry(void *arg, const struct wcow_entry *entry, struct wcow_error *err)
{
    struct verification *v = arg;
    v->n_entries++;
    return wcow_verify_add(v->verify, entry, err);
}

/* A base has its registry in Files, a layer on others in Hives. */
static bool looks_like_base(const struct wcow_target *t, size_t layer)
{
    static const char config[] = "FILES/WINDOWS/SYSTEM32/CONFIG/SYSTEM";
    const struct wcow_layer_view *view = &t->views[layer];
    wcow_autoentry hives = {0};
    wcow_autoentry system = {0};
    return view->ops->lookup(view->layer, "HIVES", &hives, NULL) == 0 &&
           view->ops->lookup(view->layer, config, &system, NULL) > 0;
}

static bool is_base(const struct verification *v)
{
    const struct wcow_target *t = v->target;
    if (v->layer + 1 < t->n)
        return false;
    if (t->is_to_bottom || v->is_base || v->is_diff)
        return !v->is_diff;
    return looks_like_base(t, v->layer);
}

static int discard(void *ctx, const void *data, size_t len, struct wcow_error *err)
{
    (void)ctx;
    (void)data;
    (void)len;
    (void)err;
    return WCOW_OK;
}

/* Does the folder still hold what was unpacked into it? */
static int verify_bytes(struct verification *v, struct wcow_error *err)
{
    const struct wcow_target_layer *layer = &v->target->layers[v->layer];
    if (v->no_hash || !layer->chain)
        return WCOW_OK;
    const struct wcow_sink sink = {.write = discard};
    struct wcow_digest diff_id = {0};
    uint64_t bytes = 0;
    struct wcow_error why = {0};
    int r = wcow_export_layer(layer->chain->fds[layer->at], &sink, NULL, &diff_id, &bytes, &why);
    if (r == WCOW_OK)
        return WCOW_OK;
    if (r != WCOW_E_DATA_LOSS && r != WCOW_E_CORRUPT)
        return WCOW_FAIL(err, r, "%s: %s", layer->name, why.msg);
    const struct wcow_finding finding = {
        .rule = "damaged", .severity = WCOW_SEVERITY_ERROR, .name = "", .text = why.msg};
    return on_finding(v, &finding, err);
}

/* Is it the layer that the image's config names? */
static int verify_diff_id(struct verification *v, struct wcow_error *err)
{
    const struct wcow_target_layer *layer = &v->target->layers[v->layer];
    struct wcow_digest diff_id = {0};
    wcow_autobuf text = {0};
    if (v->no_hash || !layer->diff_id)
        return WCOW_OK;
    int r = wcow_layer_tar_diff_id(layer->tar, &diff_id, err);
    if (r < 0 || strcmp(diff_id.text, layer->diff_id) == 0)
        return r;
    r = wcow_buf_addf(&text, err, "its diff ID is %s, the image's config has %s", diff_id.text,
                      layer->diff_id);
    const struct wcow_finding finding = {.rule = "wrong-diff-id",
                                         .severity = WCOW_SEVERITY_ERROR,
                                         .name = "",
                                         .text = (const char *)text.data};
    return r < 0 ? r : on_finding(v, &finding, err);
}

static int verify_layer(struct verification *v, size_t layer, struct wcow_error *err)
{
    v->layer = layer;
    v->n_entries = 0;
    memset(v->tallies, 0, sizeof(v->tallies));
    memset(v->n_by_severity, 0, sizeof(v->n_by_severity));
    struct wcow_chain parents = wcow_target_chain(v->target, layer + 1);
    bool knows_parents = v->target->is_to_bottom || parents.n_layers > 0;
    const struct wcow_verify_options options = {.is_base = is_base(v),
                                                .parents = knows_parents ? &parents : NULL,
                                                .report = on_finding,
                                                .arg = v};
    WCOW_CLEANUP(wcow_verify_free_p) struct wcow_verify *verify = NULL;
    int r = wcow_verify_new(&options, &verify, err);
    v->verify = verify;
    if (r == WCOW_OK)
        r = wcow_target_each(v->target, layer, verify_entry, v, err);
    if (r == WCOW_OK)
        r = wcow_verify_finish(verify, err);
    if (r == WCOW_OK)
        r = verify_bytes(v, err);
    if (r == WCOW_OK)
        r = verify_diff_id(v, err);
    v->verify = NULL;
    return r < 0 || v->quiet || v->as_json ? r : print_verdict(v, err);
}

static int verify_target(struct verification *v, const char *name, struct wcow_error *err)
{
    wcow_autotarget target = {0};
    int r = wcow_target_open_over(&v->where, name, &target, err);
    v->target_name = name;
    v->target = &target;
    for (size_t i = target.n_own; r == WCOW_OK && i > 0; i--) /* from the base up */
        r = verify_layer(v, i - 1, err);
    v->target = NULL;
    return r;
}

/* ---- the verb ---- */

static int run(struct verification *v, char **targets, int n)
{
    if (v->is_base && v->is_diff) {
        (void)fprintf(stderr, "wcow verify: --base and --diff exclude each other\n");
        return WCOW_EXIT_USAGE;
    }
    struct wcow_error err = {0};
    for (int i = 0; i < n; i++) {
        if (verify_target(v, targets[i], &err) < 0) {
            (void)fprintf(stderr, "wcow verify: %s\n", err.msg);
            v->failed = true;
        }
    }
    if (wcow_show_flush(&err) < 0) {
        (void)fprintf(stderr, "wcow verify: %s\n", err.msg);
        v->failed = true;
    }
    return v->failed ? WCOW_EXIT_FAILURE : WCOW_EXIT_OK;
}

int wcow_cli_verify(int argc, char **argv)
{
    struct verification v = {.where = WCOW_TARGET_DEFAULTS};
    const struct wcow_option options[] = {
        {0, "all", NULL, "Show every breach, not only ten of each rule", WCOW_OPTION_FLAG, &v.all},
        {'q', "quiet", NULL, "Say nothing; the exit code tells", WCOW_OPTION_FLAG, &v.quiet},
        {0, "json", NULL, "Show each breach as one JSON object a line", WCOW_OPTION_FLAG,
         &v.as_json},
        {0, "strict", NULL, "Fail for notes, too", WCOW_OPTION_FLAG, &v.strict},
        {0, "base", NULL, "A tar or folder is a base layer (else what it looks like)",
         WCOW_OPTION_FLAG, &v.is_base},
        {0, "diff", NULL, "A tar or folder lies on others", WCOW_OPTION_FLAG, &v.is_diff},
        {0, "no-hash", NULL, "Do not read a folder's files again to compare its diff ID",
         WCOW_OPTION_FLAG, &v.no_hash},
        WCOW_TARGET_PARENT(&v.where),
        WCOW_TARGET_PLATFORM(&v.where),
        WCOW_TARGET_SNAPSHOTTER(&v.where),
        WCOW_PLACE_ADDRESS(&v.where.place),
        WCOW_PLACE_NAMESPACE(&v.where.place),
        WCOW_PLACE_ROOT(&v.where.place),
        {0},
    };
    const struct wcow_command command = {
        .name = "wcow verify",
        .usage = "[OPTIONS] TARGET...",
        .summary =
            "Say whether Windows would import an image or a layer: each breach by entry and rule, "
            "base\nlayer first. Errors and warnings are what an importer fails on; notes import, "
            "but with\nanother result than was meant.",
        .options = options,
        .min_args = 1,
        .max_args = SIZE_MAX,
        .epilogue = WCOW_TARGET_HELP
        "\nThe exit code is 0 where Windows would import all of it, 1 where it would not.",
    };
    int operand = 0;
    enum wcow_parse parsed = wcow_options_parse(&command, argc, argv, &operand);
    int code = parsed == WCOW_PARSE_DONE ? WCOW_EXIT_OK : WCOW_EXIT_USAGE;
    if (parsed == WCOW_PARSE_RUN) {
        wcow_place_fill(&v.where.place);
        code = run(&v, argv + operand, argc - operand);
    }
    wcow_option_list_done(&v.where.parents);
    return code;
}
