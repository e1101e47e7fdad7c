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

static int on_row(void *arg, const struct wcow_row *row, struct wcow_error *err)
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

/* Lines of a tree are as deep as chains of layers, which containerd bounds; a name after them is
 * cut at nothing, since it is what people copy. */
static void print_node(const struct tree *tree, const char *root, size_t at, const char *indent)
{
    const struct node *node = &tree->nodes[at];
    char size[32];
    format_size(node, size, sizeof(size));
    (void)printf("%-9s  %10s  %s/snapshots/%lld  %s%s\n", node->kind, size, root,
                 (long long)node->id, indent, node->name);
}

struct frame {
    size_t node;
    size_t depth;
};

static bool has_parent_in(const struct tree *tree, const struct node *node)
{
    for (size_t i = 0; i < tree->n && node->parent; i++) {
        if (tree->nodes[i].id == node->parent)
            return true;
    }
    return false;
}

/* Depth first without recursion: chains can be long. The stack holds each node at most once. */
static int print_tree(const struct tree *tree, const char *root, struct wcow_error *err)
{
    wcow_autofree struct frame *stack = calloc(tree->n + 1, sizeof(*stack));
    wcow_autofree char *indent = calloc(2 * tree->n + 1, 1);
    if (!stack || !indent)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for the tree");
    size_t used = 0;
    for (size_t i = tree->n; i-- > 0;) {
        if (!has_parent_in(tree, &tree->nodes[i]))
            stack[used++] = (struct frame){.node = i};
    }
    (void)printf("%-9s  %10s  FOLDER  SNAPSHOT\n", "KIND", "SIZE");
    while (used) {
        struct frame top = stack[--used];
        memset(indent, ' ', 2 * top.depth);
        indent[2 * top.depth] = '\0';
        print_node(tree, root, top.node, indent);
        for (size_t i = tree->n; i-- > 0;) {
            if (tree->nodes[i].parent == tree->nodes[top.node].id)
                stack[used++] = (struct frame){.node = i, .depth = top.depth + 1};
        }
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
