/* SPDX-License-Identifier: Apache-2.0 */
#include "layer/memlayer.h"

#include <search.h>
#include <string.h>

#include "layer/names.h"

struct node {
    char *key;
    struct wcow_entry entry;
};

struct wcow_memlayer {
    void *tree; /* tsearch(3)'s, by key */
    size_t count;
};

static int compare_nodes(const void *a, const void *b)
{
    const struct node *x = a;
    const struct node *y = b;
    return strcmp(x->key, y->key);
}

static void free_node(void *p)
{
    struct node *n = p;
    wcow_entry_done(&n->entry);
    free(n->key);
    free(n);
}

int wcow_memlayer_new(struct wcow_memlayer **ret, struct wcow_error *err)
{
    struct wcow_memlayer *layer = calloc(1, sizeof(*layer));
    if (!layer)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a layer");
    *ret = layer;
    return WCOW_OK;
}

void wcow_memlayer_free(struct wcow_memlayer *layer)
{
    if (!layer)
        return;
    tdestroy(layer->tree, free_node);
    free(layer);
}

size_t wcow_memlayer_count(const struct wcow_memlayer *layer)
{
    return layer->count;
}

static int key_of(const struct wcow_entry *entry, char **ret, struct wcow_error *err)
{
    return entry->type == WCOW_ENTRY_STREAM ? wcow_name_key(entry->name, ret, err)
                                            : wcow_entry_key(entry, ret, err);
}

int wcow_memlayer_put(struct wcow_memlayer *layer, const struct wcow_entry *entry,
                      struct wcow_error *err)
{
    struct node *n = calloc(1, sizeof(*n));
    if (!n)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a layer");
    int r = key_of(entry, &n->key, err);
    if (r == WCOW_OK)
        r = wcow_entry_copy(entry, &n->entry, err);
    struct node **found = r == WCOW_OK ? tsearch(n, &layer->tree, compare_nodes) : NULL;
    if (!found) {
        free_node(n);
        return r < 0 ? r : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a layer");
    }
    if (*found == n) {
        layer->count++;
    } else { /* keys are equal: the new node takes the old one's place */
        free_node(*found);
        *found = n;
    }
    return WCOW_OK;
}

static struct node *find(const struct wcow_memlayer *layer, const char *key)
{
    wcow_autofree char *copy = strdup(key);
    if (!copy)
        return NULL;
    struct node probe = {.key = copy};
    struct node **found = tfind(&probe, &layer->tree, compare_nodes);
    return found ? *found : NULL;
}

const struct wcow_entry *wcow_memlayer_get(const struct wcow_memlayer *layer, const char *key)
{
    const struct node *n = find(layer, key);
    return n ? &n->entry : NULL;
}

/* ---- as a layer of a chain ---- */

struct visit {
    wcow_view_child_fn fn;
    void *arg;
    struct wcow_error *err;
    const char *dir; /* its key */
    int result;
};

static bool is_child_of(const char *key, const char *dir)
{
    size_t len = strlen(dir);
    if (len) {
        if (strncmp(key, dir, len) != 0 || key[len] != '/')
            return false;
        key += len + 1;
    }
    return !strchr(key, '/');
}

static void visit_node(const void *p, VISIT when, void *arg)
{
    struct visit *v = arg;
    if ((when != postorder && when != leaf) || v->result < 0)
        return;
    const struct node *n = *(struct node *const *)p;
    const struct wcow_entry *e = &n->entry;
    if (e->type != WCOW_ENTRY_STREAM && is_child_of(n->key, v->dir))
        v->result = v->fn(v->arg, e, v->err);
}

static int view_lookup(void *layer, const char *key, struct wcow_entry *ret, struct wcow_error *err)
{
    const struct wcow_entry *e = wcow_memlayer_get(layer, key);
    if (!e || e->type == WCOW_ENTRY_STREAM)
        return 0;
    int r = wcow_entry_copy(e, ret, err);
    return r < 0 ? r : 1;
}

static int view_children(void *layer, const char *key, wcow_view_child_fn fn, void *arg,
                         struct wcow_error *err)
{
    const struct wcow_memlayer *l = layer;
    struct visit v = {.fn = fn, .arg = arg, .err = err, .dir = key};
    twalk_r(l->tree, visit_node, &v);
    return v.result < 0 ? v.result : WCOW_OK;
}

struct wcow_layer_view wcow_memlayer_view(struct wcow_memlayer *layer)
{
    static const struct wcow_layer_view_ops ops = {.lookup = view_lookup,
                                                   .children = view_children};
    return (struct wcow_layer_view){.ops = &ops, .layer = layer};
}
