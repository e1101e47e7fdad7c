/* SPDX-License-Identifier: Apache-2.0 */
/* COPY --from: files out of the layers of a stage or an image. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "builder/copy.h"
#include "builder/ignore.h"
#include "builder/links.h"
#include "builder/pattern.h"
#include "builder/winpath.h"
#include "layer/names.h"

enum { MAX_LINKS_FOLLOWED = 40 };

struct copier {
    const struct wcow_copying *copying;
    const struct wcow_layers *layers;
    struct wcow_tree *names; /* an empty tree over the layers: follows links in paths */
    struct wcow_copy_dest dest;
    struct wcow_ignore *exclude;
    const char *kept; /* of the source at hand: the path that --parents keeps; "" */
};

static const char *last_component(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static int join(const char *dir, const char *name, char **ret, struct wcow_error *err)
{
    wcow_autobuf path = {0};
    int r = wcow_buf_addf(&path, err, "%s%s%s", dir, *dir && *name ? "/" : "", name);
    if (r < 0)
        return r;
    *ret = wcow_buf_take_str(&path);
    return *ret ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a path");
}

/* ---- one name ---- */

struct stream_target {
    struct wcow_tree *tree;
    struct wcow_tree_node *node;
};

static int put_stream(void *arg, const char *stream, struct wcow_entry *entry,
                      struct wcow_payload *payload, struct wcow_error *err)
{
    struct stream_target *to = arg;
    return wcow_tree_put_stream(to->tree, to->node, stream, entry, payload, err);
}

/* @p is_itself: no symlink led here. One name of a file is no hard link of another that leads to
 * it. */
static int put_found(struct copier *c, struct wcow_tree_node *dir, const char *name,
                     struct wcow_layers_found *found, bool is_itself, struct wcow_tree_node **ret,
                     struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_payload_done) struct wcow_payload payload = {0};
    wcow_autofree char *identity = NULL;
    struct wcow_link_group *group = NULL;
    bool is_file = found->entry.type == WCOW_ENTRY_FILE;
    int r = is_file ? wcow_layers_payload(found, &payload, err) : WCOW_OK;
    if (r == WCOW_OK && is_file && is_itself)
        r = wcow_layers_identity(found, &identity, err);
    if (r == WCOW_OK && identity)
        r = wcow_tree_link_group(c->copying->tree, identity, &group, err);
    if (r < 0)
        return r;
    if (c->copying->copy->chown || c->layers->is_foreign) { /* as if its new owner made it there */
        free(WCOW_TAKE_PTR(found->entry.sd));
        found->entry.sd_len_bytes = 0;
        found->entry.has |= WCOW_HAS_RAWSD;
    }
    const struct wcow_tree_item put = {
        .name = name, .entry = &found->entry, .payload = &payload, .group = group};
    struct stream_target to = {.tree = c->copying->tree};
    r = wcow_tree_put(c->copying->tree, dir, &put, &to.node, err);
    /* A directory that is there already keeps what it has. */
    if (r < 0)
        return r;
    *ret = to.node;
    return wcow_tree_is_below(to.node) ? WCOW_OK : wcow_layers_streams(found, put_stream, &to, err);
}

/* ---- directories ---- */

struct children {
    struct wcow_str_list names;
};

static int note_child(void *arg, const struct wcow_entry *child, struct wcow_error *err)
{
    struct children *children = arg;
    return wcow_str_list_add(&children->names, last_component(child->name), err);
}

static int copy_children(struct copier *c, struct wcow_tree_node *dir, const char *from,
                         const char *below, struct wcow_error *err);

static int copy_child(struct copier *c, struct wcow_tree_node *dir, const char *path,
                      const char *below, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_layers_found_done) struct wcow_layers_found found = {0};
    if (c->exclude && wcow_ignore_matches(c->exclude, below))
        return WCOW_OK;
    int r = wcow_layers_find(c->layers, path, &found, err);
    if (r <= 0)
        return r;
    struct wcow_tree_node *next = NULL;
    bool is_dir = found.entry.type == WCOW_ENTRY_DIR; /* what is put is emptied */
    r = put_found(c, dir, last_component(path), &found, true, &next, err);
    return r < 0 || !is_dir ? r : copy_children(c, next, path, below, err);
}

