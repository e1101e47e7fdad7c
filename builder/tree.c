/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/tree.h"

#include <stdlib.h>
#include <string.h>

#include "builder/links.h"
#include "builder/name_table.h"
#include "layer/names.h"
#include "layer/sd.h"

enum {
    MAX_LINKS_FOLLOWED = 40,
    FOLLOW_LINK = 1, /* step_into(): *ret_target is to be resolved instead */
    NEW_HAS =
        WCOW_HAS_FILEATTR | WCOW_HAS_RAWSD | WCOW_HAS_CREATION | WCOW_HAS_ATIME | WCOW_HAS_CTIME,
};

/* A node and what only the tree needs to know of it. */
struct slot {
    struct wcow_tree_node node;   /* first: a node's address is its slot's */
    struct wcow_buf inherited[2]; /* descriptors that new files [0] and directories [1] in it get */
};

struct wcow_link_group {
    char *id;
    char *first;
};

struct wcow_tree {
    struct wcow_tree_options options;
    struct slot root;              /* not in the table; its children are Files, Hives, UtilityVM */
    struct wcow_name_table slots;  /* by key */
    struct wcow_name_table groups; /* by id */
};

int wcow_tree_new(const struct wcow_tree_options *options, struct wcow_tree **ret,
                  struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_tree_free_p) struct wcow_tree *tree = calloc(1, sizeof(*tree));
    char *root_name = calloc(1, 1);
    if (!tree || !root_name) {
        free(root_name);
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a layer");
    }
    tree->options = *options;
    tree->root.node.entry = (struct wcow_entry){.type = WCOW_ENTRY_DIR, .name = root_name};
    tree->root.node.is_below = options->below && options->below->n_layers > 0;
    *ret = WCOW_TAKE_PTR(tree);
    return WCOW_OK;
}

static void slot_done(struct slot *slot)
{
    struct wcow_tree_node *node = &slot->node;
    for (size_t i = 0; i < node->n_streams; i++) {
        wcow_entry_done(&node->streams[i]->entry);
        wcow_payload_done(&node->streams[i]->payload);
        free(node->streams[i]);
    }
    free(node->streams);
    free(node->children);
    free(node->key);
    wcow_entry_done(&node->entry);
    wcow_payload_done(&node->payload);
    wcow_buf_done(&slot->inherited[0]);
    wcow_buf_done(&slot->inherited[1]);
}

void wcow_tree_free(struct wcow_tree *tree)
{
    if (!tree)
        return;
    for (size_t i = 0; i < tree->slots.cap; i++) {
        struct slot *slot = tree->slots.slots[i].value;
        if (slot)
            slot_done(slot);
        free(slot);
    }
    wcow_name_table_done(&tree->slots);
    for (size_t i = 0; i < tree->groups.cap; i++) {
        struct wcow_link_group *group = tree->groups.slots[i].value;
        if (group)
            free(group->id);
        free(group);
    }
    wcow_name_table_done(&tree->groups);
    slot_done(&tree->root);
    free(tree);
}

void wcow_tree_seal(struct wcow_tree *tree)
{
    tree->options.below = NULL;
    tree->options.owner = (struct wcow_bytes){0};
    tree->options.group = (struct wcow_bytes){0};
}

static struct slot *slot_of(struct wcow_tree_node *node)
{
    return (struct slot *)(void *)node;
}

static struct slot *find(const struct wcow_tree *tree, const char *key)
{
    return wcow_name_table_get(&tree->slots, key);
}

struct wcow_tree_node *wcow_tree_find(const struct wcow_tree *tree, const char *key)
{
    struct slot *slot = find(tree, key);
    return slot ? &slot->node : NULL;
}

/* ---- names ---- */

