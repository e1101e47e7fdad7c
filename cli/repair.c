/* SPDX-License-Identifier: Apache-2.0 */
/* wcow repair: a layer's tar that another builder wrote wrongly, as Windows can take it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/layer_repair.h"
#include "cli/show.h"
#include "cli/tar_output.h"
#include "cli/target.h"
#include "cli/verbs.h"

enum { MAX_RULES = 64, RULE_NAME_MAX = 32 };

struct repairing {
    struct wcow_target_options where;
    const char *output;
    const char *compression;
    bool dry_run;
    bool quiet;
    bool is_base;
    bool is_diff;
    struct wcow_target parents;
    struct wcow_chain chain; /* of them */
    bool has_parents;
    struct wcow_repair *repair;
    struct wcow_verify *verify; /* of what is written */
    struct wcow_tar_output *out;
    struct {
        char rule[RULE_NAME_MAX];
        uint64_t n;
    } tallies[MAX_RULES];
    uint64_t n_left; /* errors and warnings that remain */
};

/* ---- reports ---- */

static int print(const struct wcow_finding *f, const char *what, struct wcow_error *err)
{
    wcow_autobuf line = {0};
    int r = wcow_buf_addf(&line, err, "%s: %s", what, f->rule);
    if (r == WCOW_OK && *f->name)
        r = wcow_buf_add_str(&line, ": ", err);
    if (r == WCOW_OK)
        r = wcow_target_escape(&line, f->name, err);
    if (r == WCOW_OK)
        r = wcow_buf_add_str(&line, ": ", err);
    if (r == WCOW_OK)
        r = wcow_target_escape(&line, f->text, err);
    if (r == WCOW_OK)
        (void)fprintf(stderr, "%s\n", (const char *)line.data);
    return r;
}

static int on_fixed(void *arg, const struct wcow_finding *f, struct wcow_error *err)
{
    struct repairing *s = arg;
    for (size_t i = 0; i < MAX_RULES; i++) {
        if (!s->tallies[i].n)
            (void)snprintf(s->tallies[i].rule, RULE_NAME_MAX, "%s", f->rule);
        if (strcmp(s->tallies[i].rule, f->rule) != 0)
            continue;
        s->tallies[i].n++;
        break;
    }
    return s->quiet ? WCOW_OK : print(f, "mended", err);
}

/* What the written layer still breaks. */
static int on_left(void *arg, const struct wcow_finding *f, struct wcow_error *err)
{
    struct repairing *s = arg;
    s->n_left += f->severity > WCOW_SEVERITY_NOTE;
    return print(f, f->severity > WCOW_SEVERITY_NOTE ? "left" : "note", err);
}

/* ---- entries ---- */

static int write_bytes(struct repairing *s, const struct wcow_entry *e, struct wcow_bytes data,
                       struct wcow_error *err)
{
    const struct wcow_sink sink = wcow_tar_output_sink(s->out);
    int r = wcow_verify_add(s->verify, e, err);
    if (r == WCOW_OK)
        r = wcow_tar_output_header(s->out, e, err);
    if (r == WCOW_OK && data.len)
        r = wcow_sink_write(&sink, data.data, data.len, err);
    return r < 0 ? r : wcow_tar_output_pad(s->out, data.len, err);
}

static int on_put(void *arg, const struct wcow_entry *e, struct wcow_bytes data,
                  struct wcow_error *err)
{
    return write_bytes(arg, e, data, err);
}

static int copy_data(struct repairing *s, struct wcow_tar_reader *reader, uint64_t size,
                     struct wcow_error *err)
{
    const struct wcow_sink sink = wcow_tar_output_sink(s->out);
    for (;;) {
        const uint8_t *data = NULL;
        size_t len = 0;
        int r = wcow_tar_reader_data(reader, &data, &len, err);
        if (r < 0)
            return r;
        if (len == 0)
            return wcow_tar_output_pad(s->out, size, err);
        r = wcow_sink_write(&sink, data, len, err);
        if (r < 0)
            return r;
    }
}