/* Layers hold names of at most 32,767 units, so this is bounded. */
// NOLINTNEXTLINE(misc-no-recursion)
static int copy_children(struct copier *c, struct wcow_tree_node *dir, const char *from,
                         const char *below, struct wcow_error *err)
{
    struct wcow_chain chain = wcow_layers_chain(c->layers);
    struct children children = {0};
    int r = wcow_chain_children(&chain, from, note_child, &children, err);
    for (size_t i = 0; r >= 0 && i < children.names.count; i++) {
        wcow_autofree char *path = NULL;
        wcow_autofree char *next_below = NULL;
        r = join(from, children.names.items[i], &path, err);
        if (r == WCOW_OK)
            r = join(below, children.names.items[i], &next_below, err);
        if (r == WCOW_OK)
            r = copy_child(c, dir, path, next_below, err);
    }
    wcow_str_list_done(&children.names);
    return r < 0 ? r : WCOW_OK;
}

/* ---- sources ---- */

/* "Files/…" of a source as it is written. */
static int layer_path(const char *source, char **ret, struct wcow_error *err)
{
    wcow_autofree char *path = NULL;
    int r = wcow_winpath_normalise_source(source, &path, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "the source \"%s\"", source);
    const char *rest = path + strspn(path, "/");
    if (strcmp(rest, ".") == 0)
        rest = "";
    r = join("Files", rest, ret, err);
    if (r == WCOW_OK) {
        size_t n = strlen(*ret);
        while (n > 0 && (*ret)[n - 1] == '/')
            (*ret)[--n] = '\0';
    }
    return r;
}

/* A source is what its links lead to, the last component's too. */
static int find_source(struct copier *c, const char *path, struct wcow_layers_found *ret,
                       struct wcow_error *err)
{
    wcow_autofree char *at = strdup(path);
    for (int hops = 0; at && hops < MAX_LINKS_FOLLOWED; hops++) {
        wcow_autoentry entry = {0};
        int r = wcow_tree_stat(c->names, at, &entry, err);
        if (r <= 0)
            return r;
        if (entry.type != WCOW_ENTRY_REPARSE)
            return wcow_layers_find(c->layers, entry.name, ret, err);
        char *target = NULL;
        r = wcow_link_resolve(entry.name, entry.link ? entry.link : "", &target, err);
        if (r < 0)
            return r;
        free(at);
        at = target;
    }
    return at ? WCOW_FAIL(err, WCOW_E_INVALID, "%s: too many links on the way", path)
              : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a path");
}

static int copy_source(struct copier *c, const char *path, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_layers_found_done) struct wcow_layers_found found = {0};
    int r = find_source(c, path, &found, err);
    if (r < 0)
        return r;
    const char *shown = path + (strncmp(path, "Files/", 6) == 0 ? 6 : 5);
    if (r == 0)
        return WCOW_FAIL(err, WCOW_E_NOT_FOUND, "\"%s\" is not in \"%s\"", shown,
                         c->copying->copy->from);
    struct wcow_tree_node *dir = NULL;
    if (found.entry.type == WCOW_ENTRY_DIR) {
        r = wcow_tree_dir(c->copying->tree, c->dest.path, &dir, err);
        if (r < 0)
            return r;
        wcow_tree_mark_source(dir);
        return copy_children(c, dir, found.entry.name, c->kept, err);
    }
    if (c->exclude && *c->kept && wcow_ignore_matches(c->exclude, c->kept))
        return WCOW_OK;
    const char *name = NULL;
    r = wcow_copy_dest_for(&c->dest, last_component(path), &dir, &name, err);
    if (r < 0)
        return r;
    struct wcow_tree_node *node = NULL;
    return put_found(c, dir, name, &found, strcasecmp(found.entry.name, path) == 0, &node, err);
}

/* ---- patterns ---- */

struct globbing {
    const char *component; /* upper case */
    struct wcow_str_list names;
};

static int match_child(void *arg, const struct wcow_entry *child, struct wcow_error *err)
{
    struct globbing *g = arg;
    wcow_autofree char *key = NULL;
    bool matches = false;
    int r = wcow_name_key(last_component(child->name), &key, err);
    if (r == WCOW_OK)
        r = wcow_pattern_glob(g->component, key, &matches, err);
    if (r < 0 || !matches)
        return r;
    return wcow_str_list_add(&g->names, last_component(child->name), err);
}

