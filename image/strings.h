/* SPDX-License-Identifier: Apache-2.0 */
/** @file strings.h
 *  A list of strings and a map of strings sorted by key: what the image formats are made of
 *  (Env, Cmd, URLs; labels, annotations). Zero-initialise both. Not thread-safe. */
#ifndef WCOW_IMAGE_STRINGS_H
#define WCOW_IMAGE_STRINGS_H

#include <stddef.h>

#include "base/cleanup.h"
#include "base/error.h"

/** Owned strings in order. `items[count]` is NULL whenever items is not NULL. */
struct wcow_str_list {
    char **items;
    size_t count;
};

WCOW_NODISCARD int wcow_str_list_add(struct wcow_str_list *list, const char *text,
                                     struct wcow_error *err);
/** Replace @p list by a copy of @p from (which may be the same list). */
WCOW_NODISCARD int wcow_str_list_copy(struct wcow_str_list *list, const struct wcow_str_list *from,
                                      struct wcow_error *err);
void wcow_str_list_done(struct wcow_str_list *list);

struct wcow_str_pair {
    char *key;
    char *value;
};

/** Owned pairs, sorted bytewise by key, each key once. */
struct wcow_str_map {
    struct wcow_str_pair *pairs;
    size_t count;
};

WCOW_NODISCARD int wcow_str_map_set(struct wcow_str_map *map, const char *key, const char *value,
                                    struct wcow_error *err);
/** The value, borrowed until the map changes, or NULL. */
const char *wcow_str_map_get(const struct wcow_str_map *map, const char *key);
WCOW_NODISCARD int wcow_str_map_copy(struct wcow_str_map *map, const struct wcow_str_map *from,
                                     struct wcow_error *err);
void wcow_str_map_done(struct wcow_str_map *map);

#define wcow_auto_str_list WCOW_CLEANUP(wcow_str_list_done) struct wcow_str_list
#define wcow_auto_str_map  WCOW_CLEANUP(wcow_str_map_done) struct wcow_str_map

#endif
