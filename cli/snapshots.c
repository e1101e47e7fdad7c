/* SPDX-License-Identifier: Apache-2.0 */
/* wcow snapshots: all snapshots as a tree, with sizes and folders, from metadata.db. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "cli/place.h"
#include "cli/verbs.h"
#include "store/snapshots.h"

struct node {
    int64_t id;
    int64_t parent; /* 0 without one */
    char *name;     /* "namespace/name", or just the name */
    const char *kind;
    uint64_t size_bytes;
};

struct tree {
    struct node *nodes; /* by id, as the store gives them: parents before children */
    size_t n;
    const char *ns; /* NULL: every namespace */
};

static void tree_done(struct tree *tree)
{
    for (size_t i = 0; i < tree->n; i++)
        free(tree->nodes[i].name);
    free(tree->nodes);
}

static bool is_wanted(const struct tree *tree, const char *key, size_t ns_len)
{
    return !tree->ns || (strlen(tree->ns) == ns_len && strncmp(key, tree->ns, ns_len) == 0);
}

static int on_row(void *arg, struct wcow_row *row, struct wcow_error *err)
{
    struct tree *tree = arg;
    size_t ns_len = 0;
    const char *name = wcow_key_name(row->key, &ns_len);
    if (!is_wanted(tree, row->key, ns_len))
        return WCOW_OK;
    struct node *nodes = reallocarray(tree->nodes, tree->n + 1, sizeof(*nodes));
    if (!nodes)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for %zu snapshots", tree->n + 1);
    tree->nodes = nodes;
    wcow_autobuf text = {0};
    int r = tree->ns || !ns_len ? wcow_buf_add_str(&text, name, err)
                                : wcow_buf_addf(&text, err, "%.*s/%s", (int)ns_len, row->key, name);
    if (r < 0)
        return r;
    nodes[tree->n++] = (struct node){.id = row->id,
                                     .parent = row->n_ancestors ? row->ancestors[0] : 0,
                                     .name = wcow_buf_take_str(&text),
                                     .kind = wcow_kind_name(row->kind),
                                     .size_bytes = row->size_bytes};
    return WCOW_OK;
}

static int collect(struct wcow_db *db, void *arg, struct wcow_error *err)
{
    return wcow_snapshots_each(db, on_row, arg, err);
}

