/* SPDX-License-Identifier: Apache-2.0 */
/* wcow ls: what an image, a snapshot or a layer holds, with what Windows knows of each file. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/show.h"
#include "cli/target.h"
#include "cli/verbs.h"
#include "layer/names.h"

enum { MAX_DEPTH = 512 };

struct ls {
    struct wcow_target_options where;
    bool is_long;
    bool is_recursive;
    bool with_sddl;
    bool with_streams;
    bool as_json;
    const char *layer_text;
    struct wcow_target target;
    size_t first;    /* of the layers shown */
    bool one_layer;  /* and no more than this one */
    size_t name_off; /* what of each name is not printed */
    size_t depth;
};

static struct wcow_chain chain_of(const struct ls *ls)
{
    struct wcow_chain chain = wcow_target_chain(&ls->target, ls->first);
    if (ls->one_layer)
        chain.n_layers = 1;
    return chain;
}

/* ---- one entry ---- */

static int print_json(const struct wcow_entry *e, size_t layer, const struct ls *ls,
                      struct wcow_error *err)
{
    wcow_autobuf line = {0};
    char extra[48];
    /* The base is layer 1. */
    (void)snprintf(extra, sizeof(extra), ",\"layer\":%zu", ls->target.n - layer);
    int r = wcow_show_json(e, extra, &line, err);
    if (r == WCOW_OK)
        (void)puts((const char *)line.data);
    return r;
}

static int print_long(const struct wcow_entry *e, uint64_t size, struct wcow_error *err)
{
    char mode[WCOW_SHOW_MODE_MAX];
    char time[WCOW_SHOW_TIME_MAX] = "-";
    wcow_autobuf owner = {0};
    int r = wcow_show_owner(e, &owner, err);
    if (r < 0)
        return r;
    wcow_show_mode(e, mode);
    if (e->type < WCOW_ENTRY_WHITEOUT)
        wcow_show_time(e->mtime, false, time);
    (void)printf("%-6s %2zu %-35s %12" PRIu64 " %-19s ", mode, e->n_eas, (const char *)owner.data,
                 size, time);
    return WCOW_OK;
}

static int print_name(const struct ls *ls, const struct wcow_entry *e, struct wcow_error *err)
{
    wcow_autobuf text = {0};
    size_t skip = strlen(e->name) > ls->name_off ? ls->name_off : 0;
    int r = wcow_target_escape(&text, e->name + skip, err);
    if (r == WCOW_OK && e->type == WCOW_ENTRY_DIR && !ls->is_long)
        r = wcow_buf_add_str(&text, "/", err);
    if (r == WCOW_OK && ls->is_long && e->link) {
        r = wcow_buf_add_str(&text, e->type == WCOW_ENTRY_HARDLINK ? " => " : " -> ", err);
        if (r == WCOW_OK)
            r = wcow_target_escape(&text, e->link, err);
    }
    if (r == WCOW_OK)
        (void)puts(text.data ? (const char *)text.data : "");
    return r;
}

static int print_sddl(const struct wcow_entry *e, struct wcow_error *err)
{
    if (!e->sd)
        return WCOW_OK;
    wcow_autobuf sddl = {0};
    int r = wcow_show_sddl(e, &sddl, err);
    if (r == WCOW_OK)
        (void)printf("       %s\n", (const char *)sddl.data);
    return r;
}

/* Another name of a file has the file's size. */
static uint64_t size_of(const struct ls *ls, const struct wcow_entry *e, size_t layer)
{
    if (e->type != WCOW_ENTRY_HARDLINK)
        return e->size_bytes;
    struct wcow_chain chain = wcow_target_chain(&ls->target, layer);
    wcow_autoentry first = {0};
    return wcow_chain_resolve(&chain, e->name, &first, NULL, NULL) == 1 ? first.size_bytes : 0;
}

static int print_entry(const struct ls *ls, const struct wcow_entry *e, size_t layer,
                       struct wcow_error *err)
{
    if (ls->as_json)
        return print_json(e, layer, ls, err);
    int r = ls->is_long ? print_long(e, size_of(ls, e, layer), err) : WCOW_OK;
    if (r == WCOW_OK)
        r = print_name(ls, e, err);
    return r == WCOW_OK && ls->with_sddl ? print_sddl(e, err) : r;
}

struct stream_printer {
    const struct ls *ls;
    size_t layer;
};

static int print_stream(void *arg, const struct wcow_entry *e, struct wcow_error *err)
{
    const struct stream_printer *p = arg;
    return print_entry(p->ls, e, p->layer, err);
}

