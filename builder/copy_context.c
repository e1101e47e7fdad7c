/* SPDX-License-Identifier: Apache-2.0 */
/* COPY and ADD from the build context. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "builder/archive.h"
#include "builder/context_walk.h"
#include "builder/copy.h"
#include "builder/pattern.h"
#include "layer/filetime.h"

struct copier {
    const struct wcow_copying *copying;
    struct wcow_context *context;
    struct wcow_context_files files;
    struct wcow_copy_dest dest;
    struct wcow_ignore *exclude;
    const char *kept; /* of the source at hand: the path that --parents keeps; NULL without it */
    /* The directory that the last file went into: the next one mostly goes there too. */
    char *parent_path;
    struct wcow_tree_node *parent;
};

static uint64_t time_of(const struct stat *st)
{
    return wcow_filetime_of_unix(st->st_mtim.tv_sec, (uint32_t)st->st_mtim.tv_nsec);
}

static int put_file(struct copier *c, struct wcow_tree_node *dir, const char *name,
                    const struct wcow_context_item *item, struct wcow_error *err)
{
    wcow_autoentry entry =
        wcow_copy_new_entry(WCOW_ENTRY_FILE, WCOW_ATTR_ARCHIVE, time_of(&item->st));
    entry.size_bytes = (uint64_t)item->st.st_size;
    struct wcow_link_group *group = NULL;
    int r = WCOW_OK;
    if (item->st.st_nlink > 1) {
        char id[64];
        (void)snprintf(id, sizeof(id), "%llx:%llx", (unsigned long long)item->st.st_dev,
                       (unsigned long long)item->st.st_ino);
        r = wcow_tree_link_group(c->copying->tree, id, &group, err);
        if (r < 0)
            return r;
    }
    WCOW_CLEANUP(wcow_payload_done) struct wcow_payload payload = {0};
    r = wcow_context_payload(&c->files, item, &payload, err);
    if (r < 0)
        return r;
    const struct wcow_tree_item put = {
        .name = name, .entry = &entry, .payload = &payload, .group = group};
    struct wcow_tree_node *node = NULL;
    return wcow_tree_put(c->copying->tree, dir, &put, &node, err);
}

static void use_backslashes(char *text)
{
    for (char *p = text; *p; p++) {
        if (*p == '/')
            *p = '\\';
    }
}

static int put_link(struct copier *c, struct wcow_tree_node *dir, const char *name,
                    const struct wcow_context_item *item, struct wcow_error *err)
{
    char *target = NULL;
    bool is_dir = false;
    int r = wcow_context_link(c->context, item, &target, &is_dir, err);
    if (r < 0)
        return r;
    use_backslashes(target);
    uint32_t attributes = WCOW_ATTR_REPARSE | (is_dir ? WCOW_ATTR_DIRECTORY : 0);
    wcow_autoentry entry = wcow_copy_new_entry(WCOW_ENTRY_REPARSE, attributes, time_of(&item->st));
    entry.link = target;
    const struct wcow_tree_item put = {.name = name, .entry = &entry};
    struct wcow_tree_node *node = NULL;
    return wcow_tree_put(c->copying->tree, dir, &put, &node, err);
}

static int put_directory(struct copier *c, struct wcow_tree_node *dir, const char *name,
                         const struct wcow_context_item *item, struct wcow_error *err)
{
    wcow_autoentry entry =
        wcow_copy_new_entry(WCOW_ENTRY_DIR, WCOW_ATTR_DIRECTORY, time_of(&item->st));
    const struct wcow_tree_item put = {.name = name, .entry = &entry};
    struct wcow_tree_node *node = NULL;
    return wcow_tree_put(c->copying->tree, dir, &put, &node, err);
}

static int put_item(struct copier *c, struct wcow_tree_node *dir, const char *name,
                    const struct wcow_context_item *item, struct wcow_error *err)
{
    int r = WCOW_OK;
    if (S_ISDIR(item->st.st_mode))
        r = put_directory(c, dir, name, item, err);
    else if (S_ISLNK(item->st.st_mode))
        r = put_link(c, dir, name, item, err);
    else
        r = put_file(c, dir, name, item, err);
    return r < 0 ? wcow_error_wrap(r, err, "\"%s\"", item->path) : WCOW_OK;
}

/* The node of the directory that holds @p below. */
static int find_parent(struct copier *c, const char *below, struct wcow_error *err)
{
    const char *slash = strrchr(below, '/');
    size_t len = slash ? (size_t)(slash - below) : 0;
    if (c->parent_path && strlen(c->parent_path) == len && strncmp(c->parent_path, below, len) == 0)
        return WCOW_OK;
    wcow_autobuf path = {0};
    int r = wcow_buf_addf(&path, err, "%s%s%.*s", c->dest.path, len ? "/" : "", (int)len, below);
    if (r == WCOW_OK)
        r = wcow_tree_dir(c->copying->tree, (const char *)path.data, &c->parent, err);
    if (r < 0)
        return r;
    free(c->parent_path);
    c->parent_path = strndup(below, len);
    return c->parent_path ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a path");
}

