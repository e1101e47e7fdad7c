/* SPDX-License-Identifier: Apache-2.0 */
/* wcow diff: what one image, snapshot or layer has that another has not, and in what files differ.
 * Both trees are walked together, a directory at a time. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "builder/json_text.h"
#include "cli/entry_diff.h"
#include "cli/show.h"
#include "cli/target.h"
#include "cli/verbs.h"
#include "layer/names.h"

/* Exit codes as diff(1) has them. */
enum { EXIT_SAME = 0, EXIT_DIFFERENT = 1, EXIT_TROUBLE = 2, MAX_DEPTH = 512 };

struct diff {
    struct wcow_target_options where;
    bool as_json;
    bool verbose;
    bool brief;
    struct wcow_option_list ignore;
    unsigned ignored; /* fields */
    struct wcow_target sides[2];
    bool raw; /* two single layers, compared as they are, whiteouts and all */
    uint64_t n_differences;
    size_t depth;
};

/* What a directory has, by key. */
struct listing {
    struct listed {
        struct wcow_entry entry;
        char *key;
    } * items;
    size_t n;
    size_t cap;
};

static void listing_done(struct listing *l)
{
    for (size_t i = 0; i < l->n; i++) {
        wcow_entry_done(&l->items[i].entry);
        free(l->items[i].key);
    }
    free(l->items);
}

static int add_listed(void *arg, const struct wcow_entry *entry, struct wcow_error *err)
{
    struct listing *l = arg;
    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 32;
        struct listed *items = reallocarray(l->items, cap, sizeof(*items));
        if (!items)
            return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a directory");
        l->items = items;
        l->cap = cap;
    }
    struct listed item = {0};
    /* Streams by their whole name; a whiteout is not what it hides. */
    int r = wcow_name_key(entry->name, &item.key, err);
    if (r == WCOW_OK)
        r = wcow_entry_copy(entry, &item.entry, err);
    if (r < 0)
        free(item.key);
    else
        l->items[l->n++] = item;
    return r;
}

static int compare_listed(const void *a, const void *b)
{
    return strcmp(((const struct listed *)a)->key, ((const struct listed *)b)->key);
}

static void sort(struct listing *l)
{
    if (l->n)
        qsort(l->items, l->n, sizeof(*l->items), compare_listed);
}

/* ---- telling ---- */

static int print_names(struct wcow_buf *line, unsigned fields, const char *between,
                       const char *quote, struct wcow_error *err)
{
    bool first = true;
    int r = WCOW_OK;
    for (unsigned i = 0; r == WCOW_OK && i < WCOW_DIFF_N_FIELDS; i++) {
        if (!(fields & 1U << i))
            continue;
        r = wcow_buf_addf(line, err, "%s%s%s%s", first ? "" : between, quote,
                          wcow_entry_diff_name(1U << i), quote);
        first = false;
    }
    return r;
}

static int tell_json(const char *change, const struct wcow_entry *const entries[2], unsigned fields,
                     struct wcow_error *err)
{
    const struct wcow_entry *any = entries[1] ? entries[1] : entries[0];
    wcow_autobuf line = {0};
    int r = wcow_buf_addf(&line, err, "{\"change\":\"%s\",\"name\":", change);
    if (r == WCOW_OK)
        r = wcow_json_text_add(&line, any->name, err);
    if (r == WCOW_OK && fields) {
        r = wcow_buf_add_str(&line, ",\"fields\":[", err);
        if (r == WCOW_OK)
            r = print_names(&line, fields, ",", "\"", err);
        if (r == WCOW_OK)
            r = wcow_buf_add_str(&line, "]", err);
    }
    for (size_t i = 0; r == WCOW_OK && i < 2; i++) {
        if (!entries[i])
            continue;
        r = wcow_buf_add_str(&line, i ? ",\"b\":" : ",\"a\":", err);
        if (r == WCOW_OK)
            r = wcow_show_json(entries[i], NULL, &line, err);
    }
    if (r == WCOW_OK)
        (void)printf("%s}\n", (const char *)line.data);
    return r;
}

