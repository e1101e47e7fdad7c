/* SPDX-License-Identifier: Apache-2.0 */
/* wcow tar: a folder or an ordinary tar as a Windows layer, and back. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "builder/copy.h"
#include "builder/identity.h"
#include "builder/layer_hives.h"
#include "builder/layer_write.h"
#include "cli/plain.h"
#include "cli/tar_archive.h"
#include "cli/verbs.h"
#include "layer/filetime.h"

struct tar {
    struct wcow_target_options where;
    const char *output;
    const char *compression;
    const char *dest;
    const char *owner;
    const char *extract;
    bool plain;
    bool is_base;
    bool is_diff;
    uint64_t now;
    bool has_epoch;
    uint64_t epoch;
};

/* ---- to a layer ---- */

static int read_clock(struct tar *t, struct wcow_error *err)
{
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing here changes the environment
    const char *text = getenv("SOURCE_DATE_EPOCH");
    time_t seconds = time(NULL);
    t->has_epoch = text && *text;
    if (t->has_epoch) {
        char *end = NULL;
        errno = 0;
        long long value = strtoll(text, &end, 10);
        if (errno || *end || value < 0 || value > UINT32_MAX)
            return WCOW_FAIL(err, WCOW_E_INVALID,
                             "SOURCE_DATE_EPOCH is a number of seconds since 1970, not \"%s\"",
                             text);
        seconds = (time_t)value;
    }
    t->now = wcow_filetime_of_unix(seconds, 0);
    t->epoch = t->now;
    return WCOW_OK;
}

struct source {
    const char *path;
    bool is_file; /* which may be an archive */
    struct wcow_context *context;
    const char *name; /* in it */
};

static void source_done(struct source *source)
{
    wcow_context_free(source->context);
}

/* A folder's content, an archive's, or one file, as COPY and ADD would put it. */
static int fill(const struct tar *t, struct wcow_tree *tree, const struct source *source,
                struct wcow_error *err)
{
    const char *sources[] = {source->name};
    bool unpacked = false;
    wcow_autobuf dest = {0};
    int r = wcow_buf_addf(&dest, err, "%s/", t->dest);
    if (r < 0)
        return r;
    struct wcow_copy copy = {.dest = (const char *)dest.data, .unpack = WCOW_YES};
    copy.sources.items = sources;
    copy.sources.count = 1;
    const struct wcow_copying copying = {
        .tree = tree, .copy = &copy, .workdir = "", .now = t->now, .is_add = true};
    if (source->is_file)
        r = wcow_tar_archive(source->path, &copying, t->is_base, &unpacked, err);
    return r < 0 || unpacked ? r : wcow_copy_from_context(&copying, source->context, err);
}

static int open_source(const char *path, struct source *ret, struct wcow_error *err)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return WCOW_FAIL_ERRNO(err, WCOW_E_NOT_FOUND, "\"%s\"", path);
    ret->path = path;
    ret->is_file = S_ISREG(st.st_mode);
    if (S_ISDIR(st.st_mode)) {
        const struct wcow_context_options options = {.path = path};
        ret->name = ".";
        return wcow_context_open(&options, &ret->context, err);
    }
    const char *slash = strrchr(path, '/');
    wcow_autofree char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    if (!folder)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a path");
    const struct wcow_context_options options = {.path = folder};
    ret->name = slash ? slash + 1 : path;
    return wcow_context_open(&options, &ret->context, err);
}

static int make_tree(const struct tar *t, const struct wcow_tree_options *options,
                     const struct source *source, struct wcow_tree **ret, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_tree_free_p) struct wcow_tree *tree = NULL;
    struct wcow_tree_node *files = NULL;
    int r = wcow_tree_new(options, &tree, err);
    if (r == WCOW_OK)
        r = wcow_tree_dir(tree, "Files", &files, err);
    if (r == WCOW_OK)
        r = fill(t, tree, source, err);
    if (r >= 0 && !t->is_base)
        r = wcow_layer_add_hives(tree, t->now, err);
    if (r < 0)
        return r;
    *ret = WCOW_TAKE_PTR(tree);
    return WCOW_OK;
}

