/* SPDX-License-Identifier: Apache-2.0 */
/* What a tree holds, for those who ask: one node, all in order, or as a layer of a chain. */
#include <stdlib.h>
#include <string.h>

#include "builder/tree_nodes.h"
#include "layer/names.h"

enum wcow_entry_type wcow_tree_type(const struct wcow_tree_node *node)
{
    return node->traits->type;
}

bool wcow_tree_is_below(const struct wcow_tree_node *node)
{
    return (node->flags & WCOW_NODE_BELOW) != 0;
}

/* ---- one node ---- */

/* Of a whiteout's last component; its node has the name that it hides. */
static const char *prefix_of(const struct wcow_tree_node *node)
{
    return node->traits->type == WCOW_ENTRY_WHITEOUT ? WCOW_WHITEOUT_PREFIX : "";
}

/* With what stands before the last component: "/", ":", or nothing for a top directory. */
static size_t name_len(const struct wcow_tree_node *node)
{
    return strlen(node->name) + strlen(prefix_of(node)) + (node->parent->parent != NULL);
}

/* The full name of @p node, which is not the root, into @p out. */
static int write_name(const struct wcow_tree_node *node, struct wcow_buf *out,
                      struct wcow_error *err)
{
    size_t len = 0;
    uint8_t *at = NULL;
    for (const struct wcow_tree_node *n = node; n->parent; n = n->parent)
        len += name_len(n);
    out->len = 0;
    int r = wcow_buf_reserve(out, len + 1, &at, err);
    if (r < 0)
        return r;
    out->len = len;
    at[len] = '\0';
    /* From its end, for names may be thousands of components deep. */
    for (const struct wcow_tree_node *n = node; n->parent; n = n->parent) {
        size_t own = strlen(n->name);
        len -= own;
        memcpy(at + len, n->name, own);
        const char *prefix = prefix_of(n);
        size_t prefix_len = strlen(prefix);
        len -= prefix_len;
        memcpy(at + len, prefix, prefix_len);
        if (n->parent->parent)
            at[--len] = n->flags & WCOW_NODE_STREAM ? ':' : '/';
    }
    return WCOW_OK;
}

int wcow_tree_name(const struct wcow_tree_node *node, char **ret, struct wcow_error *err)
{
    wcow_autobuf name = {0};
    int r = write_name(node, &name, err);
    if (r < 0)
        return r;
    *ret = wcow_buf_take_str(&name);
    return *ret ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a name");
}

int wcow_tree_entry(const struct wcow_tree_node *node, struct wcow_entry *ret,
                    struct wcow_error *err)
{
    wcow_autobuf name = {0};
    int r = write_name(node, &name, err);
    if (r < 0)
        return r;
    struct wcow_entry entry = wcow_tree_borrow_entry(node);
    entry.name = (char *)name.data;
    return wcow_entry_copy(&entry, ret, err);
}

struct wcow_payload wcow_tree_payload(const struct wcow_tree_node *node)
{
    const struct wcow_payload_ops *ops = node->traits->ops;
    return (struct wcow_payload){.ops = ops, .ctx = ops ? node->payload : NULL, .borrowed = true};
}

/* ---- all of them ---- */

bool wcow_tree_has_changes(const struct wcow_tree *tree)
{
    const struct wcow_tree_node *node = wcow_tree_next(tree, tree->root);
    while (node && wcow_tree_is_below(node))
        node = wcow_tree_next(tree, node);
    return node != NULL;
}

static struct wcow_tree_shown shown_of(struct wcow_tree_node *node, const struct wcow_buf *name)
{
    struct wcow_tree_shown shown = {.node = node,
                                    .entry = wcow_tree_borrow_entry(node),
                                    .payload = wcow_tree_payload(node),
                                    .is_below = wcow_tree_is_below(node),
                                    .is_source = (node->flags & WCOW_NODE_SOURCE) != 0,
                                    .is_stamped = (node->flags & WCOW_NODE_STAMPED) != 0};
    shown.entry.name = (char *)name->data;
    return shown;
}

int wcow_tree_each_stream(const struct wcow_tree_node *node, wcow_tree_fn fn, void *arg,
                          struct wcow_error *err)
{
    wcow_autobuf name = {0};
    int r = WCOW_OK;
    struct wcow_tree_node *stream = node->rare ? node->rare->streams : NULL;
    for (; r >= 0 && stream; stream = stream->next) {
        r = write_name(stream, &name, err);
        if (r < 0)
            return r;
        const struct wcow_tree_shown shown = shown_of(stream, &name);
        r = fn(arg, &shown, err);
    }
    return r < 0 ? r : WCOW_OK;
}