/* One field's value, for people. */
static int field_text(const struct wcow_entry *e, unsigned field, struct wcow_buf *out,
                      struct wcow_error *err)
{
    char text[WCOW_SHOW_TIME_MAX];
    switch (field) {
    case WCOW_DIFF_TYPE:
        return wcow_buf_add_str(out, wcow_show_type(e), err);
    case WCOW_DIFF_CASE:
        return wcow_target_escape(out, e->name, err);
    case WCOW_DIFF_CONTENT:
        return wcow_buf_addf(out, err, "%llu bytes", (unsigned long long)e->size_bytes);
    case WCOW_DIFF_TARGET:
        return wcow_target_escape(out, e->link ? e->link : "-", err);
    case WCOW_DIFF_ATTRIBUTES:
        return wcow_buf_addf(out, err, "0x%x", e->attributes);
    case WCOW_DIFF_SECURITY:
        return wcow_show_sddl(e, out, err);
    case WCOW_DIFF_EAS:
        return wcow_buf_addf(out, err, "%zu", e->n_eas);
    default:
        break;
    }
    const uint64_t time = field == WCOW_DIFF_MODIFIED   ? e->mtime
                          : field == WCOW_DIFF_CREATED  ? e->creation
                          : field == WCOW_DIFF_ACCESSED ? e->atime
                                                        : e->ctime;
    wcow_show_time(time, true, text);
    return wcow_buf_add_str(out, text, err);
}

static int tell_fields(const struct wcow_entry *const entries[2], unsigned fields,
                       struct wcow_error *err)
{
    int r = WCOW_OK;
    for (unsigned i = 0; r == WCOW_OK && i < WCOW_DIFF_N_FIELDS; i++) {
        if (!(fields & 1U << i))
            continue;
        wcow_autobuf was = {0};
        wcow_autobuf is = {0};
        r = field_text(entries[0], 1U << i, &was, err);
        if (r == WCOW_OK)
            r = field_text(entries[1], 1U << i, &is, err);
        if (r == WCOW_OK)
            (void)printf("    %s: %s -> %s\n", wcow_entry_diff_name(1U << i),
                         (const char *)was.data, (const char *)is.data);
    }
    return r;
}

/* @param fields of a changed one; 0: added or removed */
static int tell(struct diff *d, const struct wcow_entry *a, const struct wcow_entry *b,
                unsigned fields, struct wcow_error *err)
{
    d->n_differences++;
    if (d->brief)
        return WCOW_OK;
    const struct wcow_entry *const entries[2] = {a, b};
    const char *change = a && b ? "changed" : a ? "removed" : "added";
    if (d->as_json)
        return tell_json(change, entries, fields, err);
    wcow_autobuf line = {0};
    int r = wcow_buf_add_str(&line, a && b ? "~ " : a ? "- " : "+ ", err);
    if (r == WCOW_OK)
        r = wcow_target_escape(&line, b ? b->name : a->name, err);
    if (r == WCOW_OK && fields)
        r = wcow_buf_add_str(&line, ": ", err);
    if (r == WCOW_OK)
        r = print_names(&line, fields, ", ", "", err);
    if (r == WCOW_OK)
        (void)puts((const char *)line.data);
    return r == WCOW_OK && a && b && fields && d->verbose ? tell_fields(entries, fields, err) : r;
}

/* ---- comparing ---- */

static struct wcow_chain chain_of(const struct diff *d, int side)
{
    return wcow_target_chain(&d->sides[side], 0);
}

static int layer_of(const struct diff *d, int side, const char *name, size_t *ret,
                    struct wcow_error *err)
{
    struct wcow_chain chain = chain_of(d, side);
    wcow_autoentry e = {0};
    *ret = 0;
    int r = d->raw ? 0 : wcow_chain_lookup(&chain, name, &e, ret, err);
    return r < 0 ? r : WCOW_OK;
}

static int digest_of(struct wcow_target *target, size_t layer, const char *name,
                     struct wcow_digest *ret, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_target_file_close_p) struct wcow_target_file *file = NULL;
    WCOW_CLEANUP(wcow_hash_free_p) struct wcow_hash *hash = NULL;
    int r = wcow_target_file_open(target, layer, name, &file, err);
    if (r == WCOW_OK)
        r = wcow_hash_new(&hash, err);
    if (r < 0)
        return r;
    struct wcow_source source = wcow_target_file_source(file);
    for (;;) {
        const uint8_t *data = NULL;
        size_t len = 0;
        r = wcow_source_next(&source, &data, &len, err);
        if (r < 0)
            return r;
        if (len == 0)
            return wcow_hash_digest(hash, ret, err);
        wcow_hash_add(hash, data, len);
    }
}

/* Whether both sides have the bytes from one and the same layer's folder. */
static bool is_same_layer(const struct diff *d, const size_t layers[2])
{
    const struct wcow_target_layer *a = &d->sides[0].layers[layers[0]];
    const struct wcow_target_layer *b = &d->sides[1].layers[layers[1]];
    return a->chain && b->chain && strcmp(a->name, b->name) == 0;
}