/* "**": the directory and all below it. No link is followed, so this ends. */
// NOLINTNEXTLINE(misc-no-recursion)
static int add_directories(struct copier *c, const char *dir, struct wcow_str_list *ret,
                           struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_layers_found_done) struct wcow_layers_found found = {0};
    int r = wcow_layers_find(c->layers, dir, &found, err);
    if (r <= 0 || found.entry.type != WCOW_ENTRY_DIR)
        return r < 0 ? r : WCOW_OK;
    struct wcow_chain chain = wcow_layers_chain(c->layers);
    struct children children = {0};
    r = wcow_str_list_add(ret, dir, err);
    if (r == WCOW_OK)
        r = wcow_chain_children(&chain, dir, note_child, &children, err);
    for (size_t i = 0; r >= 0 && i < children.names.count; i++) {
        wcow_autofree char *path = NULL;
        r = join(dir, children.names.items[i], &path, err);
        if (r == WCOW_OK)
            r = add_directories(c, path, ret, err);
    }
    wcow_str_list_done(&children.names);
    return r < 0 ? r : WCOW_OK;
}

static int glob_level(struct copier *c, const char *dir, const char *component,
                      struct wcow_str_list *ret, struct wcow_error *err)
{
    if (c->copying->copy->parents && strcmp(component, "**") == 0)
        return add_directories(c, dir, ret, err);
    if (!wcow_pattern_has_glob(component)) {
        wcow_autofree char *path = NULL;
        int r = join(dir, component, &path, err);
        return r < 0 ? r : wcow_str_list_add(ret, path, err);
    }
    wcow_autofree char *upper = NULL;
    int r = wcow_name_key(component, &upper, err);
    if (r < 0)
        return r;
    /* Through a link to a directory, and not into what is none. */
    WCOW_CLEANUP(wcow_layers_found_done) struct wcow_layers_found found = {0};
    if (*dir) {
        r = find_source(c, dir, &found, err);
        if (r < 0 || r == 0 || found.entry.type != WCOW_ENTRY_DIR)
            return r < 0 ? r : WCOW_OK;
    }
    struct wcow_chain chain = wcow_layers_chain(c->layers);
    struct globbing g = {.component = upper};
    r = wcow_chain_children(&chain, *dir ? found.entry.name : "", match_child, &g, err);
    for (size_t i = 0; r >= 0 && i < g.names.count; i++) {
        wcow_autofree char *path = NULL;
        r = join(dir, g.names.items[i], &path, err);
        if (r == WCOW_OK)
            r = wcow_str_list_add(ret, path, err);
    }
    wcow_str_list_done(&g.names);
    return r < 0 ? r : WCOW_OK;
}

/* The paths that @p pattern matches, level by level; letter case does not count, as on Windows. */
static int expand(struct copier *c, const char *pattern, struct wcow_str_list *ret,
                  struct wcow_error *err)
{
    wcow_auto_str_list level = {0};
    int r = wcow_str_list_add(&level, "", err);
    for (const char *p = pattern; r == WCOW_OK && *p;) {
        size_t n = strcspn(p, "/");
        wcow_autofree char *component = strndup(p, n);
        wcow_auto_str_list next = {0};
        if (!component)
            return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a pattern");
        for (size_t i = 0; r == WCOW_OK && i < level.count; i++)
            r = glob_level(c, level.items[i], component, &next, err);
        if (r == WCOW_OK)
            r = wcow_str_list_copy(&level, &next, err);
        p += n + (p[n] == '/');
    }
    for (size_t i = 0; r == WCOW_OK && i < level.count; i++) {
        WCOW_CLEANUP(wcow_layers_found_done) struct wcow_layers_found found = {0};
        r = find_source(c, level.items[i], &found, err);
        if (r == 1)
            r = wcow_str_list_add(ret, level.items[i], err);
    }
    return r;
}

/* How many components of a source's layer path stand before what --parents makes anew: "Files", and
 * those before "/./". */
static int count_fixed(const char *source, size_t *ret, struct wcow_error *err)
{
    const char *pivot = strstr(source, "/./");
    wcow_autofree char *before = strndup(source, pivot ? (size_t)(pivot - source) : 0);
    wcow_autofree char *path = NULL;
    if (!before)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a path");
    int r = layer_path(before, &path, err);
    *ret = 1;
    for (const char *p = path; r == WCOW_OK && *p; p++)
        *ret += *p == '/';
    return r;
}

