/* SPDX-License-Identifier: Apache-2.0 */
#include "base/path_tree.h"

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/bytes.h"
#include "base/key_hash.h"
#include "base/paged.h"

enum { FIRST_CAP_LOG2 = 3, MAX_CAP_LOG2 = 31 };

struct slot {
    struct node *node; /* NULL: free */
    uint32_t hash;
};

/* The names of a directory: open addressing. */
struct names {
    struct slot *slots;
    uint32_t n;
    uint32_t cap_log2;
};

/* A component of a path; what is above a path may have no value. */
struct node {
    struct names *names; /* NULL: nothing is below it */
    uint32_t len;
    bool has_value;
    alignas(8) uint8_t data[]; /* the value, then the component */
};

/* Slots that a table has outgrown. */
struct spare {
    struct spare *next;
};

struct wcow_path_tree {
    struct wcow_paged *memory;
    size_t value_bytes;
    uint64_t seed;
    struct node *root;
    struct spare *spare[MAX_CAP_LOG2 + 1]; /* by cap_log2 */
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

/* ---- tables ---- */

static uint32_t hash_of(const struct wcow_path_tree *tree, const char *name, size_t len)
{
    return (uint32_t)wcow_key_hash(tree->seed, name, len);
}

static void insert(struct slot *slots, uint32_t cap_log2, struct slot slot)
{
    uint32_t mask = (UINT32_C(1) << cap_log2) - 1;
    uint32_t i = slot.hash & mask;
    while (slots[i].node)
        i = (i + 1) & mask;
    slots[i] = slot;
}

/* Zeroed. */
static int take_slots(struct wcow_path_tree *tree, uint32_t cap_log2, struct slot **ret,
                      struct wcow_error *err)
{
    size_t size_bytes = sizeof(struct slot) << cap_log2;
    void *slots = tree->spare[cap_log2];
    if (slots) {
        tree->spare[cap_log2] = tree->spare[cap_log2]->next;
        memset(slots, 0, size_bytes);
    } else {
        int r = wcow_paged_alloc(tree->memory, size_bytes, &slots, err);
        if (r < 0)
            return r;
    }
    *ret = slots;
    return WCOW_OK;
}

static void spare_slots(struct wcow_path_tree *tree, uint32_t cap_log2, void *slots)
{
    struct spare *spare = slots;
    spare->next = tree->spare[cap_log2];
    tree->spare[cap_log2] = spare;
}

static int grow(struct wcow_path_tree *tree, struct names *names, struct wcow_error *err)
{
    uint32_t cap_log2 = names->slots ? names->cap_log2 + 1 : FIRST_CAP_LOG2;
    if (cap_log2 > MAX_CAP_LOG2)
        return WCOW_FAIL(err, WCOW_E_LIMIT, "a directory of the layer has too many files");
    struct slot *slots = NULL;
    int r = take_slots(tree, cap_log2, &slots, err);
    if (r < 0)
        return r;
    for (size_t i = 0; names->slots && i < (size_t)1 << names->cap_log2; i++) {
        if (names->slots[i].node)
            insert(slots, cap_log2, names->slots[i]);
        wcow_paged_look(tree->memory);
    }
    if (names->slots)
        spare_slots(tree, names->cap_log2, names->slots);
    names->slots = slots;
    names->cap_log2 = cap_log2;
    return WCOW_OK;
}

static struct node *child_of(const struct wcow_path_tree *tree, const struct node *dir,
                             const char *name, size_t len)
{
    const struct names *names = dir->names;
    if (!names || !names->slots)
        return NULL;
    uint32_t hash = hash_of(tree, name, len);
    uint32_t mask = (UINT32_C(1) << names->cap_log2) - 1;
    for (uint32_t i = hash & mask; names->slots[i].node; i = (i + 1) & mask) {
        const struct slot *slot = &names->slots[i];
        if (slot->hash == hash && is_named(tree, slot->node, name, len))
            return slot->node;
    }
    return NULL;
}

static int add_child(struct wcow_path_tree *tree, struct node *dir, const char *name, size_t len,
                     struct node **ret, struct wcow_error *err)
{
    if (!dir->names) {
        void *room = NULL;
        int r = wcow_paged_alloc(tree->memory, sizeof(struct names), &room, err);
        if (r < 0)
            return r;
        dir->names = room;
    }
    struct names *names = dir->names;
    bool has_room =
        names->slots && (names->n + UINT64_C(1)) * 4 <= (UINT64_C(3) << names->cap_log2);
    int r = has_room ? WCOW_OK : grow(tree, names, err);
    if (r == WCOW_OK)
        r = new_node(tree, name, len, ret, err);
    if (r < 0)
        return r;
    insert(names->slots, names->cap_log2,
           (struct slot){.node = *ret, .hash = hash_of(tree, name, len)});
    names->n++;
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