/* 1 where the bytes of two files of equal size differ. */
static int content_differs(struct diff *d, const struct wcow_entry *a, const struct wcow_entry *b,
                           struct wcow_error *err)
{
    size_t layers[2] = {0};
    struct wcow_digest digests[2];
    int r = layer_of(d, 0, a->name, &layers[0], err);
    if (r == WCOW_OK)
        r = layer_of(d, 1, b->name, &layers[1], err);
    if (r < 0 || is_same_layer(d, layers))
        return r;
    r = digest_of(&d->sides[0], layers[0], a->name, &digests[0], err);
    if (r == WCOW_OK)
        r = digest_of(&d->sides[1], layers[1], b->name, &digests[1], err);
    return r < 0 ? r : strcmp(digests[0].text, digests[1].text) != 0;
}

static bool has_bytes(const struct wcow_entry *e)
{
    return e->type == WCOW_ENTRY_FILE || e->type == WCOW_ENTRY_STREAM ||
           e->type == WCOW_ENTRY_HARDLINK;
}

static int merge(struct diff *d, struct listing lists[2], struct wcow_error *err);
static int compare_dirs(struct diff *d, const char *const names[2], struct wcow_error *err);

/* Streams are compared as entries of their own. */
static int compare_streams(struct diff *d, const struct wcow_entry *const entries[2],
                           struct wcow_error *err)
{
    WCOW_CLEANUP(listing_done) struct listing a = {0};
    WCOW_CLEANUP(listing_done) struct listing b = {0};
    struct listing *const lists[2] = {&a, &b};
    int r = WCOW_OK;
    for (int side = 0; r == WCOW_OK && side < 2; side++) {
        if (!entries[side] || entries[side]->type > WCOW_ENTRY_REPARSE)
            continue;
        wcow_autofree char *key = NULL;
        size_t layer = 0;
        r = layer_of(d, side, entries[side]->name, &layer, err);
        if (r == WCOW_OK)
            r = wcow_entry_key(entries[side], &key, err);
        if (r == WCOW_OK)
            r = wcow_target_streams(&d->sides[side], layer, key, add_listed, lists[side], err);
    }
    struct listing both[2] = {a, b};
    return r < 0 ? r : merge(d, both, err);
}

static int compare_pair(struct diff *d, const struct wcow_entry *a, const struct wcow_entry *b,
                        struct wcow_error *err)
{
    unsigned fields = wcow_entry_diff(a, b);
    if (a->type > WCOW_ENTRY_STREAM)
        fields &= WCOW_DIFF_TYPE | WCOW_DIFF_CASE; /* a whiteout is but its name */
    bool may_differ = has_bytes(a) && has_bytes(b) && !(fields & WCOW_DIFF_CONTENT);
    if (may_differ && !(d->ignored & WCOW_DIFF_CONTENT)) {
        int r = content_differs(d, a, b, err);
        if (r < 0)
            return r;
        fields |= r ? WCOW_DIFF_CONTENT : 0U;
    }
    fields &= ~d->ignored;
    return fields ? tell(d, a, b, fields, err) : WCOW_OK;
}

/* One name, with what is below it; one of both may be NULL. */
static int compare_names(struct diff *d, const struct wcow_entry *a, const struct wcow_entry *b,
                         struct wcow_error *err)
{
    const struct wcow_entry *const entries[2] = {a, b};
    int r = a && b ? compare_pair(d, a, b, err) : tell(d, a, b, 0, err);
    if (r == WCOW_OK)
        r = compare_streams(d, entries, err);
    const char *const dirs[2] = {a && a->type == WCOW_ENTRY_DIR ? a->name : NULL,
                                 b && b->type == WCOW_ENTRY_DIR ? b->name : NULL};
    return r < 0 || (!dirs[0] && !dirs[1]) ? r : compare_dirs(d, dirs, err);
}

static int merge(struct diff *d, struct listing lists[2], struct wcow_error *err)
{
    struct listing *a = &lists[0];
    struct listing *b = &lists[1];
    sort(a);
    sort(b);
    int r = WCOW_OK;
    for (size_t i = 0, k = 0; r == WCOW_OK && (i < a->n || k < b->n);) {
        int c = i == a->n ? 1 : k == b->n ? -1 : compare_listed(&a->items[i], &b->items[k]);
        r = compare_names(d, c <= 0 ? &a->items[i].entry : NULL, c >= 0 ? &b->items[k].entry : NULL,
                          err);
        i += c <= 0;
        k += c >= 0;
    }
    return r;
}

static int list_dir(struct diff *d, int side, const char *name, struct listing *ret,
                    struct wcow_error *err)
{
    struct wcow_chain chain = chain_of(d, side);
    if (!d->raw)
        return wcow_chain_children(&chain, name, add_listed, ret, err);
    wcow_autofree char *key = NULL;
    int r = wcow_name_key(name, &key, err);
    return r < 0 ? r
                 : chain.layers[0].ops->children(chain.layers[0].layer, key, add_listed, ret, err);
}

