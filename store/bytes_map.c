/* SPDX-License-Identifier: Apache-2.0 */
#include "store/bytes_map.h"

#include <stdlib.h>
#include <string.h>

#include "base/key_hash.h"

enum { FIRST_SLOTS = 64 };

struct wcow_bytes_slot {
    uint64_t hash;
    const void *key;
    size_t len;
    void *value; /* NULL: free */
};

/* The slot of a key, or the free one where it would go. */
static struct wcow_bytes_slot *slot_of(const struct wcow_bytes_map *map, uint64_t hash,
                                       const void *key, size_t len)
{
    for (size_t i = (size_t)hash;; i++) {
        struct wcow_bytes_slot *slot = &map->slots[i & (map->n_slots - 1)];
        if (!slot->value)
            return slot;
        if (slot->hash == hash && slot->len == len && memcmp(slot->key, key, len) == 0)
            return slot;
    }
}

void *wcow_bytes_map_find(const struct wcow_bytes_map *map, const void *key, size_t len)
{
    return map->n ? slot_of(map, wcow_key_hash(map->seed, key, len), key, len)->value : NULL;
}

static int grow(struct wcow_bytes_map *map, struct wcow_error *err)
{
    struct wcow_bytes_map bigger = *map;
    bigger.n_slots = map->n_slots ? map->n_slots * 2 : FIRST_SLOTS;
    bigger.slots = calloc(bigger.n_slots, sizeof(*bigger.slots));
    if (!bigger.slots)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a map");
    if (!map->n_slots)
        bigger.seed = wcow_key_hash_seed();
    for (size_t i = 0; i < map->n_slots; i++) {
        const struct wcow_bytes_slot *old = &map->slots[i];
        if (old->value)
            *slot_of(&bigger, old->hash, old->key, old->len) = *old;
    }
    free(map->slots);
    *map = bigger;
    return WCOW_OK;
}

int wcow_bytes_map_add(struct wcow_bytes_map *map, const void *key, size_t len, void *value,
                       struct wcow_error *err)
{
    int r = map->n * 4 >= map->n_slots * 3 ? grow(map, err) : WCOW_OK;
    if (r < 0)
        return r;
    uint64_t hash = wcow_key_hash(map->seed, key, len);
    *slot_of(map, hash, key, len) =
        (struct wcow_bytes_slot){.hash = hash, .key = key, .len = len, .value = value};
    map->n++;
    return WCOW_OK;
}

void wcow_bytes_map_done(struct wcow_bytes_map *map, void (*release)(void *value))
{
    for (size_t i = 0; release && i < map->n_slots; i++) {
        if (map->slots[i].value)
            release(map->slots[i].value);
    }
    free(map->slots);
    *map = (struct wcow_bytes_map){0};
}