/* The descriptor of a directory that the nearest layer has none for, from further down. */
static int add_sd(const struct ls *ls, const struct wcow_entry *e, struct wcow_buf *ret,
                  struct wcow_error *err)
{
    struct wcow_chain chain = chain_of(ls);
    bool is_on_drive = strcmp(e->name, "Files") == 0 || strncmp(e->name, "Files/", 6) == 0;
    if (!ls->with_sddl || ls->one_layer || e->sd || e->type != WCOW_ENTRY_DIR || !is_on_drive)
        return WCOW_OK;
    int r = wcow_chain_dir_sd(&chain, e->name, ret, err);
    return r < 0 ? r : WCOW_OK;
}

/* The layer that has @p e, then the entry and its streams. */
static int show(const struct ls *ls, const struct wcow_entry *e, struct wcow_error *err)
{
    size_t layer = 0;
    bool is_marker = e->type == WCOW_ENTRY_WHITEOUT || e->type == WCOW_ENTRY_OPAQUE;
    bool wants_layer = ls->as_json || ls->with_streams || e->type == WCOW_ENTRY_HARDLINK;
    if (wants_layer && !ls->one_layer && !is_marker) {
        struct wcow_chain chain = chain_of(ls);
        wcow_autoentry found = {0};
        int r = wcow_chain_lookup(&chain, e->name, &found, &layer, err);
        if (r < 0)
            return r;
    }
    layer += ls->first;
    wcow_autobuf sd = {0};
    struct wcow_entry whole = *e; /* borrows */
    int r = add_sd(ls, e, &sd, err);
    if (r < 0)
        return r;
    if (sd.len) {
        whole.sd = sd.data;
        whole.sd_len_bytes = sd.len;
    }
    r = print_entry(ls, &whole, layer, err);
    if (r < 0 || !ls->with_streams || is_marker)
        return r;
    wcow_autofree char *key = NULL;
    r = wcow_entry_key(e, &key, err);
    struct stream_printer printer = {.ls = ls, .layer = layer};
    return r < 0 ? r : wcow_target_streams(&ls->target, layer, key, print_stream, &printer, err);
}

/* ---- directories ---- */

static int show_dir(struct ls *ls, const char *path, struct wcow_error *err);

static int show_child(void *arg, const struct wcow_entry *e, struct wcow_error *err)
{
    struct ls *ls = arg;
    int r = show(ls, e, err);
    if (r < 0 || !ls->is_recursive || e->type != WCOW_ENTRY_DIR)
        return r;
    if (++ls->depth > MAX_DEPTH)
        return WCOW_FAIL(err, WCOW_E_LIMIT, "\"%.200s\" is more than %d levels deep", e->name,
                         MAX_DEPTH);
    r = show_dir(ls, e->name, err);
    ls->depth--;
    return r;
}

static int show_dir(struct ls *ls, const char *path, struct wcow_error *err)
{
    struct wcow_chain chain = chain_of(ls);
    if (!ls->one_layer)
        return wcow_chain_children(&chain, path, show_child, ls, err);
    /* One layer as it is, its whiteouts too. */
    wcow_autofree char *key = NULL;
    int r = wcow_name_key(path, &key, err);
    return r < 0 ? r
                 : chain.layers[0].ops->children(chain.layers[0].layer, key, show_child, ls, err);
}

/* All of one layer in its tar's order, so that nothing is missed that stands below a directory that
 * the layer has not got. */
struct whole_layer {
    struct ls *ls;
    const char *key; /* of the directory */
    uint64_t n;
};

static int show_if_below(void *arg, const struct wcow_entry *e, struct wcow_error *err)
{
    struct whole_layer *w = arg;
    if (e->type == WCOW_ENTRY_STREAM && !w->ls->with_streams)
        return WCOW_OK;
    wcow_autofree char *key = NULL;
    size_t len = strlen(w->key);
    bool is_below = len == 0 || (wcow_name_key(e->name, &key, NULL) == WCOW_OK &&
                                 strncmp(key, w->key, len) == 0 && key[len] == '/');
    if (!is_below)
        return WCOW_OK;
    w->n++;
    return print_entry(w->ls, e, w->ls->first, err);
}

static int show_whole_layer(struct ls *ls, const char *path, uint64_t *ret_n,
                            struct wcow_error *err)
{
    wcow_autofree char *key = NULL;
    int r = wcow_name_key(path, &key, err);
    struct whole_layer whole = {.ls = ls, .key = key};
    if (r == WCOW_OK)
        r = wcow_target_each(&ls->target, ls->first, show_if_below, &whole, err);
    *ret_n = whole.n;
    return r;
}

