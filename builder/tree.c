/* SPDX-License-Identifier: Apache-2.0 */
/* Putting files and directories into a tree, over what lies below. */
#include "builder/tree.h"

#include <stdlib.h>
#include <string.h>

#include "builder/links.h"
#include "builder/tree_nodes.h"
#include "layer/filetime.h"
#include "layer/names.h"
#include "layer/sd.h"

enum {
    HEAP_BYTES = 8 << 20, /* some 40,000 files of a context */
    MAX_LINKS_FOLLOWED = 40,
    FOLLOW_LINK = 1, /* step_into(): *ret_target is to be resolved instead */
    NEW_HAS =
        WCOW_HAS_FILEATTR | WCOW_HAS_RAWSD | WCOW_HAS_CREATION | WCOW_HAS_ATIME | WCOW_HAS_CTIME,
};

int wcow_tree_new(const struct wcow_tree_options *options, struct wcow_tree **ret,
                  struct wcow_error *err)
{
    static const struct wcow_entry top = {.type = WCOW_ENTRY_DIR};
    WCOW_CLEANUP(wcow_tree_free_p) struct wcow_tree *tree = calloc(1, sizeof(*tree));
    if (!tree)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a layer");
    tree->options = *options;
    const struct wcow_tree_new_node root = {.name = "", .entry = &top};
    int r = wcow_paged_new(HEAP_BYTES, -1, &tree->paged, err);
    tree->slots.memory = tree->paged;
    if (r == WCOW_OK)
        r = wcow_tree_make_node(tree, NULL, &root, &tree->root, err);
    if (r != WCOW_OK)
        return r;
    if (options->below && options->below->n_layers > 0)
        tree->root->flags |= WCOW_NODE_BELOW;
    *ret = WCOW_TAKE_PTR(tree);
    return WCOW_OK;
}

void wcow_tree_free(struct wcow_tree *tree)
{
    if (!tree)
        return;
    const struct wcow_tree_node *node = tree->n_owned ? tree->root : NULL;
    for (; node; node = wcow_tree_next(tree, node))
        wcow_tree_release_node(node);
    for (node = tree->n_owned ? tree->gone : NULL; node; node = node->next)
        wcow_tree_release_node(node);
    wcow_paged_free(tree->paged);
    wcow_arena_done(&tree->arena);
    free(tree);
}

struct wcow_paged *wcow_tree_room(const struct wcow_tree *tree)
{
    return tree->paged;
}

void wcow_tree_seal(struct wcow_tree *tree)
{
    tree->options.below = NULL;
    tree->options.owner = (struct wcow_bytes){0};
    tree->options.group = (struct wcow_bytes){0};
}

/* ---- names ---- */

/* The full name of @p name in @p dir. */
static int join(const struct wcow_tree_node *dir, const char *name, char **ret,
                struct wcow_error *err)
{
    wcow_autobuf path = {0};
    wcow_autofree char *parent = NULL;
    int r = wcow_tree_name(dir, &parent, err);
    if (r == WCOW_OK)
        r = wcow_buf_addf(&path, err, "%s%s%s", parent, *parent ? "/" : "", name);
    if (r < 0)
        return r;
    *ret = wcow_buf_take_str(&path);
    return *ret ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a name");
}

