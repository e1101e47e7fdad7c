/* SPDX-License-Identifier: Apache-2.0 */
/* Sorted by directory, then leaf, then kind, then ordinal: what a directory has is one range, and
 * the streams of a file stand right behind it. */
#include "layer/entry_list.h"

#include <string.h>

#include "layer/memlayer.h"
#include "layer/rules.h"

struct wcow_entry_list {
    struct wcow_listed **items; /* by ordinal */
    size_t n;
    size_t cap;
    struct wcow_listed **sorted;
    struct wcow_entry_list *implied; /* directories; NULL: none */
};

int wcow_entry_list_new(struct wcow_entry_list **ret, struct wcow_error *err)
{
    struct wcow_entry_list *list = calloc(1, sizeof(*list));
    if (!list)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a list of entries");
    *ret = list;
    return WCOW_OK;
}

static void listed_free(struct wcow_listed *item)
{
    if (!item)
        return;
    wcow_entry_done(&item->entry);
    free(item->key);
    free(item);
}
WCOW_DEFINE_CLEANUP(struct wcow_listed, listed_free)

void wcow_entry_list_free(struct wcow_entry_list *list)
{
    if (!list)
        return;
    for (size_t i = 0; i < list->n; i++)
        listed_free(list->items[i]);
    free(list->items);
    free(list->sorted);
    wcow_entry_list_free(list->implied);
    free(list);
}

static bool grow(struct wcow_entry_list *list)
{
    if (list->n < list->cap)
        return true;
    size_t cap = list->cap ? list->cap * 2 : 256;
    struct wcow_listed **items = reallocarray(list->items, cap, sizeof(struct wcow_listed *));
    if (!items)
        return false;
    list->items = items;
    list->cap = cap;
    return true;
}

int wcow_entry_list_add(struct wcow_entry_list *list, const struct wcow_entry *entry,
                        uint64_t offset, struct wcow_error *err)
{
    if (!grow(list))
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for %zu entries", list->n + 1);
    WCOW_CLEANUP(listed_free_p) struct wcow_listed *item = calloc(1, sizeof(*item));
    if (!item)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for an entry");
    item->offset = offset;
    item->ordinal = list->n;
    int r = wcow_entry_copy(entry, &item->entry, err);
    if (r < 0)
        return r;
    /* A key that no look-up asks for: keys are upper case. */
    if (wcow_entry_key(entry, &item->key, NULL) < 0)
        item->key = strdup("no name");
    if (!item->key)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for an entry");
    list->items[list->n++] = WCOW_TAKE_PTR(item);
    return WCOW_OK;
}

static size_t dir_length(const char *key)
{
    const char *slash = strrchr(key, '/');
    return slash ? (size_t)(slash - key) : 0;
}

static int compare_bytes(const char *a, size_t a_len, const char *b, size_t b_len)
{
    int c = memcmp(a, b, a_len < b_len ? a_len : b_len);
    return c ? c : (a_len > b_len) - (a_len < b_len);
}

static int compare_keys(const char *a, const char *b)
{
    size_t a_dir = dir_length(a);
    size_t b_dir = dir_length(b);
    int c = compare_bytes(a, a_dir, b, b_dir);
    return c ? c : strcmp(a + a_dir, b + b_dir);
}

static int kind_of(const struct wcow_listed *item)
{
    if (item->entry.type == WCOW_ENTRY_STREAM)
        return 2;
    return item->entry.type == WCOW_ENTRY_WHITEOUT || item->entry.type == WCOW_ENTRY_OPAQUE;
}

static int compare_items(const void *a, const void *b)
{
    const struct wcow_listed *x = *(const struct wcow_listed *const *)a;
    const struct wcow_listed *y = *(const struct wcow_listed *const *)b;
    int c = compare_keys(x->key, y->key);
    if (c)
        return c;
    c = kind_of(x) - kind_of(y);
    return c ? c : (x->ordinal > y->ordinal) - (x->ordinal < y->ordinal);
}

int wcow_entry_list_seal(struct wcow_entry_list *list, struct wcow_error *err)
{
    list->sorted = calloc(list->n + 1, sizeof(struct wcow_listed *));
    if (!list->sorted)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for %zu entries", list->n);
    if (list->n == 0)
        return WCOW_OK;
    memcpy(list->sorted, list->items, list->n * sizeof(struct wcow_listed *));
    qsort(list->sorted, list->n, sizeof(struct wcow_listed *), compare_items);
    return WCOW_OK;
}

size_t wcow_entry_list_count(const struct wcow_entry_list *list)
{
    return list->n;
}

const struct wcow_listed *wcow_entry_list_at(const struct wcow_entry_list *list, size_t ordinal)
{
    return ordinal < list->n ? list->items[ordinal] : NULL;
}