static int open_parents(const struct tar *t, struct wcow_target *ret, struct wcow_error *err)
{
    if (!t->where.parents.n)
        return WCOW_OK;
    struct wcow_target_options where = t->where;
    where.parents =
        (struct wcow_option_list){.items = t->where.parents.items + 1, .n = t->where.parents.n - 1};
    return wcow_target_open_over(&where, t->where.parents.items[0], ret, err);
}

static int finish(struct wcow_tar_output *out, struct wcow_error *err)
{
    struct wcow_digest diff_id = {0};
    uint64_t bytes = 0;
    int r = wcow_tar_output_finish(out, &diff_id, &bytes, err);
    if (r == WCOW_OK)
        (void)fprintf(stderr, "diff ID: %s\n", diff_id.text);
    return r;
}

static int to_layer(const struct tar *t, const char *path, struct wcow_error *err)
{
    wcow_autotarget parents = {0};
    wcow_autobuf owner = {0};
    WCOW_CLEANUP(source_done) struct source source = {0};
    WCOW_CLEANUP(wcow_tree_free_p) struct wcow_tree *tree = NULL;
    WCOW_CLEANUP(wcow_tar_output_free_p) struct wcow_tar_output *out = NULL;
    bool known = false;
    int r = open_source(path, &source, err);
    if (r == WCOW_OK)
        r = open_parents(t, &parents, err);
    if (r == WCOW_OK)
        r = wcow_identity_sid(t->owner, &owner, &known, err);
    if (r == WCOW_OK && !known)
        r = WCOW_FAIL(err, WCOW_E_INVALID,
                      "--owner \"%s\" is no account that every Windows has; give its SID",
                      t->owner);
    struct wcow_chain chain = wcow_target_chain(&parents, 0);
    const struct wcow_tree_options options = {
        .below = parents.n ? &chain : NULL, .owner = {owner.data, owner.len}, .now = t->now};
    if (r == WCOW_OK)
        r = make_tree(t, &options, &source, &tree, err);
    if (r == WCOW_OK)
        r = wcow_tar_output_new(t->output, t->compression, &out, err);
    if (r < 0)
        return r;
    const struct wcow_layer_write write = {
        .has_epoch = t->has_epoch, .epoch = t->epoch, .now = t->now};
    const struct wcow_sink sink = wcow_tar_output_sink(out);
    r = wcow_layer_write(tree, &write, &sink, NULL, err);
    return r < 0 ? r : finish(out, err);
}

/* ---- and back ---- */

static void print_lost(const struct wcow_plain_count *c)
{
    (void)fprintf(stderr, "%" PRIu64 " directories, %" PRIu64 " files, %" PRIu64 " links\n",
                  c->n_dirs, c->n_files, c->n_links);
    if (c->n_streams || c->n_eas)
        (void)fprintf(stderr,
                      "left out: %" PRIu64 " alternate data streams, %" PRIu64
                      " extended attributes\n",
                      c->n_streams, c->n_eas);
    if (c->n_skipped_links)
        (void)fprintf(stderr, "left out: %" PRIu64 " links that lead out of drive C:\n",
                      c->n_skipped_links);
}

static int to_plain(const struct tar *t, const char *name, const char *path_text,
                    struct wcow_error *err)
{
    wcow_autofree char *path = NULL;
    wcow_autotarget target = {0};
    struct wcow_plain_count count = {0};
    WCOW_CLEANUP(wcow_tar_output_free_p) struct wcow_tar_output *out = NULL;
    int r = wcow_target_path(path_text, &path, err);
    if (r == WCOW_OK)
        r = wcow_target_open_over(&t->where, name, &target, err);
    if (r == WCOW_OK && t->extract)
        r = wcow_plain_extract(&target, path, t->extract, &count, err);
    if (r == WCOW_OK && t->plain)
        r = wcow_tar_output_new(t->output, t->compression, &out, err);
    if (r == WCOW_OK && t->plain)
        r = wcow_plain_write(&target, path, out, &count, err);
    if (r == WCOW_OK && t->plain)
        r = finish(out, err);
    if (r == WCOW_OK)
        print_lost(&count);
    return r;
}

/* ---- the verb ---- */