static int take_item(void *arg, const struct wcow_context_item *item, const char *below,
                     struct wcow_error *err)
{
    struct copier *c = arg;
    int r = find_parent(c, below, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "\"%s\"", item->path);
    const char *slash = strrchr(below, '/');
    return put_item(c, c->parent, slash ? slash + 1 : below, item, err);
}

/* A directory's content goes into the destination, not the directory itself. */
static int copy_directory(struct copier *c, const struct wcow_context_item *item,
                          struct wcow_error *err)
{
    struct wcow_tree_node *dir = NULL;
    int r = wcow_tree_dir(c->copying->tree, c->dest.path, &dir, err);
    if (r < 0)
        return r;
    wcow_tree_mark_source(dir);
    free(c->parent_path);
    c->parent_path = NULL;
    const struct wcow_context_walking walking = {
        .fn = take_item, .arg = c, .exclude = c->exclude, .exclude_as = c->kept};
    return wcow_context_walk_with(c->context, item->path, &walking, err);
}

static int unpack_archive(struct copier *c, const struct wcow_context_item *item,
                          bool *ret_unpacked, struct wcow_error *err)
{
    const struct wcow_archive_unpack unpack = {
        .tree = c->copying->tree, .dest = c->dest.path, .now = c->copying->now};
    return wcow_archive_unpack_file(c->context, item, &unpack, ret_unpacked, err);
}

static int copy_source(struct copier *c, const char *source, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_context_item_done) struct wcow_context_item item = {0};
    int r = wcow_context_find(c->context, source, &item, err);
    if (r < 0)
        return r;
    if (S_ISDIR(item.st.st_mode))
        return copy_directory(c, &item, err);
    if (!S_ISREG(item.st.st_mode))
        return WCOW_FAIL(err, WCOW_E_INVALID, "\"%s\" is neither a file nor a directory", source);
    if (c->exclude && c->kept && wcow_ignore_matches(c->exclude, c->kept))
        return WCOW_OK;
    bool unpacked = false;
    if (c->copying->is_add && c->copying->copy->unpack != WCOW_NO)
        r = unpack_archive(c, &item, &unpacked, err);
    if (r < 0 || unpacked)
        return r;
    /* The name that was asked for, which may be that of a link. */
    wcow_autofree char *clean = NULL;
    r = wcow_context_clean(source, &clean, err);
    if (r < 0)
        return r;
    const char *slash = strrchr(clean, '/');
    struct wcow_tree_node *dir = NULL;
    const char *name = NULL;
    r = wcow_copy_dest_for(&c->dest, slash ? slash + 1 : clean, &dir, &name, err);
    return r < 0 ? r : put_item(c, dir, name, &item, err);
}

/* --parents: the source's directories are made too, from the "/./" on where it has one.
 * @p kept: its path from there. */
static int with_parents(struct copier *c, const char *source, const char *kept,
                        struct wcow_copy_dest *ret, struct wcow_error *err)
{
    wcow_autofree char *clean = strdup(kept);
    int r = clean ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a path");
    if (r < 0)
        return r;
    WCOW_CLEANUP(wcow_context_item_done) struct wcow_context_item item = {0};
    r = wcow_context_find(c->context, source, &item, err);
    if (r < 0)
        return r;
    char *slash = S_ISDIR(item.st.st_mode) ? clean + strlen(clean) : strrchr(clean, '/');
    if (slash)
        *slash = '\0';
    wcow_autobuf path = {0};
    const char *parents = slash ? clean : "";
    r = wcow_buf_addf(&path, err, "%s%s%s", c->dest.path, *parents ? "/" : "", parents);
    if (r < 0)
        return r;
    *ret = (struct wcow_copy_dest){
        .tree = c->dest.tree, .path = wcow_buf_take_str(&path), .is_dir = true};
    return ret->path ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a path");
}

static int copy_one(struct copier *c, const char *source, struct wcow_error *err)
{
    if (!c->copying->copy->parents)
        return copy_source(c, source, err);
    struct wcow_copy_dest whole = c->dest;
    const char *pivot = strstr(source, "/./");
    wcow_autofree char *kept = NULL;
    WCOW_CLEANUP(wcow_copy_dest_done) struct wcow_copy_dest below = {0};
    int r = wcow_context_clean(pivot ? pivot + 3 : source, &kept, err);
    if (r == WCOW_OK)
        r = with_parents(c, source, kept, &below, err);
    if (r < 0)
        return r;
    c->dest = below;
    c->kept = kept;
    r = copy_source(c, source, err);
    c->dest = whole;
    c->kept = NULL;
    return r;
}

/* ---- all sources ---- */