static int learn(void *arg, struct wcow_tar_reader *reader, const struct wcow_entry *entry,
                 struct wcow_error *err)
{
    (void)reader;
    const struct repairing *s = arg;
    return wcow_repair_learn(s->repair, entry, err);
}

static int fix(void *arg, struct wcow_tar_reader *reader, const struct wcow_entry *entry,
               struct wcow_error *err)
{
    struct repairing *s = arg;
    wcow_autoentry e = {0};
    int r = wcow_entry_copy(entry, &e, err);
    if (r == WCOW_OK)
        r = wcow_repair_fix(s->repair, &e, err);
    if (r <= 0)
        return r;
    r = wcow_verify_add(s->verify, &e, err);
    if (r == WCOW_OK)
        r = wcow_tar_output_header(s->out, &e, err);
    return r < 0 ? r : copy_data(s, reader, e.size_bytes, err);
}

/* ---- the layer ---- */

static int find_config(void *arg, struct wcow_tar_reader *reader, const struct wcow_entry *entry,
                       struct wcow_error *err)
{
    (void)reader;
    bool *seen = arg;
    wcow_autofree char *key = NULL;
    if (wcow_entry_key(entry, &key, NULL) < 0)
        return WCOW_OK;
    seen[0] |= strcmp(key, "FILES/WINDOWS/SYSTEM32/CONFIG/SYSTEM") == 0;
    seen[1] |= strcmp(key, "HIVES") == 0 || strncmp(key, "HIVES/", 6) == 0;
    (void)err;
    return WCOW_OK;
}

/* Without parents, a layer that has its registry in Files is a base. */
static int guess_base(struct repairing *s, struct wcow_layer_tar *tar, struct wcow_error *err)
{
    if (s->is_base || s->is_diff || s->has_parents)
        return WCOW_OK;
    bool seen[2] = {false, false};
    int r = wcow_layer_tar_each(tar, find_config, seen, err);
    s->is_base = seen[0] && !seen[1];
    return r;
}

static int prepare(struct repairing *s, struct wcow_error *err)
{
    const struct wcow_chain *chain = s->has_parents ? &s->chain : NULL;
    const struct wcow_repair_options repair = {
        .is_base = s->is_base, .parents = chain, .report = on_fixed, .put = on_put, .arg = s};
    const struct wcow_verify_options verify = {
        .is_base = s->is_base, .parents = chain, .report = on_left, .arg = s};
    int r = wcow_repair_new(&repair, &s->repair, err);
    if (r == WCOW_OK)
        r = wcow_verify_new(&verify, &s->verify, err);
    return r < 0 ? r
                 : wcow_tar_output_new(s->dry_run ? NULL : s->output, s->compression, &s->out, err);
}

static int open_parents(struct repairing *s, struct wcow_error *err)
{
    if (!s->where.parents.n)
        return WCOW_OK;
    struct wcow_target_options where = s->where;
    const char *nearest = where.parents.items[0];
    where.parents =
        (struct wcow_option_list){.items = s->where.parents.items + 1, .n = s->where.parents.n - 1};
    int r = wcow_target_open_over(&where, nearest, &s->parents, err);
    s->has_parents = true;
    s->chain = wcow_target_chain(&s->parents, 0);
    return r;
}

static void print_summary(const struct repairing *s, const struct wcow_digest *diff_id)
{
    bool any = false;
    for (size_t i = 0; i < MAX_RULES && s->tallies[i].n; i++) {
        (void)fprintf(stderr, "%s%s: %" PRIu64, any ? ", " : "mended: ", s->tallies[i].rule,
                      s->tallies[i].n);
        any = true;
    }
    (void)fprintf(stderr, "%s\n", any ? "" : "nothing to mend");
    if (!s->dry_run)
        (void)fprintf(stderr, "diff ID: %s\n", diff_id->text);
}

