/* SPDX-License-Identifier: Apache-2.0 */
#include "image/strings.h"

#include <stdbool.h>
#include <string.h>

/* Room for one more item and the NULL behind it; capacities are powers of two. */
static int list_grow(struct wcow_str_list *list, struct wcow_error *err)
{
    size_t used = list->count + 1;
    if (list->items && (used < 4 || (used & (used - 1)) != 0))
        return WCOW_OK;
    size_t cap = 4;
    while (cap <= used)
        cap *= 2;
    char **items = realloc(list->items, cap * sizeof(*items));
    if (!items)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for %zu strings", cap);
    list->items = items;
    return WCOW_OK;
}

int wcow_str_list_add(struct wcow_str_list *list, const char *text, struct wcow_error *err)
{
    int r = list_grow(list, err);
    if (r < 0)
        return r;
    char *copy = strdup(text);
    if (!copy)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a string");
    list->items[list->count++] = copy;
    list->items[list->count] = NULL;
    return WCOW_OK;
}

int wcow_str_list_copy(struct wcow_str_list *list, const struct wcow_str_list *from,
                       struct wcow_error *err)
{
    if (list == from)
        return WCOW_OK;
    wcow_auto_str_list copy = {0};
    for (size_t i = 0; i < from->count; i++) {
        int r = wcow_str_list_add(&copy, from->items[i], err);
        if (r < 0)
            return r;
    }
    wcow_str_list_done(list);
    *list = copy;
    copy = (struct wcow_str_list){0};
    return WCOW_OK;
}

void wcow_str_list_done(struct wcow_str_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
    *list = (struct wcow_str_list){0};
}

/* Where @p key stands or would stand. */
static size_t map_find(const struct wcow_str_map *map, const char *key, bool *ret_found)
{
    size_t low = 0;
    size_t high = map->count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int c = strcmp(map->pairs[mid].key, key);
        if (c == 0) {
            *ret_found = true;
            return mid;
        }
        if (c < 0)
            low = mid + 1;
        else
            high = mid;
    }
    *ret_found = false;
    return low;
}

static int map_insert(struct wcow_str_map *map, size_t at, const char *key, const char *value,
                      struct wcow_error *err)
{
    wcow_autofree char *key_copy = strdup(key);
    wcow_autofree char *value_copy = strdup(value);
    struct wcow_str_pair *pairs =
        key_copy && value_copy ? realloc(map->pairs, (map->count + 1) * sizeof(*pairs)) : NULL;
    if (!pairs)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for \"%.60s\"", key);
    map->pairs = pairs;
    memmove(pairs + at + 1, pairs + at, (map->count - at) * sizeof(*pairs));
    pairs[at] = (struct wcow_str_pair){WCOW_TAKE_PTR(key_copy), WCOW_TAKE_PTR(value_copy)};
    map->count++;
    return WCOW_OK;
}

int wcow_str_map_set(struct wcow_str_map *map, const char *key, const char *value,
                     struct wcow_error *err)
{
    bool found = false;
    size_t at = map_find(map, key, &found);
    if (!found)
        return map_insert(map, at, key, value, err);
    char *copy = strdup(value);
    if (!copy)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for \"%.60s\"", key);
    free(map->pairs[at].value);
    map->pairs[at].value = copy;
    return WCOW_OK;
}

const char *wcow_str_map_get(const struct wcow_str_map *map, const char *key)
{
    bool found = false;
    size_t at = map_find(map, key, &found);
    return found ? map->pairs[at].value : NULL;
}

int wcow_str_map_copy(struct wcow_str_map *map, const struct wcow_str_map *from,
                      struct wcow_error *err)
{
    if (map == from)
        return WCOW_OK;
    wcow_auto_str_map copy = {0};
    for (size_t i = 0; i < from->count; i++) {
        int r = wcow_str_map_set(&copy, from->pairs[i].key, from->pairs[i].value, err);
        if (r < 0)
            return r;
    }
    wcow_str_map_done(map);
    *map = copy;
    copy = (struct wcow_str_map){0};
    return WCOW_OK;
}

void wcow_str_map_done(struct wcow_str_map *map)
{
    for (size_t i = 0; i < map->count; i++) {
        free(map->pairs[i].key);
        free(map->pairs[i].value);
    }
    free(map->pairs);
    *map = (struct wcow_str_map){0};
}