static const char *last_component(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* The key of a component in @p dir. */
static int key_of(const struct wcow_tree_node *dir, const char *name, char **ret,
                  struct wcow_error *err)
{
    wcow_autofree char *full = NULL;
    int r = wcow_name_key(name, ret, err);
    if (r == WCOW_OK || join(dir, name, &full, NULL) < 0)
        return r;
    return wcow_error_wrap(r, err, "%s", full);
}

static struct wcow_tree_node *child_of(const struct wcow_tree *tree,
                                       const struct wcow_tree_node *dir, const char *key)
{
    return wcow_tree_child(tree, dir, key, strlen(key));
}

/* What the layers below have under @p dir as @p name: 1, 0 or an error. */
static int lookup_below(const struct wcow_tree *tree, const struct wcow_tree_node *dir,
                        const char *name, struct wcow_entry *ret, struct wcow_error *err)
{
    wcow_autofree char *path = NULL;
    if (!wcow_tree_is_below(dir) || !tree->options.below)
        return 0;
    int r = join(dir, name, &path, err);
    return r < 0 ? r : wcow_chain_lookup(tree->options.below, path, ret, NULL, err);
}

/* ---- making nodes ---- */

/* The descriptor of a directory: its own, else what the layers below have for it. */
static int dir_sd(struct wcow_tree *tree, const struct wcow_tree_node *dir,
                  struct wcow_tree_sd **ret, struct wcow_error *err)
{
    wcow_autobuf sd = {0};
    wcow_autofree char *name = NULL;
    *ret = dir->traits->sd;
    if (*ret || !wcow_tree_is_below(dir) || !tree->options.below)
        return WCOW_OK;
    int r = WCOW_OK;
    if (tree->bare != dir) {
        struct wcow_tree_sd *found = NULL;
        r = wcow_tree_name(dir, &name, err);
        if (r == WCOW_OK)
            r = wcow_chain_dir_sd(tree->options.below, name, &sd, err);
        if (r >= 0)
            r = wcow_tree_intern_sd(tree, (struct wcow_bytes){sd.data, sd.len}, &found, err);
        if (r < 0)
            return r;
        tree->bare = dir;
        tree->bare_sd = found;
    }
    *ret = tree->bare_sd;
    return WCOW_OK;
}

static int inherit(struct wcow_tree *tree, const struct wcow_tree_node *dir,
                   const struct wcow_tree_sd *from, bool is_dir, struct wcow_tree_sd **ret,
                   struct wcow_error *err)
{
    wcow_autobuf made = {0};
    int r = wcow_sd_inherit((struct wcow_bytes){from->data, from->len_bytes}, tree->options.owner,
                            tree->options.group, is_dir, &made, err);
    if (r == WCOW_OK)
        return wcow_tree_intern_sd(tree, (struct wcow_bytes){made.data, made.len}, ret, err);
    wcow_autofree char *name = NULL;
    if (wcow_tree_name(dir, &name, NULL) < 0)
        return r;
    return wcow_error_wrap(r, err, "security descriptor of a file in %s", name);
}

/* The descriptor that something new in @p dir gets. */
static int inherit_sd(struct wcow_tree *tree, const struct wcow_tree_node *dir, bool is_dir,
                      struct wcow_tree_sd **ret, struct wcow_error *err)
{
    struct wcow_tree_sd *from = NULL;
    int r = dir_sd(tree, dir, &from, err);
    if (r < 0)
        return r;
    if (!from)
        return wcow_tree_intern_sd(tree, wcow_sd_default(is_dir), ret, err);
    if (!from->inherited[is_dir])
        r = inherit(tree, dir, from, is_dir, &from->inherited[is_dir], err);
    if (r == WCOW_OK)
        *ret = from->inherited[is_dir];
    return r;
}

/* The same for an entry, where it has none of its own and wants one. */
static int complete_sd(struct wcow_tree *tree, const struct wcow_tree_node *dir,
                       const struct wcow_entry *entry, struct wcow_tree_sd **ret,
                       struct wcow_error *err)
{
    *ret = NULL;
    if (entry->sd || !(entry->has & WCOW_HAS_RAWSD))
        return WCOW_OK;
    return inherit_sd(tree, dir, (entry->attributes & WCOW_ATTR_DIRECTORY) != 0, ret, err);
}

/* A directory that the layers below have, as they have it. */
static int add_inherited(struct wcow_tree *tree, struct wcow_tree_node *dir, const char *key,
                         const struct wcow_entry *found, struct wcow_tree_node **ret,
                         struct wcow_error *err)
{
    const struct wcow_tree_new_node of = {
        .name = last_component(found->name), .key = key, .entry = found};
    int r = wcow_tree_add_node(tree, dir, &of, ret, err);
    if (r == WCOW_OK)
        (*ret)->flags |= WCOW_NODE_BELOW;
    return r;
}

/* ---- directories ---- */

static int add_made(struct wcow_tree *tree, struct wcow_tree_node *dir, const char *name,
                    const char *key, struct wcow_tree_node **ret, struct wcow_error *err)
{
    uint64_t now = tree->options.now;
    const struct wcow_entry entry = {.type = WCOW_ENTRY_DIR,
                                     .attributes = WCOW_ATTR_DIRECTORY,
                                     .has = NEW_HAS,
                                     .mtime = now,
                                     .atime = now,
                                     .ctime = now,
                                     .creation = now};
    struct wcow_tree_new_node of = {.name = name, .key = key, .entry = &entry};
    int r = inherit_sd(tree, dir, true, &of.sd, err);
    if (r == WCOW_OK)
        r = wcow_tree_add_node(tree, dir, &of, ret, err);
    if (r == WCOW_OK)
        wcow_tree_mark_stamped(*ret);
    return r;
}

static int not_a_directory(const char *name, struct wcow_error *err)
{
    bool is_on_drive = strncmp(name, "Files/", strlen("Files/")) == 0;
    return WCOW_FAIL(err, WCOW_E_PRECONDITION, "%s%s is a file, not a directory",
                     is_on_drive ? "C:/" : "", is_on_drive ? name + strlen("Files/") : name);
}

/* What an entry that stands where a directory is wanted leads to. */
static int follow_entry(const struct wcow_entry *entry, const char *full, char **ret_target,
                        struct wcow_error *err)
{
    bool leads_on = entry->type == WCOW_ENTRY_REPARSE && entry->link &&
                    (entry->attributes & WCOW_ATTR_DIRECTORY || entry->has & WCOW_HAS_MOUNTPOINT);
    if (!leads_on)
        return not_a_directory(full, err);
    int r = wcow_link_resolve(full, entry->link, ret_target, err);
    return r < 0 ? r : FOLLOW_LINK;
}

/* The same of a name in @p dir. */
static int follow_child(const struct wcow_tree_node *dir, const char *name,
                        const struct wcow_entry *entry, char **ret_target, struct wcow_error *err)
{
    wcow_autofree char *full = NULL;
    int r = join(dir, name, &full, err);
    return r < 0 ? r : follow_entry(entry, full, ret_target, err);
}

/* The child directory @p name of @p dir: WCOW_OK with *ret, FOLLOW_LINK with *ret_target. */
static int step_into(struct wcow_tree *tree, struct wcow_tree_node *dir, const char *name,
                     struct wcow_tree_node **ret, char **ret_target, struct wcow_error *err)
{
    wcow_autofree char *key = NULL;
    int r = wcow_name_check_component(name, strlen(name), err);
    if (r == WCOW_OK)
        r = key_of(dir, name, &key, err);
    if (r != WCOW_OK)
        return r;
    struct wcow_tree_node *node = child_of(tree, dir, key);
    if (node && wcow_tree_type(node) != WCOW_ENTRY_DIR) {
        const struct wcow_entry entry = wcow_tree_borrow_entry(node);
        return follow_child(dir, name, &entry, ret_target, err);
    }
    if (node) {
        *ret = node;
        return WCOW_OK;
    }
    wcow_autoentry found = {0};
    r = lookup_below(tree, dir, name, &found, err);
    if (r < 0)
        return r;
    if (r == 0)
        return add_made(tree, dir, name, key, ret, err);
    if (found.type != WCOW_ENTRY_DIR)
        return follow_child(dir, name, &found, ret_target, err);
    return add_inherited(tree, dir, key, &found, ret, err);
}

/* Go on at a link's target with what was left of the path. */
static int splice(char **path, const char *target, const char *left, struct wcow_error *err)
{
    wcow_autobuf joined = {0};
    int r = wcow_buf_addf(&joined, err, "%s%s%s", target, *left ? "/" : "", left);
    if (r < 0)
        return r;
    free(*path);
    *path = wcow_buf_take_str(&joined);
    return *path ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a path");
}

int wcow_tree_dir(struct wcow_tree *tree, const char *path, struct wcow_tree_node **ret,
                  struct wcow_error *err)
{
    wcow_autofree char *copy = strdup(path);
    if (!copy)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a path");
    struct wcow_tree_node *dir = tree->root;
    int hops = 0;
    for (char *p = copy; *p;) {
        size_t n = strcspn(p, "/");
        char *left = p + n + (p[n] == '/');
        p[n] = '\0';
        if (n == 0) {
            p = left;
            continue;
        }
        wcow_autofree char *target = NULL;
        int r = step_into(tree, dir, p, &dir, &target, err);
        if (r < 0)
            return r;
        p = left;
        if (r == FOLLOW_LINK) {
            if (++hops > MAX_LINKS_FOLLOWED)
                return WCOW_FAIL(err, WCOW_E_INVALID, "%s: too many links on the way", path);
            r = splice(&copy, target, left, err);
            if (r < 0)
                return r;
            p = copy;
            dir = tree->root;
        }
    }
    *ret = dir;
    return WCOW_OK;
}

/* ---- looking ---- */

struct wcow_tree_node *wcow_tree_find(const struct wcow_tree *tree, const char *key)
{
    struct wcow_tree_node *node = *key ? tree->root : NULL;
    for (const char *p = key; node && *p;) {
        size_t len = strcspn(p, "/");
        node = wcow_tree_child(tree, node, p, len);
        p += len + (p[len] == '/');
    }
    return node;
}

/* What one component is, in the tree or below. */
static int stat_component(const struct wcow_tree *tree, const char *path, struct wcow_entry *ret,
                          struct wcow_error *err)
{
    wcow_autofree char *key = NULL;
    int r = wcow_name_key(path, &key, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "%s", path);
    const struct wcow_tree_node *node = wcow_tree_find(tree, key);
    if (node) {
        r = wcow_tree_entry(node, ret, err);
        return r < 0 ? r : 1;
    }
    if (!tree->options.below)
        return 0;
    return wcow_chain_lookup(tree->options.below, path, ret, NULL, err);
}

int wcow_tree_stat(struct wcow_tree *tree, const char *path, struct wcow_entry *ret,
                   struct wcow_error *err)
{
    wcow_autofree char *copy = strdup(path);
    if (!copy)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a path");
    int hops = 0;
    for (char *p = copy;;) {
        char *slash = strchr(p, '/');
        if (slash)
            *slash = '\0';
        wcow_autoentry found = {0};
        int r = stat_component(tree, copy, &found, err);
        if (r <= 0)
            return r;
        if (!slash) {
            *ret = found;
            found = (struct wcow_entry){0};
            return 1;
        }
        if (found.type == WCOW_ENTRY_DIR) {
            *slash = '/';
            p = slash + 1;
            continue;
        }
        wcow_autofree char *target = NULL;
        r = follow_entry(&found, copy, &target, err);
        if (r >= 0 && ++hops > MAX_LINKS_FOLLOWED)
            r = WCOW_FAIL(err, WCOW_E_INVALID, "%s: too many links on the way", path);
        if (r >= 0)
            r = splice(&copy, target, slash + 1, err);
        if (r < 0)
            return r;
        p = copy;
    }
}

/* ---- putting ---- */

static int set_group(struct wcow_tree *tree, struct wcow_tree_node *node,
                     struct wcow_link_group *group, struct wcow_error *err)
{
    struct wcow_tree_rare *rare = NULL;
    int r = group ? wcow_tree_make_rare(tree, node, &rare, err) : WCOW_OK;
    if (rare)
        rare->group = group;
    return r;
}

/* The bytes of a node that has been made. */
static int fill_node(struct wcow_tree *tree, struct wcow_tree_node *node,
                     const struct wcow_tree_item *item, struct wcow_error *err)
{
    int r = wcow_tree_take_payload(tree, node, item->payload, err);
    if (r == WCOW_OK)
        r = set_group(tree, node, item->group, err);
    wcow_entry_done(item->entry);
    return r;
}

static int replace_node(struct wcow_tree *tree, struct wcow_tree_node *node,
                        const struct wcow_tree_item *item, struct wcow_error *err)
{
    struct wcow_tree_sd *sd = NULL;
    int r = complete_sd(tree, node->parent, item->entry, &sd, err);
    if (r == WCOW_OK)
        r = wcow_tree_fill_node(tree, node, item->entry, sd, err);
    return r < 0 ? r : fill_node(tree, node, item, err);
}

/* A new node; @p name is in the casing it is to have. */
static int add_new(struct wcow_tree *tree, struct wcow_tree_node *dir, const char *name,
                   const char *key, const struct wcow_tree_item *item, struct wcow_tree_node **ret,
                   struct wcow_error *err)
{
    struct wcow_tree_new_node of = {.name = name, .key = key, .entry = item->entry};
    int r = complete_sd(tree, dir, item->entry, &of.sd, err);
    if (r == WCOW_OK)
        r = wcow_tree_add_node(tree, dir, &of, ret, err);
    return r < 0 ? r : fill_node(tree, *ret, item, err);
}

static int over_directory(const struct wcow_tree_node *dir, const char *name,
                          struct wcow_error *err)
{
    wcow_autofree char *full = NULL;
    int r = join(dir, name, &full, err);
    return r < 0 ? r
                 : WCOW_FAIL(err, WCOW_E_PRECONDITION,
                             "%s is a directory; a file cannot take its place", full);
}

/* A directory that is there, or a link to one. */
static int merge_dir(struct wcow_tree *tree, const struct wcow_tree_node *dir, const char *name,
                     struct wcow_tree_node **ret, struct wcow_error *err)
{
    wcow_autofree char *full = NULL;
    int r = join(dir, name, &full, err);
    return r < 0 ? r : wcow_tree_dir(tree, full, ret, err);
}

int wcow_tree_put(struct wcow_tree *tree, struct wcow_tree_node *dir,
                  const struct wcow_tree_item *item, struct wcow_tree_node **ret,
                  struct wcow_error *err)
{
    bool is_dir = item->entry->type == WCOW_ENTRY_DIR;
    wcow_autofree char *key = NULL;
    int r = wcow_name_check_component(item->name, strlen(item->name), err);
    if (r == WCOW_OK)
        r = key_of(dir, item->name, &key, err);
    if (r != WCOW_OK)
        return r;

    struct wcow_tree_node *node = child_of(tree, dir, key);
    wcow_autoentry found = {0};
    int below = node ? 0 : lookup_below(tree, dir, item->name, &found, err);
    if (below < 0)
        return below;
    if (is_dir && (node || below))
        return merge_dir(tree, dir, item->name, ret, err);
    if ((node && wcow_tree_type(node) == WCOW_ENTRY_DIR) || (below && found.type == WCOW_ENTRY_DIR))
        return over_directory(dir, item->name, err);
    if (node) {
        *ret = node;
        return replace_node(tree, node, item, err);
    }
    return add_new(tree, dir, below ? last_component(found.name) : item->name, key, item, ret, err);
}

/* ---- deleting ---- */

static int add_whiteout(struct wcow_tree *tree, struct wcow_tree_node *dir, const char *name,
                        const char *key, struct wcow_error *err)
{
    const struct wcow_entry whiteout = {.type = WCOW_ENTRY_WHITEOUT,
                                        .mtime = WCOW_FILETIME_UNIX_EPOCH,
                                        .atime = WCOW_FILETIME_UNIX_EPOCH,
                                        .ctime = WCOW_FILETIME_UNIX_EPOCH,
                                        .creation = WCOW_FILETIME_UNIX_EPOCH};
    const struct wcow_tree_new_node of = {.name = name, .key = key, .entry = &whiteout};
    struct wcow_tree_node *node = NULL;
    return wcow_tree_add_node(tree, dir, &of, &node, err);
}

static int hide_below(struct wcow_tree *tree, struct wcow_tree_node *dir, struct wcow_error *err);

/* @param name as the layers below have it, where they are known */
static int hide_name(struct wcow_tree *tree, struct wcow_tree_node *dir, const char *name,
                     struct wcow_error *err)
{
    wcow_autofree char *key = NULL;
    int r = key_of(dir, name, &key, err);
    if (r < 0)
        return r;
    struct wcow_tree_node *node = child_of(tree, dir, key);
    if (!node)
        return add_whiteout(tree, dir, name, key, err);
    return wcow_tree_type(node) == WCOW_ENTRY_DIR ? hide_below(tree, node, err) : WCOW_OK;
}

struct hiding {
    struct wcow_tree *tree;
    struct wcow_tree_node *dir;
};

static int hide_child(void *arg, const struct wcow_entry *child, struct wcow_error *err)
{
    const struct hiding *h = arg;
    return hide_name(h->tree, h->dir, last_component(child->name), err);
}

/* All that the layers below have in a directory of the tree. */
static int hide_below(struct wcow_tree *tree, struct wcow_tree_node *dir, struct wcow_error *err)
{
    wcow_autofree char *name = NULL;
    struct hiding hiding = {.tree = tree, .dir = dir};
    int r = wcow_tree_name(dir, &name, err);
    if (r < 0)
        return r;
    if (!tree->options.below)
        return WCOW_FAIL(err, WCOW_E_PRECONDITION,
                         "%s replaces what the layers below have, which are not known", name);
    return wcow_tree_is_below(dir)
               ? wcow_chain_children(tree->options.below, name, hide_child, &hiding, err)
               : WCOW_OK;
}

int wcow_tree_hide(struct wcow_tree *tree, const char *dir, const char *name,
                   struct wcow_error *err)
{
    struct wcow_tree_node *node = NULL;
    wcow_autoentry found = {0};
    int r = wcow_name_check_component(name, strlen(name), err);
    if (r == WCOW_OK)
        r = wcow_tree_dir(tree, dir, &node, err);
    if (r < 0)
        return r;
    if (!tree->options.below)
        return hide_name(tree, node, name, err);
    r = lookup_below(tree, node, name, &found, err);
    return r <= 0 ? r : hide_name(tree, node, last_component(found.name), err);
}

int wcow_tree_hide_all(struct wcow_tree *tree, const char *dir, struct wcow_error *err)
{
    struct wcow_tree_node *node = NULL;
    int r = wcow_tree_dir(tree, dir, &node, err);
    return r < 0 ? r : hide_below(tree, node, err);
}

int wcow_tree_top(struct wcow_tree *tree, const char *name, struct wcow_entry *entry,
                  struct wcow_tree_node **ret, struct wcow_error *err)
{
    const struct wcow_tree_item item = {.name = name, .entry = entry};
    wcow_autofree char *key = NULL;
    int r = key_of(tree->root, name, &key, err);
    if (r == WCOW_OK)
        r = add_new(tree, tree->root, name, key, &item, ret, err);
    if (r == WCOW_OK)
        wcow_tree_mark_stamped(*ret);
    return r;
}

int wcow_tree_put_stream(struct wcow_tree *tree, struct wcow_tree_node *owner, const char *stream,
                         struct wcow_entry *entry, struct wcow_payload *payload,
                         struct wcow_error *err)
{
    const struct wcow_tree_new_node of = {.name = stream, .entry = entry};
    struct wcow_tree_node *node = NULL;
    struct wcow_tree_rare *rare = NULL;
    int r = wcow_tree_make_rare(tree, owner, &rare, err);
    if (r == WCOW_OK)
        r = wcow_tree_make_node(tree, owner, &of, &node, err);
    if (r == WCOW_OK)
        r = wcow_tree_take_payload(tree, node, payload, err);
    if (r != WCOW_OK)
        return r;
    node->flags |= WCOW_NODE_STREAM;
    struct wcow_tree_node **last = &rare->streams;
    while (*last)
        last = &(*last)->next;
    *last = node;
    wcow_entry_done(entry);
    return WCOW_OK;
}

void wcow_tree_mark_stamped(struct wcow_tree_node *node)
{
    node->flags |= WCOW_NODE_STAMPED;
}

void wcow_tree_mark_source(struct wcow_tree_node *node)
{
    node->flags |= WCOW_NODE_SOURCE;
}

int wcow_tree_set_sd(struct wcow_tree *tree, struct wcow_tree_node *node, struct wcow_bytes sd,
                     struct wcow_error *err)
{
    struct wcow_tree_traits traits = *node->traits;
    traits.has &= ~(uint32_t)(WCOW_HAS_RAWSD | WCOW_HAS_SDDL);
    traits.has |= sd.len ? WCOW_HAS_RAWSD : 0;
    int r = wcow_tree_intern_sd(tree, sd, &traits.sd, err);
    return r < 0 ? r : wcow_tree_set_traits(tree, node, &traits, err);
}

int wcow_tree_add_attributes(struct wcow_tree *tree, struct wcow_tree_node *node,
                             uint32_t attributes, struct wcow_error *err)
{
    struct wcow_tree_traits traits = *node->traits;
    traits.attributes |= attributes;
    return wcow_tree_set_traits(tree, node, &traits, err);
}

/* ---- hard links ---- */

int wcow_tree_link_group(struct wcow_tree *tree, const char *id, struct wcow_link_group **ret,
                         struct wcow_error *err)
{
    struct wcow_link_group *group = wcow_tree_find_group(tree, id);
    if (!group)
        return wcow_tree_add_group(tree, id, ret, err);
    *ret = group;
    return WCOW_OK;
}

int wcow_tree_group_of(struct wcow_tree *tree, struct wcow_tree_node *node, const char *id,
                       struct wcow_link_group **ret, struct wcow_error *err)
{
    struct wcow_link_group *group = node->rare ? node->rare->group : NULL;
    int r = group ? WCOW_OK : wcow_tree_link_group(tree, id, &group, err);
    if (r == WCOW_OK)
        r = set_group(tree, node, group, err);
    if (r == WCOW_OK)
        *ret = group;
    return r;
}

const char *wcow_tree_group_id(const struct wcow_tree_node *node)
{
    return node->rare && node->rare->group ? node->rare->group->id : NULL;
}