/* The pivot of --parents, "/./", behind the directory that stood before it in the pattern. */
static int keep_pivot(const char *source, const char *match, struct wcow_str_list *ret,
                      struct wcow_error *err)
{
    const char *pivot = strstr(source, "/./");
    if (!pivot)
        return wcow_str_list_add(ret, match, err);
    wcow_autofree char *before = strndup(source, (size_t)(pivot - source));
    wcow_autofree char *clean = NULL;
    wcow_autobuf path = {0};
    int r = before ? wcow_context_clean(before, &clean, err)
                   : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a path");
    if (r < 0)
        return r;
    size_t end = *clean ? strcspn(match, "/") : 0;
    for (const char *p = clean; *p; p++) {
        if (*p == '/' && match[end] == '/')
            end += 1 + strcspn(match + end + 1, "/");
    }
    const char *rest = match + end + (match[end] == '/');
    r = wcow_buf_addf(&path, err, "%.*s/./%s", (int)end, match, rest);
    return r < 0 ? r : wcow_str_list_add(ret, (const char *)path.data, err);
}

static int expand_pattern(const struct wcow_copy *copy, struct wcow_context *context,
                          const char *source, struct wcow_str_list *ret, struct wcow_error *err)
{
    if (!copy->parents)
        return wcow_context_glob(context, source, ret, err);
    wcow_auto_str_list found = {0};
    int r = wcow_context_glob_deep(context, source, &found, err);
    for (size_t i = 0; r == WCOW_OK && i < found.count; i++)
        r = keep_pivot(source, found.items[i], ret, err);
    return r;
}

int wcow_copy_sources(const struct wcow_copy *copy, struct wcow_context *context,
                      struct wcow_str_list *ret, const char **ret_unmatched, struct wcow_error *err)
{
    const struct wcow_strings *sources = &copy->sources;
    const char *without_match = NULL;
    for (size_t i = 0; i < sources->count; i++) {
        wcow_autofree char *clean = NULL;
        int r = wcow_context_clean(sources->items[i], &clean, err);
        if (r < 0)
            return r;
        if (!wcow_pattern_has_glob(clean)) {
            r = wcow_str_list_add(ret, sources->items[i], err);
        } else {
            size_t before = ret->count;
            r = expand_pattern(copy, context, sources->items[i], ret, err);
            if (r == WCOW_OK && ret->count == before)
                without_match = sources->items[i];
        }
        if (r < 0)
            return r;
    }
    if (ret->count == 0 && without_match && copy->content_count == 0 && ret_unmatched)
        *ret_unmatched = without_match;
    return WCOW_OK;
}

static int copy_heredoc(struct copier *c, const struct wcow_heredoc *doc, struct wcow_error *err)
{
    struct wcow_tree_node *dir = NULL;
    const char *name = NULL;
    int r = wcow_copy_dest_for(&c->dest, doc->name, &dir, &name, err);
    if (r < 0)
        return r;
    wcow_autoentry entry = wcow_copy_new_entry(WCOW_ENTRY_FILE, WCOW_ATTR_ARCHIVE, c->copying->now);
    entry.size_bytes = doc->content_len;
    WCOW_CLEANUP(wcow_payload_done) struct wcow_payload payload = {0};
    r = wcow_payload_of_bytes(doc->content, doc->content_len, &payload, err);
    if (r < 0)
        return r;
    const struct wcow_tree_item put = {.name = name, .entry = &entry, .payload = &payload};
    struct wcow_tree_node *node = NULL;
    r = wcow_tree_put(c->copying->tree, dir, &put, &node, err);
    if (r == WCOW_OK)
        wcow_tree_mark_stamped(node);
    return r;
}

static int copy_all(struct copier *c, struct wcow_error *err)
{
    const struct wcow_copy *copy = c->copying->copy;
    wcow_auto_str_list sources = {0};
    int r = wcow_copy_dest_of(c->copying, &c->dest, err);
    if (r == WCOW_OK && copy->excludes.count > 0)
        r = wcow_ignore_new(copy->excludes.items, copy->excludes.count, &c->exclude, err);
    if (r == WCOW_OK)
        r = wcow_copy_sources(copy, c->context, &sources, c->copying->ret_unmatched, err);
    if (r == WCOW_OK)
        r = wcow_copy_dest_check(&c->dest, sources.count + copy->content_count, err);
    for (size_t i = 0; r == WCOW_OK && i < sources.count; i++)
        r = copy_one(c, sources.items[i], err);
    for (size_t i = 0; r == WCOW_OK && i < copy->content_count; i++)
        r = copy_heredoc(c, &copy->contents[i], err);
    return r;
}

int wcow_copy_from_context(const struct wcow_copying *copying, struct wcow_context *context,
                           struct wcow_error *err)
{
    struct copier c = {
        .copying = copying,
        .context = context,
        .files = {.context = context, .room = wcow_tree_room(copying->tree)},
    };
    int r = copy_all(&c, err);
    wcow_copy_dest_done(&c.dest);
    wcow_ignore_free(c.exclude);
    free(c.parent_path);
    return r;
}