static int join(const struct wcow_tree_node *dir, const char *name, char **ret,
                struct wcow_error *err)
{
    wcow_autobuf path = {0};
    const char *parent = dir->entry.name;
    int r = *parent ? wcow_buf_addf(&path, err, "%s/%s", parent, name)
                    : wcow_buf_add_str(&path, name, err);
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

/* What the layers below have under @p dir as @p name: 1, 0 or an error. */
static int lookup_below(const struct wcow_tree *tree, const struct wcow_tree_node *dir,
                        const char *path, struct wcow_entry *ret, struct wcow_error *err)
{
    if (!dir->is_below || !tree->options.below)
        return 0;
    return wcow_chain_lookup(tree->options.below, path, ret, NULL, err);
}

/* ---- making nodes ---- */

static int reserve_child(struct wcow_tree_node *dir, struct wcow_error *err)
{
    if (dir->n_children < dir->cap_children)
        return WCOW_OK;
    size_t cap = dir->cap_children ? dir->cap_children * 2 : 4;
    struct wcow_tree_node **grown =
        reallocarray(dir->children, cap, sizeof(struct wcow_tree_node *));
    if (!grown)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a directory of the layer");
    dir->children = grown;
    dir->cap_children = cap;
    return WCOW_OK;
}

/* Put a new node into the table and its directory. Takes @p entry (its name included) and, on
 * success, nothing else. */
static int add_node(struct wcow_tree *tree, struct wcow_tree_node *dir, struct wcow_entry *entry,
                    char *key, struct wcow_tree_node **ret, struct wcow_error *err)
{
    int r = reserve_child(dir, err);
    if (r < 0) {
        free(key);
        return r;
    }
    struct slot *slot = calloc(1, sizeof(*slot));
    r = slot ? wcow_name_table_add(&tree->slots, key, slot, err)
             : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a file of the layer");
    if (!slot || r != WCOW_OK) {
        free(slot);
        free(key);
        return r;
    }
    slot->node.parent = dir;
    slot->node.key = key;
    const struct wcow_entry taken = *entry;
    *entry = (struct wcow_entry){0};
    slot->node.entry = taken;
    dir->children[dir->n_children++] = &slot->node;
    *ret = &slot->node;
    return WCOW_OK;
}

/* The descriptor that something new in @p dir gets. */
static int inherit_sd(const struct wcow_tree *tree, struct wcow_tree_node *dir,
                      struct wcow_entry *entry, struct wcow_error *err)
{
    bool is_dir = (entry->attributes & WCOW_ATTR_DIRECTORY) != 0;
    if (!dir->entry.sd) {
        struct wcow_bytes sd = wcow_sd_default(is_dir);
        return wcow_entry_set_sd(entry, sd.data, sd.len, err);
    }
    struct wcow_buf *made = &slot_of(dir)->inherited[is_dir];
    if (made->len == 0) {
        struct wcow_bytes parent = {dir->entry.sd, dir->entry.sd_len_bytes};
        int r =
            wcow_sd_inherit(parent, tree->options.owner, tree->options.group, is_dir, made, err);
        if (r < 0)
            return wcow_error_wrap(r, err, "security descriptor of a file in %s", dir->entry.name);
    }
    return wcow_entry_set_sd(entry, made->data, made->len, err);
}

static int key_of(const char *path, char **ret, struct wcow_error *err)
{
    int r = wcow_name_key(path, ret, err);
    return r < 0 ? wcow_error_wrap(r, err, "%s", path) : WCOW_OK;
}

/* A directory that the layers below have, as they have it. */
static int add_inherited(struct wcow_tree *tree, struct wcow_tree_node *dir,
                         struct wcow_entry *found, struct wcow_tree_node **ret,
                         struct wcow_error *err)
{
    char *name = NULL;
    int r = join(dir, last_component(found->name), &name, err);
    if (r != WCOW_OK)
        return r;
    free(found->name);
    found->name = name;
    char *key = NULL;
    r = key_of(name, &key, err);
    if (r != WCOW_OK)
        return r;
    r = add_node(tree, dir, found, key, ret, err);
    if (r == WCOW_OK)
        (*ret)->is_below = true;
    return r;
}

/* ---- directories ---- */

static int add_made(struct wcow_tree *tree, struct wcow_tree_node *dir, const char *name, char *key,
                    struct wcow_tree_node **ret, struct wcow_error *err)
{
    uint64_t now = tree->options.now;
    wcow_autoentry entry = {.type = WCOW_ENTRY_DIR,
                            .name = strdup(name),
                            .attributes = WCOW_ATTR_DIRECTORY,
                            .has = NEW_HAS,
                            .mtime = now,
                            .atime = now,
                            .ctime = now,
                            .creation = now};
    int r = entry.name ? inherit_sd(tree, dir, &entry, err)
                       : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a name");
    if (r < 0) {
        free(key);
        return r;
    }
    r = add_node(tree, dir, &entry, key, ret, err);
    if (r == WCOW_OK)
        (*ret)->is_stamped = true;
    return r;
}

static int not_a_directory(const char *name, struct wcow_error *err)
{
    return WCOW_FAIL(err, WCOW_E_PRECONDITION, "%s is a file, not a directory", name);
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

/* The child directory @p name of @p dir: WCOW_OK with *ret, FOLLOW_LINK with *ret_target. */
static int step_into(struct wcow_tree *tree, struct wcow_tree_node *dir, const char *name,
                     struct wcow_tree_node **ret, char **ret_target, struct wcow_error *err)
{
    wcow_autofree char *full = NULL;
    wcow_autofree char *key = NULL;
    int r = wcow_name_check_component(name, strlen(name), err);
    if (r == WCOW_OK)
        r = join(dir, name, &full, err);
    if (r == WCOW_OK)
        r = key_of(full, &key, err);
    if (r != WCOW_OK)
        return r;
    struct slot *slot = find(tree, key);
    if (slot && slot->node.entry.type != WCOW_ENTRY_DIR)
        return follow_entry(&slot->node.entry, full, ret_target, err);
    if (slot) {
        *ret = &slot->node;
        return WCOW_OK;
    }
    wcow_autoentry found = {0};
    r = lookup_below(tree, dir, full, &found, err);
    if (r < 0)
        return r;
    if (r == 0)
        return add_made(tree, dir, full, WCOW_TAKE_PTR(key), ret, err);
    if (found.type != WCOW_ENTRY_DIR)
        return follow_entry(&found, full, ret_target, err);
    return add_inherited(tree, dir, &found, ret, err);
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
    struct wcow_tree_node *dir = &tree->root.node;
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
            dir = &tree->root.node;
        }
    }
    *ret = dir;
    return WCOW_OK;
}

