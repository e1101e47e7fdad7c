/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/tree_nodes.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "layer/names.h"

enum { FIRST_CAP = 64 };
static const uint32_t FNV_BASIS = 2166136261U;

static int no_memory(struct wcow_error *err)
{
    return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a file of the layer");
}

/* ---- the table ---- */

/* FNV-1a. */
static uint32_t hash_bytes(uint32_t hash, const void *data, size_t len)
{
    const uint8_t *p = data;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ p[i]) * 16777619U;
    return hash;
}

static uint32_t hash_child(const struct wcow_tree_node *dir, const char *key, size_t len)
{
    uintptr_t at = (uintptr_t)dir;
    return hash_bytes(hash_bytes(FNV_BASIS, &at, sizeof(at)), key, len);
}

/* Nodes keep no key: few are asked for that are not the one. */
static bool has_key(const struct wcow_tree_node *node, const char *key, size_t len)
{
    wcow_autofree char *own = NULL;
    return wcow_name_key(node->name, &own, NULL) == WCOW_OK && strlen(own) == len &&
           memcmp(own, key, len) == 0;
}

struct wcow_tree_node *wcow_tree_child(const struct wcow_tree *tree,
                                       const struct wcow_tree_node *dir, const char *key,
                                       size_t len)
{
    uint32_t hash = hash_child(dir, key, len);
    size_t mask = tree->cap - 1;
    for (size_t i = hash & mask; tree->cap && tree->table[i]; i = (i + 1) & mask) {
        struct wcow_tree_node *node = tree->table[i];
        if (node->hash == hash && node->parent == dir && has_key(node, key, len))
            return node;
    }
    return NULL;
}

static void insert(struct wcow_tree_node **table, size_t cap, struct wcow_tree_node *node)
{
    size_t i = node->hash & (cap - 1);
    while (table[i])
        i = (i + 1) & (cap - 1);
    table[i] = node;
}

static int reserve(struct wcow_tree *tree, struct wcow_error *err)
{
    if ((tree->n + 1) * 4 <= tree->cap * 3)
        return WCOW_OK;
    size_t cap = tree->cap ? tree->cap * 2 : FIRST_CAP;
    struct wcow_tree_node **table = calloc(cap, sizeof(struct wcow_tree_node *));
    if (!table)
        return no_memory(err);
    for (size_t i = 0; i < tree->cap; i++) {
        if (tree->table[i])
            insert(table, cap, tree->table[i]);
    }
    free(tree->table);
    tree->table = table;
    tree->cap = cap;
    return WCOW_OK;
}

/* ---- what nodes share ---- */

int wcow_tree_intern_sd(struct wcow_tree *tree, struct wcow_bytes sd, struct wcow_tree_sd **ret,
                        struct wcow_error *err)
{
    *ret = NULL;
    if (sd.len == 0)
        return WCOW_OK;
    struct wcow_tree_sd **bucket =
        &tree->sds[hash_bytes(FNV_BASIS, sd.data, sd.len) % WCOW_TREE_BUCKETS];
    for (struct wcow_tree_sd *known = *bucket; known; known = known->next) {
        if (known->len_bytes == sd.len && memcmp(known->data, sd.data, sd.len) == 0) {
            *ret = known;
            return WCOW_OK;
        }
    }
    struct wcow_tree_sd *added = wcow_arena_alloc(&tree->arena, sizeof(*added) + sd.len);
    if (!added)
        return no_memory(err);
    added->next = *bucket;
    added->len_bytes = sd.len;
    memcpy(added->data, sd.data, sd.len);
    *bucket = added;
    *ret = added;
    return WCOW_OK;
}

static bool is_same(const struct wcow_tree_traits *a, const struct wcow_tree_traits *b)
{
    return a->sd == b->sd && a->ops == b->ops && a->type == b->type &&
           a->attributes == b->attributes && a->has == b->has && a->borrowed == b->borrowed;
}

static int intern_traits(struct wcow_tree *tree, const struct wcow_tree_traits *traits,
                         const struct wcow_tree_traits **ret, struct wcow_error *err)
{
    uint32_t hash = hash_bytes(FNV_BASIS, &traits->attributes, sizeof(traits->attributes));
    uintptr_t sd = (uintptr_t)traits->sd;
    hash = hash_bytes(hash_bytes(hash, &traits->has, sizeof(traits->has)), &sd, sizeof(sd));
    struct wcow_tree_traits **bucket = &tree->traits[hash % WCOW_TREE_BUCKETS];
    struct wcow_tree_traits *known = *bucket;
    while (known && !is_same(known, traits))
        known = known->next;
    if (!known) {
        known = wcow_arena_alloc(&tree->arena, sizeof(*known));
        if (!known)
            return no_memory(err);
        *known = *traits;
        known->next = *bucket;
        *bucket = known;
    }
    *ret = known;
    return WCOW_OK;
}

