/* SPDX-License-Identifier: Apache-2.0 */
/** @file name_set.h
 *  The names that a layer has had so far: a hash table from a key to what stood there. The hash is
 *  seeded, so that a layer cannot be made to collide in it. Private to check.c. */
#ifndef WCOW_LAYER_NAME_SET_H
#define WCOW_LAYER_NAME_SET_H

#include "layer/entry.h"

struct wcow_seen {
    enum wcow_entry_type type;
    bool is_implied;    /**< a directory that only its content testifies to */
    bool is_told;       /**< and that was reported */
    uint32_t name_hash; /**< of the name as written: tells duplicates from case collisions */
};

struct wcow_name_slot;

/** Zero-initialise. */
struct wcow_name_set {
    struct wcow_name_slot **slots; /**< a power of two of them, open addressing */
    size_t n_slots;
    size_t count;
    uint64_t seed;
};

/** NULL where @p key is not there; valid until the next add, and may be changed. */
struct wcow_seen *wcow_name_set_find(const struct wcow_name_set *set, const char *key, size_t len);
/** Add a key that is not there yet. */
WCOW_NODISCARD int wcow_name_set_add(struct wcow_name_set *set, const char *key, size_t len,
                                     const struct wcow_seen *seen, struct wcow_error *err);
void wcow_name_set_done(struct wcow_name_set *set);

#endif