/* ---- looking ---- */

/* What one component is, in the tree or below. */
static int stat_component(const struct wcow_tree *tree, const char *path, struct wcow_entry *ret,
                          struct wcow_error *err)
{
    wcow_autofree char *key = NULL;
    int r = key_of(path, &key, err);
    if (r < 0)
        return r;
    const struct slot *slot = find(tree, key);
    if (slot) {
        r = wcow_entry_copy(&slot->node.entry, ret, err);
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

static void fill_node(struct wcow_tree_node *node, const struct wcow_tree_item *item)
{
    if (item->payload) {
        node->payload = *item->payload;
        *item->payload = (struct wcow_payload){0};
    }
    node->group = item->group;
}

static int complete_sd(const struct wcow_tree *tree, struct wcow_tree_node *dir,
                       struct wcow_entry *entry, struct wcow_error *err)
{
    if (entry->sd || !(entry->has & WCOW_HAS_RAWSD))
        return WCOW_OK;
    return inherit_sd(tree, dir, entry, err);
}

static int replace_node(struct wcow_tree *tree, struct slot *slot,
                        const struct wcow_tree_item *item, struct wcow_error *err)
{
    struct wcow_tree_node *node = &slot->node;
    int r = complete_sd(tree, node->parent, item->entry, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < node->n_streams; i++) {
        wcow_entry_done(&node->streams[i]->entry);
        wcow_payload_done(&node->streams[i]->payload);
        free(node->streams[i]);
    }
    node->n_streams = 0;
    char *name = WCOW_TAKE_PTR(node->entry.name);
    wcow_entry_done(&node->entry);
    wcow_payload_done(&node->payload);
    free(item->entry->name);
    node->entry = *item->entry;
    node->entry.name = name;
    *item->entry = (struct wcow_entry){0};
    fill_node(node, item);
    return WCOW_OK;
}

/* A new node; @p name is the full one, in the casing it is to have. */
static int add_new(struct wcow_tree *tree, struct wcow_tree_node *dir, char *name,
                   const struct wcow_tree_item *item, struct wcow_tree_node **ret,
                   struct wcow_error *err)
{
    free(item->entry->name);
    item->entry->name = name;
    char *key = NULL;
    int r = key_of(name, &key, err);
    if (r < 0)
        return r;
    r = complete_sd(tree, dir, item->entry, err);
    if (r < 0) {
        free(key);
        return r;
    }
    r = add_node(tree, dir, item->entry, key, ret, err);
    if (r == WCOW_OK)
        fill_node(*ret, item);
    return r;
}

static int over_directory(const char *name, struct wcow_error *err)
{
    return WCOW_FAIL(err, WCOW_E_PRECONDITION, "%s is a directory; a file cannot take its place",
                     name);
}

int wcow_tree_put(struct wcow_tree *tree, struct wcow_tree_node *dir,
                  const struct wcow_tree_item *item, struct wcow_tree_node **ret,
                  struct wcow_error *err)
{
    bool is_dir = item->entry->type == WCOW_ENTRY_DIR;
    wcow_autofree char *full = NULL;
    wcow_autofree char *key = NULL;
    int r = wcow_name_check_component(item->name, strlen(item->name), err);
    if (r == WCOW_OK)
        r = join(dir, item->name, &full, err);
    if (r == WCOW_OK)
        r = key_of(full, &key, err);
    if (r != WCOW_OK)
        return r;

    struct slot *slot = find(tree, key);
    wcow_autoentry found = {0};
    int below = slot ? 0 : lookup_below(tree, dir, full, &found, err);
    if (below < 0)
        return below;
    if (is_dir && (slot || below))
        return wcow_tree_dir(tree, full, ret, err);
    if ((slot && slot->node.entry.type == WCOW_ENTRY_DIR) ||
        (below && found.type == WCOW_ENTRY_DIR))
        return over_directory(full, err);
    if (slot) {
        *ret = &slot->node;
        return replace_node(tree, slot, item, err);
    }
    if (below) {
        free(WCOW_TAKE_PTR(full));
        r = join(dir, last_component(found.name), &full, err);
        if (r < 0)
            return r;
    }
    return add_new(tree, dir, WCOW_TAKE_PTR(full), item, ret, err);
}

int wcow_tree_top(struct wcow_tree *tree, const char *name, struct wcow_entry *entry,
                  struct wcow_tree_node **ret, struct wcow_error *err)
{
    const struct wcow_tree_item item = {.name = name, .entry = entry};
    char *copy = strdup(name);
    if (!copy)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a name");
    int r = add_new(tree, &tree->root.node, copy, &item, ret, err);
    if (r == WCOW_OK)
        (*ret)->is_stamped = true;
    return r;
}

int wcow_tree_put_stream(struct wcow_tree *tree, struct wcow_tree_node *owner, const char *stream,
                         struct wcow_entry *entry, struct wcow_payload *payload,
                         struct wcow_error *err)
{
    (void)tree;
    wcow_autobuf name = {0};
    int r = wcow_buf_addf(&name, err, "%s:%s", owner->entry.name, stream);
    if (r < 0)
        return r;
    struct wcow_tree_node *node = calloc(1, sizeof(*node));
    struct wcow_tree_node **grown =
        reallocarray(owner->streams, owner->n_streams + 1, sizeof(struct wcow_tree_node *));
    if (grown)
        owner->streams = grown;
    if (!node || !grown) {
        free(node);
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a stream");
    }
    free(entry->name);
    node->entry = *entry;
    *entry = (struct wcow_entry){0};
    node->entry.name = wcow_buf_take_str(&name);
    node->parent = owner;
    node->payload = *payload;
    *payload = (struct wcow_payload){0};
    owner->streams[owner->n_streams++] = node;
    return node->entry.name ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a stream");
}

/* ---- hard links ---- */

int wcow_tree_link_group(struct wcow_tree *tree, const char *id, struct wcow_link_group **ret,
                         struct wcow_error *err)
{
    struct wcow_link_group *group = wcow_name_table_get(&tree->groups, id);
    if (!group) {
        group = calloc(1, sizeof(*group));
        char *copy = strdup(id);
        int r = group && copy ? wcow_name_table_add(&tree->groups, copy, group, err)
                              : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for hard links");
        if (r < 0) {
            free(group);
            free(copy);
            return r;
        }
        group->id = copy;
    }
    *ret = group;
    return WCOW_OK;
}

const char *wcow_link_group_id(const struct wcow_link_group *group)
{
    return group->id;
}

char *wcow_link_group_first(const struct wcow_link_group *group)
{
    return group->first;
}

void wcow_link_group_set_first(struct wcow_link_group *group, char *name)
{
    group->first = name;
}

void wcow_tree_reset_groups(struct wcow_tree *tree)
{
    for (size_t i = 0; i < tree->groups.cap; i++) {
        struct wcow_link_group *group = tree->groups.slots[i].value;
        if (group)
            group->first = NULL;
    }
}

/* ---- walking ---- */

bool wcow_tree_has_changes(const struct wcow_tree *tree)
{
    for (size_t i = 0; i < tree->slots.cap; i++) {
        const struct slot *slot = tree->slots.slots[i].value;
        if (slot && !slot->node.is_below)
            return true;
    }
    return false;
}

static int by_name(const void *a, const void *b)
{
    const struct wcow_tree_node *const *x = a;
    const struct wcow_tree_node *const *y = b;
    return strcmp((*x)->entry.name, (*y)->entry.name);
}

/* Where a walk stands in one directory. */
struct frame {
    struct wcow_tree_node *dir;
    size_t next;
};

static int visit(struct wcow_tree_node *node, wcow_tree_fn fn, void *arg, struct wcow_error *err)
{
    int r = fn(arg, node, err);
    for (size_t i = 0; r >= 0 && i < node->n_streams; i++)
        r = fn(arg, node->streams[i], err);
    if (node->n_children > 1)
        qsort(node->children, node->n_children, sizeof(struct wcow_tree_node *), by_name);
    return r;
}

static int push_frame(struct wcow_buf *stack, struct wcow_tree_node *dir, struct wcow_error *err)
{
    const struct frame frame = {.dir = dir};
    return wcow_buf_add(stack, &frame, sizeof(frame), err);
}

int wcow_tree_each(struct wcow_tree *tree, wcow_tree_fn fn, void *arg, struct wcow_error *err)
{
    struct wcow_tree_node *root = &tree->root.node;
    if (root->n_children > 1)
        qsort(root->children, root->n_children, sizeof(struct wcow_tree_node *), by_name);
    /* A stack of its own: names may be thousands of components deep. */
    wcow_autobuf stack = {0};
    int r = push_frame(&stack, root, err);
    while (r >= 0 && stack.len > 0) {
        struct frame top;
        memcpy(&top, stack.data + stack.len - sizeof(top), sizeof(top));
        if (top.next == top.dir->n_children) {
            stack.len -= sizeof(top);
            continue;
        }
        struct wcow_tree_node *child = top.dir->children[top.next++];
        memcpy(stack.data + stack.len - sizeof(top), &top, sizeof(top));
        r = visit(child, fn, arg, err);
        if (r >= 0 && child->n_children > 0)
            r = push_frame(&stack, child, err);
    }
    return r < 0 ? r : WCOW_OK;
}

/* ---- the tree as a layer ---- */

static int view_lookup(void *layer, const char *key, struct wcow_entry *ret, struct wcow_error *err)
{
    const struct slot *slot = find(layer, key);
    if (!slot)
        return 0;
    int r = wcow_entry_copy(&slot->node.entry, ret, err);
    return r < 0 ? r : 1;
}

static int view_children(void *layer, const char *key, wcow_view_child_fn fn, void *arg,
                         struct wcow_error *err)
{
    struct wcow_tree *tree = layer;
    struct slot *slot = *key ? find(tree, key) : &tree->root;
    int r = WCOW_OK;
    for (size_t i = 0; slot && r >= 0 && i < slot->node.n_children; i++)
        r = fn(arg, &slot->node.children[i]->entry, err);
    return r < 0 ? r : WCOW_OK;
}

struct wcow_layer_view wcow_tree_view(struct wcow_tree *tree)
{
    static const struct wcow_layer_view_ops ops = {.lookup = view_lookup,
                                                   .children = view_children};
    return (struct wcow_layer_view){.ops = &ops, .layer = tree};
}