/* Nodes that are still to be shown: the children of each directory on the way, the last first. */
struct walk {
    struct wcow_paged *paged;
    uint64_t number; /* of the tree's walks, from 1 */
    struct wcow_tree_node **waiting;
    size_t n;
    size_t cap;
    struct wcow_buf name;
    struct wcow_buf first_name;
};

static void walk_done(struct walk *w)
{
    free(w->waiting);
    wcow_buf_done(&w->name);
    wcow_buf_done(&w->first_name);
}

static int backwards(const void *a, const void *b, void *paged)
{
    const struct wcow_tree_node *const *x = a;
    const struct wcow_tree_node *const *y = b;
    wcow_paged_look(paged);
    return strcmp((*y)->name, (*x)->name);
}

/* Names mostly come in their order. */
static int add_children(struct walk *w, const struct wcow_tree_node *dir, struct wcow_error *err)
{
    size_t from = w->n;
    bool is_sorted = true;
    struct wcow_tree_node *child = wcow_tree_names_of(dir);
    for (; child; child = child->next) {
        wcow_paged_look(w->paged);
        if (w->n == w->cap) {
            size_t cap = w->cap ? w->cap * 2 : 64;
            struct wcow_tree_node **grown =
                reallocarray(w->waiting, cap, sizeof(struct wcow_tree_node *));
            if (!grown)
                return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a directory of the layer");
            w->waiting = grown;
            w->cap = cap;
        }
        if (child->next && strcmp(child->name, child->next->name) < 0)
            is_sorted = false;
        w->waiting[w->n++] = child;
    }
    if (!is_sorted)
        qsort_r(w->waiting + from, w->n - from, sizeof(struct wcow_tree_node *), backwards,
                w->paged);
    return WCOW_OK;
}

static int show(struct walk *w, struct wcow_tree_node *node, wcow_tree_fn fn, void *arg,
                struct wcow_error *err)
{
    struct wcow_link_group *group = node->rare ? node->rare->group : NULL;
    bool is_later = group && group->walk == w->number;
    int r = write_name(node, &w->name, err);
    if (r == WCOW_OK && is_later)
        r = write_name(group->first, &w->first_name, err);
    if (r < 0)
        return r;
    struct wcow_tree_shown shown = shown_of(node, &w->name);
    if (is_later) {
        shown.first_name = (char *)w->first_name.data;
    } else if (group) {
        group->first = node;
        group->walk = w->number;
    }
    r = fn(arg, &shown, err);
    return r < 0 ? r : wcow_tree_each_stream(node, fn, arg, err);
}

int wcow_tree_each(struct wcow_tree *tree, wcow_tree_fn fn, void *arg, struct wcow_error *err)
{
    WCOW_CLEANUP(walk_done) struct walk w = {.paged = tree->paged, .number = ++tree->n_walks};
    int r = add_children(&w, tree->root, err);
    while (r >= 0 && w.n > 0) {
        struct wcow_tree_node *node = w.waiting[--w.n];
        wcow_paged_look(w.paged);
        r = show(&w, node, fn, arg, err);
        if (r >= 0 && wcow_tree_type(node) == WCOW_ENTRY_DIR)
            r = add_children(&w, node, err);
    }
    return r < 0 ? r : WCOW_OK;
}

/* ---- the tree as a layer ---- */

static int view_lookup(void *layer, const char *key, struct wcow_entry *ret, struct wcow_error *err)
{
    const struct wcow_tree_node *node = wcow_tree_find(layer, key);
    if (!node)
        return 0;
    int r = wcow_tree_entry(node, ret, err);
    return r < 0 ? r : 1;
}

static int view_children(void *layer, const char *key, wcow_view_child_fn fn, void *arg,
                         struct wcow_error *err)
{
    const struct wcow_tree *tree = layer;
    const struct wcow_tree_node *dir = *key ? wcow_tree_find(tree, key) : tree->root;
    wcow_autobuf name = {0};
    int r = WCOW_OK;
    if (!dir || wcow_tree_type(dir) != WCOW_ENTRY_DIR)
        return WCOW_OK;
    const struct wcow_tree_node *child = wcow_tree_names_of(dir);
    for (; r >= 0 && child; child = child->next) {
        wcow_paged_look(tree->paged);
        r = write_name(child, &name, err);
        if (r < 0)
            return r;
        struct wcow_entry entry = wcow_tree_borrow_entry(child);
        entry.name = (char *)name.data;
        r = fn(arg, &entry, err);
    }
    return r < 0 ? r : WCOW_OK;
}

struct wcow_layer_view wcow_tree_view(struct wcow_tree *tree)
{
    static const struct wcow_layer_view_ops ops = {.lookup = view_lookup,
                                                   .children = view_children};
    return (struct wcow_layer_view){.ops = &ops, .layer = tree};
}