static int show_path(struct ls *ls, const char *path, struct wcow_error *err)
{
    struct wcow_chain chain = chain_of(ls);
    wcow_autoentry e = {0};
    int found = *path ? wcow_chain_lookup(&chain, path, &e, NULL, err) : 0;
    if (found < 0)
        return found;
    if (found && e.type != WCOW_ENTRY_DIR) {
        const char *slash = strrchr(e.name, '/');
        ls->name_off = slash ? (size_t)(slash + 1 - e.name) : 0;
        return show(ls, &e, err);
    }
    const char *dir = found ? e.name : path;
    if (!ls->is_recursive)
        ls->name_off = *dir ? strlen(dir) + 1 : 0;
    uint64_t n = 0;
    int r = ls->one_layer && ls->is_recursive ? show_whole_layer(ls, dir, &n, err)
                                              : show_dir(ls, dir, err);
    bool is_top = !*path || strcmp(path, "Files") == 0; /* may be empty without being there */
    if (r == WCOW_OK && !found && !n && !is_top)
        return WCOW_FAIL(err, WCOW_E_NOT_FOUND, "\"%s\" is not there", path);
    return r;
}

/* ---- the verb ---- */

/* --layer N, the base being 1. */
static int choose_layer(struct ls *ls, struct wcow_error *err)
{
    ls->one_layer = ls->target.n == 1;
    if (!ls->layer_text)
        return WCOW_OK;
    char *end = NULL;
    errno = 0;
    unsigned long n = strtoul(ls->layer_text, &end, 10);
    if (errno || *end || end == ls->layer_text || n < 1 || n > ls->target.n)
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "--layer is a number from 1 (the base) to %zu, not \"%s\"", ls->target.n,
                         ls->layer_text);
    ls->first = ls->target.n - n;
    ls->one_layer = true;
    return WCOW_OK;
}

static int run(struct ls *ls, const char *target, const char *path_text, struct wcow_error *err)
{
    wcow_autofree char *path = NULL;
    int r = wcow_target_path(path_text, &path, err);
    if (r == WCOW_OK)
        r = wcow_target_open_over(&ls->where, target, &ls->target, err);
    if (r == WCOW_OK && ls->target.n == 0)
        return WCOW_OK; /* a view of nothing */
    if (r == WCOW_OK)
        r = choose_layer(ls, err);
    if (r == WCOW_OK)
        r = show_path(ls, path, err);
    return r < 0 ? r : wcow_show_flush(err);
}

int wcow_cli_ls(int argc, char **argv)
{
    struct ls ls = {.where = WCOW_TARGET_DEFAULTS};
    const struct wcow_option options[] = {
        {'l', "long", NULL, "Show attributes, number of EAs, owner, size and time",
         WCOW_OPTION_FLAG, &ls.is_long},
        {'R', "recursive", NULL, "Show what is in directories, too", WCOW_OPTION_FLAG,
         &ls.is_recursive},
        {0, "sddl", NULL, "Show security descriptors in SDDL", WCOW_OPTION_FLAG, &ls.with_sddl},
        {0, "streams", NULL, "Show alternate data streams", WCOW_OPTION_FLAG, &ls.with_streams},
        {0, "json", NULL, "Show everything, as one JSON object a line", WCOW_OPTION_FLAG,
         &ls.as_json},
        {0, "layer", "N", "Only this layer, whiteouts and all; the base is 1", WCOW_OPTION_STRING,
         &ls.layer_text},
        WCOW_TARGET_PARENT(&ls.where),
        WCOW_TARGET_PLATFORM(&ls.where),
        WCOW_TARGET_SNAPSHOTTER(&ls.where),
        WCOW_PLACE_ADDRESS(&ls.where.place),
        WCOW_PLACE_NAMESPACE(&ls.where.place),
        WCOW_PLACE_ROOT(&ls.where.place),
        {0},
    };
    const struct wcow_command command = {
        .name = "wcow ls",
        .usage = "[OPTIONS] TARGET [PATH]",
        .summary = "List the files of an image, a snapshot or a layer, as Windows would see them.",
        .options = options,
        .min_args = 1,
        .max_args = 2,
        .epilogue = WCOW_TARGET_HELP
        "\nPATH is C:\\Windows, /Windows or Files/Windows, in any letter case (C:\\); / is all of "
        "the layer.\n"
        "-l begins with the kind (- file, d directory, l symbolic link, j junction, h hard link,\n"
        "s stream, w whiteout, o opaque marker) and the attributes R, H, S, A; + stands for "
        "others.",
    };
    int operand = 0;
    enum wcow_parse parsed = wcow_options_parse(&command, argc, argv, &operand);
    if (parsed == WCOW_PARSE_RUN) {
        wcow_place_fill(&ls.where.place);
        struct wcow_error err = {0};
        int r = run(&ls, argv[operand], operand + 1 < argc ? argv[operand + 1] : "C:\\", &err);
        if (r < 0)
            (void)fprintf(stderr, "wcow ls: %s\n", err.msg);
        wcow_target_done(&ls.target);
        wcow_option_list_done(&ls.where.parents);
        return r < 0 ? WCOW_EXIT_FAILURE : WCOW_EXIT_OK;
    }
    wcow_option_list_done(&ls.where.parents);
    return parsed == WCOW_PARSE_DONE ? WCOW_EXIT_OK : WCOW_EXIT_USAGE;
}