static int run(struct tar *t, char **args, int n, struct wcow_error *err)
{
    bool is_back = t->extract || t->plain;
    if (t->extract && (t->plain || t->output))
        return WCOW_FAIL(err, WCOW_E_INVALID, "--extract excludes --plain and --output");
    if (!t->extract && !t->output)
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "where to? name a file with --output, or a folder with --extract");
    if (t->is_base && (t->is_diff || t->where.parents.n))
        return WCOW_FAIL(err, WCOW_E_INVALID, "--base excludes --diff and --parent");
    if (is_back)
        return to_plain(t, args[0], n > 1 ? args[1] : "C:\\", err);
    if (n > 1)
        return WCOW_FAIL(err, WCOW_E_INVALID, "PATH is for --extract and --plain; see --dest");
    int r = read_clock(t, err);
    return r < 0 ? r : to_layer(t, args[0], err);
}

int wcow_cli_tar(int argc, char **argv)
{
    struct tar t = {.where = WCOW_TARGET_DEFAULTS, .dest = "C:", .owner = "ContainerAdministrator"};
    const struct wcow_option options[] = {
        {'o', "output", "FILE", "The tar to write; - for standard output", WCOW_OPTION_STRING,
         &t.output},
        {0, "compression", "KIND", "gzip, zstd or none (by the name of FILE)", WCOW_OPTION_STRING,
         &t.compression},
        {'d', "dest", "PATH", "Where the files go in the layer (C:\\)", WCOW_OPTION_STRING,
         &t.dest},
        {0, "owner", "NAME", "Who owns what is new: an account or a SID (ContainerAdministrator)",
         WCOW_OPTION_STRING, &t.owner},
        {0, "base", NULL, "A base layer: the folder has the registry, no Hives are added",
         WCOW_OPTION_FLAG, &t.is_base},
        {0, "diff", NULL, "A layer on others, with five empty Hives (default)", WCOW_OPTION_FLAG,
         &t.is_diff},
        {'x', "extract", "DIR", "The other way: files of TARGET into a new or empty folder",
         WCOW_OPTION_STRING, &t.extract},
        {0, "plain", NULL, "The other way: files of TARGET as an ordinary tar", WCOW_OPTION_FLAG,
         &t.plain},
        WCOW_TARGET_PARENT(&t.where),
        WCOW_TARGET_PLATFORM(&t.where),
        WCOW_TARGET_SNAPSHOTTER(&t.where),
        WCOW_PLACE_ADDRESS(&t.where.place),
        WCOW_PLACE_NAMESPACE(&t.where.place),
        WCOW_PLACE_ROOT(&t.where.place),
        {0},
    };
    const struct wcow_command command = {
        .name = "wcow tar",
        .usage = "[OPTIONS] SOURCE -o FILE\n       wcow tar --plain TARGET [PATH] -o FILE\n"
                 "       wcow tar --extract DIR TARGET [PATH]",
        .summary =
            "Make a Windows layer of a folder or of an ordinary tar (gzip, bzip2, xz, zstd): "
            "security\ndescriptors are inherited as Windows would, symbolic links mapped, hard "
            "links kept. Or turn\nan image, a snapshot or a layer into ordinary files.",
        .options = options,
        .min_args = 1,
        .max_args = 2,
        .epilogue = WCOW_TARGET_HELP
        "\nWith --parent, directories that lie below keep their metadata, and names their casing.\n"
        "SOURCE_DATE_EPOCH in the environment: no time is later, so the same input gives the same "
        "bytes.",
    };
    int operand = 0;
    enum wcow_parse parsed = wcow_options_parse(&command, argc, argv, &operand);
    int code = parsed == WCOW_PARSE_DONE ? WCOW_EXIT_OK : WCOW_EXIT_USAGE;
    if (parsed == WCOW_PARSE_RUN) {
        wcow_place_fill(&t.where.place);
        struct wcow_error err = {0};
        int r = run(&t, argv + operand, argc - operand, &err);
        if (r < 0)
            (void)fprintf(stderr, "wcow tar: %s\n", err.msg);
        code = r < 0 ? WCOW_EXIT_FAILURE : WCOW_EXIT_OK;
    }
    wcow_option_list_done(&t.where.parents);
    return code;
}