int wcow_tree_set_traits(struct wcow_tree *tree, struct wcow_tree_node *node,
                         const struct wcow_tree_traits *traits, struct wcow_error *err)
{
    return intern_traits(tree, traits, &node->traits, err);
}

/* ---- what few nodes have ---- */

int wcow_tree_make_rare(struct wcow_tree *tree, struct wcow_tree_node *node,
                        struct wcow_tree_rare **ret, struct wcow_error *err)
{
    if (!node->rare)
        node->rare = wcow_arena_alloc(&tree->arena, sizeof(*node->rare));
    *ret = node->rare;
    return node->rare ? WCOW_OK : no_memory(err);
}

static int copy_eas(struct wcow_tree *tree, const struct wcow_entry *entry,
                    struct wcow_tree_rare *rare, struct wcow_error *err)
{
    struct wcow_ea *eas = wcow_arena_alloc(&tree->arena, entry->n_eas * sizeof(*eas));
    if (!eas)
        return no_memory(err);
    for (size_t i = 0; i < entry->n_eas; i++) {
        const struct wcow_ea *from = &entry->eas[i];
        eas[i] = (struct wcow_ea){.name = wcow_arena_strdup(&tree->arena, from->name),
                                  .value = wcow_arena_alloc(&tree->arena, from->len_bytes + 1),
                                  .len_bytes = from->len_bytes};
        if (!eas[i].name || !eas[i].value)
            return no_memory(err);
        if (from->len_bytes)
            memcpy(eas[i].value, from->value, from->len_bytes);
    }
    rare->eas = eas;
    rare->n_eas = entry->n_eas;
    return WCOW_OK;
}

static int make_rare_of(struct wcow_tree *tree, const struct wcow_entry *entry,
                        struct wcow_tree_rare **ret, struct wcow_error *err)
{
    bool has_times = entry->atime != entry->mtime || entry->ctime != entry->mtime ||
                     entry->creation != entry->mtime;
    *ret = NULL;
    if (!has_times && !entry->link && entry->n_eas == 0)
        return WCOW_OK;
    struct wcow_tree_rare *rare = wcow_arena_alloc(&tree->arena, sizeof(*rare));
    if (!rare)
        return no_memory(err);
    *rare = (struct wcow_tree_rare){.has_times = has_times,
                                    .atime = entry->atime,
                                    .ctime = entry->ctime,
                                    .creation = entry->creation};
    if (entry->link) {
        rare->link = wcow_arena_strdup(&tree->arena, entry->link);
        if (!rare->link)
            return no_memory(err);
    }
    *ret = rare;
    return entry->n_eas ? copy_eas(tree, entry, rare, err) : WCOW_OK;
}

/* ---- nodes ---- */

static bool holds_payload(const struct wcow_tree_node *node)
{
    return node->traits->ops && node->traits->ops->free && !node->traits->borrowed;
}

void wcow_tree_release_node(const struct wcow_tree_node *node)
{
    if (holds_payload(node))
        node->traits->ops->free(node->payload);
    struct wcow_tree_node *stream = node->rare ? node->rare->streams : NULL;
    for (; stream; stream = stream->next) {
        if (holds_payload(stream))
            stream->traits->ops->free(stream->payload);
    }
}

/* What the node is to be, none of its payload yet. */
static int make_traits(struct wcow_tree *tree, const struct wcow_entry *entry,
                       struct wcow_tree_sd *sd, const struct wcow_tree_traits **ret,
                       struct wcow_error *err)
{
    struct wcow_tree_traits traits = {
        .type = entry->type, .attributes = entry->attributes, .has = entry->has};
    int r = wcow_tree_intern_sd(tree, (struct wcow_bytes){entry->sd, entry->sd_len_bytes},
                                &traits.sd, err);
    if (r < 0)
        return r;
    if (!traits.sd && sd) {
        traits.sd = sd;
        traits.has &= ~(uint32_t)WCOW_HAS_SDDL;
        traits.has |= WCOW_HAS_RAWSD;
    }
    return intern_traits(tree, &traits, ret, err);
}