/* The directories of @p path from component @p fixed on, made in the destination. */
static int copy_with_parents(struct copier *c, const char *path, size_t fixed,
                             struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_layers_found_done) struct wcow_layers_found found = {0};
    struct wcow_copy_dest whole = c->dest;
    const char *rest = path;
    for (size_t i = 0; i < fixed && *rest; i++)
        rest += strcspn(rest, "/") + (rest[strcspn(rest, "/")] == '/');
    int r = find_source(c, path, &found, err);
    if (r < 0)
        return r;
    bool is_dir = r == 1 && found.entry.type == WCOW_ENTRY_DIR;
    const char *slash = strrchr(rest, '/');
    wcow_autofree char *parents =
        is_dir ? strdup(rest) : strndup(rest, slash ? (size_t)(slash - rest) : 0);
    if (!parents)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a path");
    wcow_autofree char *below = NULL;
    r = *parents ? join(whole.path, parents, &below, err) : join("", whole.path, &below, err);
    if (r < 0)
        return r;
    c->dest = (struct wcow_copy_dest){.tree = whole.tree, .path = below, .is_dir = true};
    c->kept = rest;
    r = copy_source(c, path, err);
    c->dest = whole;
    c->kept = "";
    return r;
}

/* What was found for one source as it is written. */
static int copy_found(struct copier *c, const char *source, const struct wcow_str_list *found,
                      struct wcow_error *err)
{
    size_t fixed = 0;
    int r = c->copying->copy->parents ? count_fixed(source, &fixed, err) : WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < found->count; i++)
        r = fixed ? copy_with_parents(c, found->items[i], fixed, err)
                  : copy_source(c, found->items[i], err);
    return r;
}

/* @p ret: for each source what it stands for. */
static int expand_sources(struct copier *c, struct wcow_str_list *ret, struct wcow_error *err)
{
    const struct wcow_strings *sources = &c->copying->copy->sources;
    const char *without_match = NULL;
    size_t count = 0;
    for (size_t i = 0; i < sources->count; i++) {
        wcow_autofree char *path = NULL;
        int r = layer_path(sources->items[i], &path, err);
        if (r < 0)
            return r;
        if (wcow_pattern_has_glob(path))
            r = expand(c, path, &ret[i], err);
        else
            r = wcow_str_list_add(&ret[i], path, err);
        if (r < 0)
            return r;
        count += ret[i].count;
        if (ret[i].count == 0)
            without_match = sources->items[i];
    }
    if (count == 0 && without_match && c->copying->ret_unmatched)
        *c->copying->ret_unmatched = without_match;
    return wcow_copy_dest_check(&c->dest, c->copying->copy->parents ? 1 : count, err);
}

static int copy_all(struct copier *c, struct wcow_error *err)
{
    const struct wcow_copy *copy = c->copying->copy;
    struct wcow_chain chain = wcow_layers_chain(c->layers);
    const struct wcow_tree_options options = {.below = &chain, .now = c->copying->now};
    struct wcow_str_list *sources = calloc(copy->sources.count + 1, sizeof(*sources));
    if (!sources)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for COPY");
    int r = wcow_tree_new(&options, &c->names, err);
    if (r == WCOW_OK)
        r = wcow_copy_dest_of(c->copying, &c->dest, err);
    if (r == WCOW_OK && copy->excludes.count > 0)
        r = wcow_ignore_new(copy->excludes.items, copy->excludes.count, &c->exclude, err);
    if (r == WCOW_OK)
        r = expand_sources(c, sources, err);
    for (size_t i = 0; r == WCOW_OK && i < copy->sources.count; i++)
        r = copy_found(c, copy->sources.items[i], &sources[i], err);
    for (size_t i = 0; i < copy->sources.count; i++)
        wcow_str_list_done(&sources[i]);
    free(sources);
    return r;
}

int wcow_copy_from_layers(const struct wcow_copying *copying, const struct wcow_layers *layers,
                          struct wcow_error *err)
{
    struct copier c = {.copying = copying, .layers = layers, .kept = ""};
    int r = copy_all(&c, err);
    wcow_copy_dest_done(&c.dest);
    wcow_ignore_free(c.exclude);
    wcow_tree_free(c.names);
    return r;
}