static int compare_dirs(struct diff *d, const char *const names[2], struct wcow_error *err)
{
    if (++d->depth > MAX_DEPTH)
        return WCOW_FAIL(err, WCOW_E_LIMIT, "\"%.200s\" is more than %d levels deep",
                         names[0] ? names[0] : names[1], MAX_DEPTH);
    WCOW_CLEANUP(listing_done) struct listing a = {0};
    WCOW_CLEANUP(listing_done) struct listing b = {0};
    int r = names[0] ? list_dir(d, 0, names[0], &a, err) : WCOW_OK;
    if (r == WCOW_OK && names[1])
        r = list_dir(d, 1, names[1], &b, err);
    struct listing both[2] = {a, b};
    if (r == WCOW_OK)
        r = merge(d, both, err);
    d->depth--;
    return r;
}

/* ---- the verb ---- */

static int run(struct diff *d, char **names, const char *path_text, struct wcow_error *err)
{
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < d->ignore.n; i++) {
        unsigned field = 0;
        r = wcow_entry_diff_parse(d->ignore.items[i], &field, err);
        d->ignored |= field;
    }
    wcow_autofree char *path = NULL;
    if (r == WCOW_OK)
        r = wcow_target_path(path_text, &path, err);
    for (int i = 0; r == WCOW_OK && i < 2; i++)
        r = wcow_target_open(&d->where, names[i], &d->sides[i], err);
    if (r < 0)
        return r;
    d->raw = d->sides[0].n == 1 && d->sides[1].n == 1 && !d->sides[0].is_to_bottom &&
             !d->sides[1].is_to_bottom;
    const char *const dirs[2] = {path, path};
    r = compare_dirs(d, dirs, err);
    if (r == WCOW_OK && d->brief && d->n_differences)
        (void)printf("%s and %s differ\n", names[0], names[1]);
    return r < 0 ? r : wcow_show_flush(err);
}

int wcow_cli_diff(int argc, char **argv)
{
    struct diff d = {.where = WCOW_TARGET_DEFAULTS};
    const struct wcow_option options[] = {
        {'q', "brief", NULL, "Say only whether they differ", WCOW_OPTION_FLAG, &d.brief},
        {'v', "verbose", NULL, "Show both values of what changed", WCOW_OPTION_FLAG, &d.verbose},
        {0, "json", NULL, "Show each difference as one JSON object a line", WCOW_OPTION_FLAG,
         &d.as_json},
        {'I', "ignore", "FIELD", "Do not compare FIELD (times: all four); may be repeated",
         WCOW_OPTION_LIST, &d.ignore},
        WCOW_TARGET_PLATFORM(&d.where),
        WCOW_TARGET_SNAPSHOTTER(&d.where),
        WCOW_PLACE_ADDRESS(&d.where.place),
        WCOW_PLACE_NAMESPACE(&d.where.place),
        WCOW_PLACE_ROOT(&d.where.place),
        {0},
    };
    const struct wcow_command command = {
        .name = "wcow diff",
        .usage = "[OPTIONS] TARGET TARGET [PATH]",
        .summary =
            "Show in what two images, snapshots or layers differ: + for what only the second has, "
            "- for\nwhat only the first has, ~ for what both have, with the fields that differ.",
        .options = options,
        .min_args = 2,
        .max_args = 3,
        .epilogue = WCOW_TARGET_HELP
        "\nFields: type, case, content, target, attributes, security, eas, modified, created,\n"
        "accessed, changed. Two single layers are compared as they are, whiteouts and all.\n"
        "The exit code is 0 where nothing differs, 1 where something does, 2 after an error.",
    };
    int operand = 0;
    enum wcow_parse parsed = wcow_options_parse(&command, argc, argv, &operand);
    int code = parsed == WCOW_PARSE_DONE ? EXIT_SAME : EXIT_TROUBLE;
    if (parsed == WCOW_PARSE_RUN) {
        wcow_place_fill(&d.where.place);
        struct wcow_error err = {0};
        int r = run(&d, argv + operand, operand + 2 < argc ? argv[operand + 2] : "/", &err);
        if (r < 0)
            (void)fprintf(stderr, "wcow diff: %s\n", err.msg);
        code = r < 0 ? EXIT_TROUBLE : d.n_differences ? EXIT_DIFFERENT : EXIT_SAME;
    }
    wcow_target_done(&d.sides[0]);
    wcow_target_done(&d.sides[1]);
    wcow_option_list_done(&d.ignore);
    return code;
}