/* Later names of a file borrow its bytes, whatever becomes of the first one. */
static int keep_payloads(struct wcow_tree *tree, const struct wcow_tree_node *node,
                         struct wcow_error *err)
{
    struct wcow_tree_node *gone = wcow_arena_alloc(&tree->arena, sizeof(*gone));
    if (!gone)
        return no_memory(err);
    gone->traits = node->traits;
    gone->payload = node->payload;
    gone->rare = node->rare;
    gone->next = tree->gone;
    tree->gone = gone;
    return WCOW_OK;
}

int wcow_tree_fill_node(struct wcow_tree *tree, struct wcow_tree_node *node,
                        const struct wcow_entry *entry, struct wcow_tree_sd *sd,
                        struct wcow_error *err)
{
    const struct wcow_tree_traits *traits = NULL;
    struct wcow_tree_rare *rare = NULL;
    int r = make_traits(tree, entry, sd, &traits, err);
    if (r == WCOW_OK)
        r = make_rare_of(tree, entry, &rare, err);
    if (r == WCOW_OK && node->traits)
        r = keep_payloads(tree, node, err);
    if (r < 0)
        return r;
    node->payload = NULL;
    node->traits = traits;
    node->rare = rare;
    node->size_bytes = entry->size_bytes;
    node->mtime = entry->mtime;
    return WCOW_OK;
}

int wcow_tree_make_node(struct wcow_tree *tree, struct wcow_tree_node *parent,
                        const struct wcow_tree_new_node *of, struct wcow_tree_node **ret,
                        struct wcow_error *err)
{
    size_t len = strlen(of->name);
    struct wcow_tree_node *node =
        wcow_arena_alloc(&tree->arena, offsetof(struct wcow_tree_node, name) + len + 1);
    if (!node)
        return no_memory(err);
    node->parent = parent;
    memcpy(node->name, of->name, len + 1);
    int r = wcow_tree_fill_node(tree, node, of->entry, of->sd, err);
    if (r == WCOW_OK)
        *ret = node;
    return r;
}

int wcow_tree_add_node(struct wcow_tree *tree, struct wcow_tree_node *dir,
                       const struct wcow_tree_new_node *of, struct wcow_tree_node **ret,
                       struct wcow_error *err)
{
    struct wcow_tree_node *node = NULL;
    int r = reserve(tree, err);
    if (r == WCOW_OK)
        r = wcow_tree_make_node(tree, dir, of, &node, err);
    if (r != WCOW_OK)
        return r;
    node->hash = hash_child(dir, of->key, strlen(of->key));
    node->next = dir->children;
    dir->children = node;
    insert(tree->table, tree->cap, node);
    tree->n++;
    *ret = node;
    return WCOW_OK;
}

int wcow_tree_take_payload(struct wcow_tree *tree, struct wcow_tree_node *node,
                           struct wcow_payload *payload, struct wcow_error *err)
{
    if (!payload || !payload->ops)
        return WCOW_OK;
    struct wcow_tree_traits traits = *node->traits;
    traits.ops = payload->ops;
    traits.borrowed = payload->borrowed;
    int r = wcow_tree_set_traits(tree, node, &traits, err);
    if (r < 0)
        return r;
    node->payload = payload->ctx;
    *payload = (struct wcow_payload){0};
    return WCOW_OK;
}

struct wcow_entry wcow_tree_borrow_entry(const struct wcow_tree_node *node)
{
    const struct wcow_tree_traits *traits = node->traits;
    const struct wcow_tree_rare *rare = node->rare;
    struct wcow_entry entry = {.type = traits->type,
                               .size_bytes = node->size_bytes,
                               .attributes = traits->attributes,
                               .has = traits->has,
                               .mtime = node->mtime,
                               .atime = node->mtime,
                               .ctime = node->mtime,
                               .creation = node->mtime,
                               .sd = traits->sd ? traits->sd->data : NULL,
                               .sd_len_bytes = traits->sd ? traits->sd->len_bytes : 0};
    if (!rare)
        return entry;
    entry.link = rare->link;
    entry.eas = rare->eas;
    entry.n_eas = rare->n_eas;
    if (rare->has_times) {
        entry.atime = rare->atime;
        entry.ctime = rare->ctime;
        entry.creation = rare->creation;
    }
    return entry;
}
