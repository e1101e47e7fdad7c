/* SPDX-License-Identifier: Apache-2.0 */
#include "layer/name_set.h"

#include <string.h>
#include <sys/random.h>

struct wcow_name_slot {
    uint64_t hash;
    struct wcow_seen seen;
    uint32_t len;
    char key[];
};

enum { FIRST_SLOTS = 1024 };

static uint64_t hash_of(const struct wcow_name_set *set, const char *key, size_t len)
{
    uint64_t h = set->seed ^ len;
    for (size_t i = 0; i < len; i++) {
        h = (h ^ (uint8_t)key[i]) * UINT64_C(0x9e3779b97f4a7c15);
        h ^= h >> 29;
    }
    return h;
}

/* The slot of the key, or the free one where it belongs. */
static struct wcow_name_slot **probe(const struct wcow_name_set *set, uint64_t hash,
                                     const char *key, size_t len)
{
    for (size_t i = (size_t)hash;; i++) {
        struct wcow_name_slot **slot = &set->slots[i & (set->n_slots - 1)];
        if (!*slot ||
            ((*slot)->hash == hash && (*slot)->len == len && memcmp((*slot)->key, key, len) == 0))
            return slot;
    }
}

struct wcow_seen *wcow_name_set_find(const struct wcow_name_set *set, const char *key, size_t len)
{
    if (!set->count)
        return NULL;
    struct wcow_name_slot *slot = *probe(set, hash_of(set, key, len), key, len);
    return slot ? &slot->seen : NULL;
}

static int grow(struct wcow_name_set *set, struct wcow_error *err)
{
    struct wcow_name_set bigger = *set;
    bigger.n_slots = set->n_slots ? set->n_slots * 2 : FIRST_SLOTS;
    bigger.slots = calloc(bigger.n_slots, sizeof(struct wcow_name_slot *));
    if (!bigger.slots)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a layer's names");
    /* Without randomness the hash is still right, only foreseeable. */
    if (!set->n_slots && getrandom(&bigger.seed, sizeof(bigger.seed), GRND_NONBLOCK) < 0)
        bigger.seed = (uint64_t)(uintptr_t)bigger.slots;
    for (size_t i = 0; i < set->n_slots; i++) {
        struct wcow_name_slot *s = set->slots[i];
        if (s)
            *probe(&bigger, s->hash, s->key, s->len) = s;
    }
    free(set->slots);
    *set = bigger;
    return WCOW_OK;
}

int wcow_name_set_add(struct wcow_name_set *set, const char *key, size_t len,
                      const struct wcow_seen *seen, struct wcow_error *err)
{
    if (set->count >= set->n_slots / 2) {
        int r = grow(set, err);
        if (r < 0)
            return r;
    }
    struct wcow_name_slot *s = malloc(sizeof(*s) + len);
    if (!s || len > UINT32_MAX) {
        free(s);
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a layer's names");
    }
    *s = (struct wcow_name_slot){
        .hash = hash_of(set, key, len), .seen = *seen, .len = (uint32_t)len};
    memcpy(s->key, key, len);
    *probe(set, s->hash, key, len) = s;
    set->count++;
    return WCOW_OK;
}

void wcow_name_set_done(struct wcow_name_set *set)
{
    for (size_t i = 0; i < set->n_slots; i++)
        free(set->slots[i]);
    free(set->slots);
    *set = (struct wcow_name_set){0};
}
