/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/tree_nodes.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "layer/names.h"

static const uint32_t FNV_BASIS = 2166136261U;

static int no_memory(struct wcow_error *err)
{
    return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a file of the layer");
}

/* FNV-1a. */
static uint32_t hash_bytes(uint32_t hash, const void *data, size_t len)
{
    const uint8_t *p = data;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ p[i]) * 16777619U;
    return hash;
}

/* ---- names of a directory ---- */

/* Nodes keep no key: few are asked for that are not the one. */
static bool has_key(const struct wcow_tree_node *node, const char *key, size_t len)
{
    wcow_autofree char *own = NULL;
    return wcow_name_key(node->name, &own, NULL) == WCOW_OK && strlen(own) == len &&
           memcmp(own, key, len) == 0;
}

static struct wcow_tree_names *names_of(const struct wcow_tree_node *dir)
{
    return dir->traits->type == WCOW_ENTRY_DIR ? dir->names : NULL;
}

struct wcow_tree_node *wcow_tree_child(const struct wcow_tree *tree,
                                       const struct wcow_tree_node *dir, const char *key,
                                       size_t len)
{
    const struct wcow_tree_names *names = names_of(dir);
    if (!names)
        return NULL;
    uint32_t hash = hash_bytes(FNV_BASIS, key, len);
    uint32_t at = hash;
    wcow_paged_look(tree->paged);
    struct wcow_tree_node *node = wcow_paged_table_next(&names->by_key, hash, &at);
    while (node && !has_key(node, key, len))
        node = wcow_paged_table_next(&names->by_key, hash, &at);
    return node;
}

/* Those of @p dir, with room for one more. */
static int reserve_name(struct wcow_tree *tree, struct wcow_tree_node *dir, struct wcow_error *err)
{
    if (!dir->names) {
        void *names = NULL;
        int r = wcow_paged_alloc(tree->paged, sizeof(*dir->names), &names, err);
        if (r < 0)
            return r;
        dir->names = names;
    }
    return wcow_paged_table_reserve(&tree->slots, &dir->names->by_key, err);
}

struct wcow_tree_node *wcow_tree_names_of(const struct wcow_tree_node *dir)
{
    return names_of(dir) ? dir->names->last : NULL;
}

struct wcow_tree_node *wcow_tree_next(const struct wcow_tree *tree,
                                      const struct wcow_tree_node *node)
{
    wcow_paged_look(tree->paged);
    if (wcow_tree_names_of(node))
        return node->names->last;
    while (node->parent && !node->next)
        node = node->parent;
    return node->parent ? node->next : NULL;
}

/* ---- groups of hard links ---- */

struct wcow_link_group *wcow_tree_find_group(const struct wcow_tree *tree, const char *id)
{
    uint32_t hash = hash_bytes(FNV_BASIS, id, strlen(id));
    uint32_t at = hash;
    wcow_paged_look(tree->paged);
    struct wcow_link_group *group = wcow_paged_table_next(&tree->groups, hash, &at);
    while (group && strcmp(group->id, id) != 0)
        group = wcow_paged_table_next(&tree->groups, hash, &at);
    return group;
}

int wcow_tree_add_group(struct wcow_tree *tree, const char *id, struct wcow_link_group **ret,
                        struct wcow_error *err)
{
    void *room = NULL;
    size_t len = strlen(id);
    int r = wcow_paged_table_reserve(&tree->slots, &tree->groups, err);
    if (r == WCOW_OK)
        r = wcow_paged_alloc(tree->paged, sizeof(**ret) + len + 1, &room, err);
    if (r != WCOW_OK)
        return r;
    struct wcow_link_group *group = room;
    memcpy(group->id, id, len + 1);
    wcow_paged_table_add(&tree->groups, group, hash_bytes(FNV_BASIS, id, len));
    *ret = group;
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
    void *rare = node->rare;
    int r = rare ? WCOW_OK : wcow_paged_alloc(tree->paged, sizeof(*node->rare), &rare, err);
    if (r < 0)
        return r;
    node->rare = rare;
    *ret = rare;
    return WCOW_OK;
}

/* With a NUL behind it. */
static int copy_bytes(struct wcow_tree *tree, const void *data, size_t len, void **ret,
                      struct wcow_error *err)
{
    int r = wcow_paged_alloc(tree->paged, len + 1, ret, err);
    if (r == WCOW_OK && len > 0)
        memcpy(*ret, data, len);
    return r;
}

static int copy_eas(struct wcow_tree *tree, const struct wcow_entry *entry,
                    struct wcow_tree_rare *rare, struct wcow_error *err)
{
    void *room = NULL;
    int r = wcow_paged_alloc(tree->paged, entry->n_eas * sizeof(*rare->eas), &room, err);
    if (r < 0)
        return r;
    struct wcow_ea *eas = room;
    for (size_t i = 0; i < entry->n_eas; i++) {
        const struct wcow_ea *from = &entry->eas[i];
        void *name = NULL;
        void *value = NULL;
        r = copy_bytes(tree, from->name, strlen(from->name), &name, err);
        if (r == WCOW_OK)
            r = copy_bytes(tree, from->value, from->len_bytes, &value, err);
        if (r < 0)
            return r;
        eas[i] = (struct wcow_ea){.name = name, .value = value, .len_bytes = from->len_bytes};
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
    void *room = NULL;
    void *link = NULL;
    int r = wcow_paged_alloc(tree->paged, sizeof(**ret), &room, err);
    if (r == WCOW_OK && entry->link)
        r = copy_bytes(tree, entry->link, strlen(entry->link), &link, err);
    if (r < 0)
        return r;
    struct wcow_tree_rare *rare = room;
    *rare = (struct wcow_tree_rare){.link = link,
                                    .has_times = has_times,
                                    .atime = entry->atime,
                                    .ctime = entry->ctime,
                                    .creation = entry->creation};
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
    void *room = NULL;
    int r = wcow_paged_alloc(tree->paged, sizeof(*node), &room, err);
    if (r < 0)
        return r;
    struct wcow_tree_node *gone = room;
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
    void *room = NULL;
    int r =
        wcow_paged_alloc(tree->paged, offsetof(struct wcow_tree_node, name) + len + 1, &room, err);
    if (r < 0)
        return r;
    struct wcow_tree_node *node = room;
    node->parent = parent;
    memcpy(node->name, of->name, len + 1);
    r = wcow_tree_fill_node(tree, node, of->entry, of->sd, err);
    if (r == WCOW_OK)
        *ret = node;
    return r;
}

int wcow_tree_add_node(struct wcow_tree *tree, struct wcow_tree_node *dir,
                       const struct wcow_tree_new_node *of, struct wcow_tree_node **ret,
                       struct wcow_error *err)
{
    struct wcow_tree_node *node = NULL;
    int r = reserve_name(tree, dir, err);
    if (r == WCOW_OK)
        r = wcow_tree_make_node(tree, dir, of, &node, err);
    if (r != WCOW_OK)
        return r;
    struct wcow_tree_names *names = dir->names;
    node->next = names->last;
    names->last = node;
    wcow_paged_table_add(&names->by_key, node, hash_bytes(FNV_BASIS, of->key, strlen(of->key)));
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
    if (holds_payload(node))
        tree->n_owned++;
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
