/* SPDX-License-Identifier: Apache-2.0 */
/** @file bytes_map.h
 *  A map from byte strings to pointers. Keys come from images: the hash is seeded at random, so
 * that nobody can make them collide. One thread at a time. */
#ifndef WCOW_STORE_BYTES_MAP_H
#define WCOW_STORE_BYTES_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct wcow_bytes_slot;

/** Zero-initialise. */
struct wcow_bytes_map {
    struct wcow_bytes_slot *slots;
    size_t n_slots; /**< a power of two, or 0 */
    size_t n;
    uint64_t seed;
};

/** The value of a key, or NULL. */
void *wcow_bytes_map_find(const struct wcow_bytes_map *map, const void *key, size_t len);
/** Add a key that is not there. @param key borrowed: must live as long as the map, as a part of
 *  @p value for instance. @param value not NULL */
WCOW_NODISCARD int wcow_bytes_map_add(struct wcow_bytes_map *map, const void *key, size_t len,
                                      void *value, struct wcow_error *err);
/** Give each value to @p release (may be NULL) and free the map. */
void wcow_bytes_map_done(struct wcow_bytes_map *map, void (*release)(void *value));

#endif