/* Index in sorted[] of the first one that is not below @p key. */
static size_t first_of(const struct wcow_entry_list *list, const char *key)
{
    size_t low = 0;
    size_t high = list->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_keys(list->sorted[middle]->key, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct wcow_listed *wcow_entry_list_find(const struct wcow_entry_list *list, const char *key)
{
    size_t i = first_of(list, key);
    if (i == list->n || strcmp(list->sorted[i]->key, key) != 0)
        return NULL;
    return list->sorted[i]->entry.type == WCOW_ENTRY_STREAM ? NULL : list->sorted[i];
}

const struct wcow_listed *wcow_entry_list_stream(const struct wcow_entry_list *list,
                                                 const char *key, size_t ordinal_in_file)
{
    size_t i = first_of(list, key);
    for (; i < list->n && strcmp(list->sorted[i]->key, key) == 0; i++) {
        if (list->sorted[i]->entry.type == WCOW_ENTRY_STREAM && ordinal_in_file-- == 0)
            return list->sorted[i];
    }
    return NULL;
}

/* ---- directories that only their content testifies to ---- */

struct implying {
    const struct wcow_entry_list *list;
    const struct wcow_chain *chain;
    struct wcow_entry_list *implied;
    struct wcow_memlayer *known; /* directories that were asked for before */
};

/* @p dir is needed, and has no entry in the layer. */
static int imply_dir(const struct implying *i, const struct wcow_entry *dir, struct wcow_error *err)
{
    wcow_autoentry below = {0};
    int r = wcow_chain_lookup(i->chain, dir->name, &below, NULL, err);
    if (r < 0 || (r > 0 && below.type == WCOW_ENTRY_DIR))
        return r < 0 ? r : WCOW_OK;
    return wcow_entry_list_add(i->implied, dir, 0, err);
}

/* From the nearest one up; they have the time of the first entry that needs them. */
static int imply_dirs_of(struct implying *i, const struct wcow_listed *item, struct wcow_error *err)
{
    wcow_autofree char *key = strdup(item->key);
    wcow_autofree char *name = strdup(item->entry.name);
    if (!key || !name)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for an entry");
    for (;;) {
        char *key_end = strrchr(key, '/');
        char *name_end = strrchr(name, '/');
        if (!key_end || !name_end)
            return WCOW_OK;
        *key_end = *name_end = '\0';
        if (wcow_memlayer_get(i->known, key))
            return WCOW_OK;
        const struct wcow_entry dir = wcow_entry_implied_dir(name, item->entry.mtime);
        int r = wcow_entry_list_find(i->list, key) ? WCOW_OK : imply_dir(i, &dir, err);
        if (r == WCOW_OK)
            r = wcow_memlayer_put(i->known, &dir, err);
        if (r < 0)
            return r;
    }
}

int wcow_entry_list_imply(struct wcow_entry_list *list, const struct wcow_chain *chain,
                          struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_entry_list_free_p) struct wcow_entry_list *implied = NULL;
    WCOW_CLEANUP(wcow_memlayer_free_p) struct wcow_memlayer *known = NULL;
    wcow_entry_list_free(WCOW_TAKE_PTR(list->implied));
    int r = wcow_entry_list_new(&implied, err);
    if (r == WCOW_OK)
        r = wcow_memlayer_new(&known, err);
    struct implying i = {.list = list, .chain = chain, .implied = implied, .known = known};
    for (size_t k = 0; r == WCOW_OK && k < list->n; k++) {
        /* What breaks the rules is not unpacked at all. */
        if (wcow_rules_check_entry(&list->items[k]->entry, NULL, NULL) == WCOW_OK)
            r = imply_dirs_of(&i, list->items[k], err);
    }
    if (r == WCOW_OK)
        r = wcow_entry_list_seal(implied, err);
    if (r < 0)
        return r;
    list->implied = WCOW_TAKE_PTR(implied);
    return WCOW_OK;
}

/* ---- as a layer of a chain ---- */

static int view_lookup(void *layer, const char *key, struct wcow_entry *ret, struct wcow_error *err)
{
    const struct wcow_entry_list *list = layer;
    const struct wcow_listed *item = wcow_entry_list_find(list, key);
    if (!item && list->implied)
        item = wcow_entry_list_find(list->implied, key);
    if (!item)
        return 0;
    int r = wcow_entry_copy(&item->entry, ret, err);
    return r < 0 ? r : 1;
}

/* First index whose directory is not below @p dir. */
static size_t first_in(const struct wcow_entry_list *list, const char *dir)
{
    size_t low = 0;
    size_t high = list->n;
    size_t len = strlen(dir);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const char *key = list->sorted[middle]->key;
        if (compare_bytes(key, dir_length(key), dir, len) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int give_children(const struct wcow_entry_list *list, const char *key, wcow_view_child_fn fn,
                         void *arg, struct wcow_error *err)
{
    size_t len = strlen(key);
    for (size_t i = first_in(list, key); i < list->n; i++) {
        const struct wcow_listed *item = list->sorted[i];
        if (compare_bytes(item->key, dir_length(item->key), key, len) != 0)
            break;
        if (item->entry.type == WCOW_ENTRY_STREAM)
            continue;
        int r = fn(arg, &item->entry, err);
        if (r < 0)
            return r;
    }
    return WCOW_OK;
}

static int view_children(void *layer, const char *key, wcow_view_child_fn fn, void *arg,
                         struct wcow_error *err)
{
    const struct wcow_entry_list *list = layer;
    int r = give_children(list, key, fn, arg, err);
    return r < 0 || !list->implied ? r : give_children(list->implied, key, fn, arg, err);
}

bool wcow_entry_list_has_below(const struct wcow_entry_list *list, const char *key)
{
    size_t len = strlen(key);
    for (size_t i = first_in(list, key); i < list->n; i++) {
        const char *its = list->sorted[i]->key;
        size_t dir_len = dir_length(its);
        if (dir_len < len || memcmp(its, key, len) != 0)
            return false;
        if (dir_len == len || its[len] == '/')
            return true;
        /* "A B" and "A-B" sort between "A" and "A/B". */
        if (its[len] > '/')
            return false;
    }
    return false;
}

struct wcow_layer_view wcow_entry_list_view(struct wcow_entry_list *list)
{
    static const struct wcow_layer_view_ops ops = {.lookup = view_lookup,
                                                   .children = view_children};
    return (struct wcow_layer_view){.ops = &ops, .layer = list};
}