static int run(struct repairing *s, const char *input, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_layer_tar_free_p) struct wcow_layer_tar *tar = NULL;
    struct wcow_digest diff_id = {0};
    uint64_t bytes = 0;
    if (s->is_base && (s->is_diff || s->where.parents.n))
        return WCOW_FAIL(err, WCOW_E_INVALID, "--base excludes --diff and --parent");
    if (!s->output && !s->dry_run)
        return WCOW_FAIL(err, WCOW_E_INVALID, "where to? name a file with --output, or --dry-run");
    int r = open_parents(s, err);
    if (r == WCOW_OK)
        r = wcow_layer_tar_open(input, &tar, err);
    if (r == WCOW_OK)
        r = guess_base(s, tar, err);
    if (r == WCOW_OK)
        r = prepare(s, err);
    if (r == WCOW_OK)
        r = wcow_layer_tar_each(tar, learn, s, err);
    if (r == WCOW_OK)
        r = wcow_repair_learned(s->repair, err);
    if (r == WCOW_OK)
        r = wcow_layer_tar_each(tar, fix, s, err);
    if (r == WCOW_OK)
        r = wcow_repair_finish(s->repair, err);
    if (r == WCOW_OK)
        r = wcow_verify_finish(s->verify, err);
    if (r == WCOW_OK)
        r = wcow_tar_output_end(s->out, err);
    if (r == WCOW_OK)
        r = wcow_tar_output_finish(s->out, &diff_id, &bytes, err);
    if (r == WCOW_OK)
        print_summary(s, &diff_id);
    return r;
}

static void done(struct repairing *s)
{
    wcow_repair_free(s->repair);
    wcow_verify_free(s->verify);
    wcow_tar_output_free(s->out);
    wcow_target_done(&s->parents);
    wcow_option_list_done(&s->where.parents);
}

int wcow_cli_repair(int argc, char **argv)
{
    struct repairing s = {.where = WCOW_TARGET_DEFAULTS};
    const struct wcow_option options[] = {
        {'o', "output", "FILE", "The mended tar; - for standard output", WCOW_OPTION_STRING,
         &s.output},
        {0, "compression", "KIND", "gzip, zstd or none (by the name of FILE)", WCOW_OPTION_STRING,
         &s.compression},
        {0, "dry-run", NULL, "Only say what would be done", WCOW_OPTION_FLAG, &s.dry_run},
        {'q', "quiet", NULL, "Do not name each entry, only count", WCOW_OPTION_FLAG, &s.quiet},
        {0, "base", NULL, "It is a base layer (else what it looks like)", WCOW_OPTION_FLAG,
         &s.is_base},
        {0, "diff", NULL, "It lies on other layers", WCOW_OPTION_FLAG, &s.is_diff},
        WCOW_TARGET_PARENT(&s.where),
        WCOW_TARGET_PLATFORM(&s.where),
        WCOW_TARGET_SNAPSHOTTER(&s.where),
        WCOW_PLACE_ADDRESS(&s.where.place),
        WCOW_PLACE_NAMESPACE(&s.where.place),
        WCOW_PLACE_ROOT(&s.where.place),
        {0},
    };
    const struct wcow_command command = {
        .name = "wcow repair",
        .usage = "[OPTIONS] TAR -o FILE",
        .summary =
            "Mend a layer's tar that another builder wrote wrongly: links with Files/ in front, "
            "hard links\nwithout it, links without attributes, missing directories, times in "
            "1754, opaque markers,\nbase metadata that was replaced. Each change is told; what "
            "cannot be mended, too.",
        .options = options,
        .min_args = 1,
        .max_args = 1,
        .epilogue =
            "TAR is plain, gzip or zstd; - for standard input. With --parent, directories get the "
            "metadata\nof the layers below, and opaque markers become whiteouts.\nThe exit code is "
            "1 where Windows would still not import the layer.",
    };
    int operand = 0;
    enum wcow_parse parsed = wcow_options_parse(&command, argc, argv, &operand);
    int code = parsed == WCOW_PARSE_DONE ? WCOW_EXIT_OK : WCOW_EXIT_USAGE;
    if (parsed == WCOW_PARSE_RUN) {
        wcow_place_fill(&s.where.place);
        struct wcow_error err = {0};
        int r = run(&s, argv[operand], &err);
        if (r < 0)
            (void)fprintf(stderr, "wcow repair: %s\n", err.msg);
        code = r < 0 || s.n_left ? WCOW_EXIT_FAILURE : WCOW_EXIT_OK;
    }
    done(&s);
    return code;
}