static void format_size(const struct node *node, char *out, size_t size)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)node->size_bytes;
    size_t unit = 0;
    while (value >= 1024 && unit + 1 < sizeof(units) / sizeof(units[0])) {
        value /= 1024;
        unit++;
    }
    if (strcmp(node->kind, "committed") != 0)
        (void)snprintf(out, size, "-"); /* not measured before it is committed */
    else
        (void)snprintf(out, size, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

/* How wide the column of folders is: ids of one store have about the same number of digits. */
static int folder_width(const struct tree *tree, const char *root)
{
    long long last = tree->n ? (long long)tree->nodes[tree->n - 1].id : 0;
    return snprintf(NULL, 0, "%s/snapshots/%lld", root, last);
}

static void print_node(const struct node *node, const char *root, int width, size_t depth)
{
    char size[32];
    format_size(node, size, sizeof(size));
    int used = printf("%-9s  %10s  %s/snapshots/%lld", node->kind, size, root, (long long)node->id);
    int pad = used < 0 ? 0 : width + 23 - used;
    (void)printf("%*s  %*s%s\n", pad > 0 ? pad : 0, "", (int)(2 * depth), "", node->name);
}

/* The store gives nodes by ascending id. */
static bool has_id(const struct tree *tree, int64_t id)
{
    size_t low = 0;
    size_t high = tree->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (tree->nodes[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < tree->n && tree->nodes[low].id == id;
}

static int by_parent(const void *a, const void *b)
{
    const struct node *x = *(const struct node *const *)a;
    const struct node *y = *(const struct node *const *)b;
    if (x->parent != y->parent)
        return x->parent < y->parent ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

/* Nodes in the order of their parents; those whose parent is not shown come first, as roots. */
static const struct node **sort_by_parent(struct tree *tree)
{
    const struct node **sorted = calloc(tree->n + 1, sizeof(const struct node *));
    if (!sorted)
        return NULL;
    for (size_t i = 0; i < tree->n; i++) {
        if (!has_id(tree, tree->nodes[i].parent))
            tree->nodes[i].parent = 0;
        sorted[i] = &tree->nodes[i];
    }
    qsort(sorted, tree->n, sizeof(const struct node *), by_parent);
    return sorted;
}

static size_t first_child(const struct node *const *sorted, size_t n, int64_t parent)
{
    size_t low = 0;
    size_t high = n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (sorted[middle]->parent < parent)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct frame {
    const struct node *node;
    size_t depth;
};

/* Push the children of @p parent so that the first one is on top. */
static size_t push_children(const struct node *const *sorted, size_t n, int64_t parent,
                            size_t depth, struct frame *stack, size_t used)
{
    size_t first = first_child(sorted, n, parent);
    size_t last = first_child(sorted, n, parent + 1);
    for (size_t i = last; i-- > first;)
        stack[used++] = (struct frame){.node = sorted[i], .depth = depth};
    return used;
}

/* Depth first without recursion: chains can be long. The stack holds each node at most once. */
static int print_tree(struct tree *tree, const char *root, struct wcow_error *err)
{
    wcow_autofree const struct node **sorted = sort_by_parent(tree);
    wcow_autofree struct frame *stack = calloc(tree->n + 1, sizeof(*stack));
    if (!sorted || !stack)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for the tree");
    int width = folder_width(tree, root);
    (void)printf("%-9s  %10s  %-*s  SNAPSHOT\n", "KIND", "SIZE", width, "FOLDER");
    size_t used = push_children(sorted, tree->n, 0, 0, stack, 0);
    while (used) {
        struct frame top = stack[--used];
        print_node(top.node, root, width, top.depth);
        used = push_children(sorted, tree->n, top.node->id, top.depth + 1, stack, used);
    }
    return WCOW_OK;
}

static int show(const char *root, const char *ns)
{
    struct wcow_error err = {0};
    WCOW_CLEANUP(wcow_store_close_p) struct wcow_store *store = NULL;
    WCOW_CLEANUP(tree_done) struct tree tree = {.ns = ns};
    int r = wcow_store_open_readonly(root, &store, &err);
    if (r == WCOW_OK)
        r = wcow_store_read(store, collect, &tree, &err);
    if (r == WCOW_OK)
        r = print_tree(&tree, wcow_store_root(store), &err);
    if (r < 0) {
        (void)fprintf(stderr, "wcow snapshots: %s\n", err.msg);
        return WCOW_EXIT_FAILURE;
    }
    return WCOW_EXIT_OK;
}

int wcow_cli_snapshots(int argc, char **argv)
{
    struct wcow_place place = {0};
    bool all = false;
    const struct wcow_option options[] = {
        {'A', "all-namespaces", NULL, "Show the snapshots of every namespace", WCOW_OPTION_FLAG,
         &all},
        WCOW_PLACE_NAMESPACE(&place),
        WCOW_PLACE_ROOT(&place),
        {0},
    };
    const struct wcow_command command = {
        .name = "wcow snapshots",
        .usage = "[OPTIONS]",
        .summary = "Show the snapshots as a tree: a child stands indented below its parent.",
        .options = options,
    };
    int operand = 0;
    enum wcow_parse parsed = wcow_options_parse(&command, argc, argv, &operand);
    if (parsed != WCOW_PARSE_RUN)
        return parsed == WCOW_PARSE_DONE ? WCOW_EXIT_OK : WCOW_EXIT_USAGE;
    wcow_place_fill(&place);
    return show(place.root, all ? NULL : place.ns);
}
