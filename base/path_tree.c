/* SPDX-License-Identifier: Apache-2.0 */
#include "base/path_tree.h"

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/bytes.h"
#include "base/key_hash.h"
#include "base/paged_table.h"

/* A component of a path; what is above a path may have no value. */
struct node {
    struct wcow_paged_table *names; /* NULL: nothing is below it */
    uint32_t len;
    bool has_value;
    alignas(8) uint8_t data[]; /* the value, then the component */
};

struct wcow_path_tree {
    struct wcow_paged *memory;
    size_t value_bytes;
    uint64_t seed;
    struct node *root;
    struct wcow_paged_slots slots; /* of all tables, from `memory` */
    /* The directory that was asked for last, where most questions begin. */
    struct node *last;
    struct wcow_buf last_path;
};

/* ---- nodes ---- */

static int new_node(struct wcow_path_tree *tree, const char *name, size_t len, struct node **ret,
                    struct wcow_error *err)
{
    if (len > UINT32_MAX)
        return WCOW_FAIL(err, WCOW_E_LIMIT, "a name of the layer is too long");
    void *room = NULL;
    int r =
        wcow_paged_alloc(tree->memory, sizeof(struct node) + tree->value_bytes + len, &room, err);
    if (r < 0)
        return r;
    struct node *node = room;
    node->len = (uint32_t)len;
    if (len)
        memcpy(node->data + tree->value_bytes, name, len);
    *ret = node;
    return WCOW_OK;
}

static bool is_named(const struct wcow_path_tree *tree, const struct node *node, const char *name,
                     size_t len)
{
    return node->len == len && memcmp(node->data + tree->value_bytes, name, len) == 0;
}

/* ---- names of a directory ---- */

static uint32_t hash_of(const struct wcow_path_tree *tree, const char *name, size_t len)
{
    return (uint32_t)wcow_key_hash(tree->seed, name, len);
}

static struct node *child_of(const struct wcow_path_tree *tree, const struct node *dir,
                             const char *name, size_t len)
{
    if (!dir->names)
        return NULL;
    uint32_t hash = hash_of(tree, name, len);
    uint32_t at = hash;
    struct node *child = wcow_paged_table_next(dir->names, hash, &at);
    while (child && !is_named(tree, child, name, len))
        child = wcow_paged_table_next(dir->names, hash, &at);
    return child;
}

static int add_child(struct wcow_path_tree *tree, struct node *dir, const char *name, size_t len,
                     struct node **ret, struct wcow_error *err)
{
    if (!dir->names) {
        void *room = NULL;
        int r = wcow_paged_alloc(tree->memory, sizeof(*dir->names), &room, err);
        if (r < 0)
            return r;
        dir->names = room;
    }
    int r = wcow_paged_table_reserve(&tree->slots, dir->names, err);
    if (r < 0)
        return r;
    r = new_node(tree, name, len, ret, err);
    if (r < 0)
        return r;
    wcow_paged_table_add(dir->names, *ret, hash_of(tree, name, len));
    return WCOW_OK;
}

/* ---- paths ---- */

/* How far down a path leads. */
struct way {
    struct node *node; /* the lowest there is */
    size_t at;         /* what follows it */
};

/* Without memory for it the next question begins at the root. */
static void remember(struct wcow_path_tree *tree, struct node *dir, const char *path, size_t len)
{
    if (dir == tree->last)
        return;
    tree->last_path.len = 0;
    bool is_kept = wcow_buf_add(&tree->last_path, path, len, NULL) == WCOW_OK;
    tree->last = is_kept ? dir : tree->root;
    tree->last_path.len = is_kept ? len : 0;
}

static struct way begin(const struct wcow_path_tree *tree, const char *path, size_t len)
{
    size_t n = tree->last_path.len;
    if (n == 0 || n > len || memcmp(tree->last_path.data, path, n) != 0 ||
        (n < len && path[n] != '/'))
        return (struct way){.node = tree->root};
    return (struct way){.node = tree->last, .at = n + (n < len)};
}

static size_t component_len(const char *path, size_t len, size_t at)
{
    const char *slash = memchr(path + at, '/', len - at);
    return slash ? (size_t)(slash - path) - at : len - at;
}

static struct way go_down(struct wcow_path_tree *tree, const char *path, size_t len)
{
    struct way way = begin(tree, path, len);
    wcow_paged_look(tree->memory);
    while (way.at < len) {
        size_t n = component_len(path, len, way.at);
        struct node *child = child_of(tree, way.node, path + way.at, n);
        bool is_last = way.at + n == len;
        if (!child || is_last)
            remember(tree, way.node, path, way.at ? way.at - 1 : 0);
        if (!child)
            break;
        way.node = child;
        way.at += n + !is_last;
    }
    return way;
}

void *wcow_path_tree_find(struct wcow_path_tree *tree, const char *path, size_t len)
{
    struct way way = go_down(tree, path, len);
    return way.at == len && way.node->has_value ? way.node->data : NULL;
}

int wcow_path_tree_add(struct wcow_path_tree *tree, const char *path, size_t len, void **ret,
                       struct wcow_error *err)
{
    struct way way = go_down(tree, path, len);
    while (way.at < len) {
        size_t n = component_len(path, len, way.at);
        struct node *child = NULL;
        int r = add_child(tree, way.node, path + way.at, n, &child, err);
        if (r < 0)
            return r;
        way.node = child;
        way.at += n + (way.at + n < len);
    }
    way.node->has_value = true;
    *ret = way.node->data;
    return WCOW_OK;
}

int wcow_path_tree_alloc(struct wcow_path_tree *tree, size_t size_bytes, void **ret,
                         struct wcow_error *err)
{
    return wcow_paged_alloc(tree->memory, size_bytes, ret, err);
}

/* ---- the tree ---- */

int wcow_path_tree_new(const struct wcow_path_tree_options *options, struct wcow_path_tree **ret,
                       struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_path_tree_free_p) struct wcow_path_tree *tree = calloc(1, sizeof(*tree));
    if (!tree)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a layer's names");
    tree->value_bytes = (options->value_bytes + 7) / 8 * 8;
    tree->seed = wcow_key_hash_seed();
    int r = wcow_paged_new(options->heap_bytes, options->dirfd, &tree->memory, err);
    tree->slots.memory = tree->memory;
    if (r == WCOW_OK)
        r = new_node(tree, "", 0, &tree->root, err);
    if (r < 0)
        return r;
    tree->last = tree->root;
    *ret = WCOW_TAKE_PTR(tree);
    return WCOW_OK;
}

void wcow_path_tree_free(struct wcow_path_tree *tree)
{
    if (!tree)
        return;
    wcow_paged_free(tree->memory);
    wcow_buf_done(&tree->last_path);
    free(tree);
}
