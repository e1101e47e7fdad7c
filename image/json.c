/* SPDX-License-Identifier: Apache-2.0 */
#include "image/json.h"

int wcow_json_nomem(struct wcow_error *err)
{
    return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for JSON");
}

static int parse(const void *data, size_t len, size_t max_bytes, const char *what, json_t **ret,
                 struct wcow_error *err)
{
    if (len > max_bytes)
        return WCOW_FAIL(err, WCOW_E_LIMIT, "the %s has %zu bytes, more than the limit of %zu",
                         what, len, max_bytes);
    json_error_t why;
    wcow_autojson *json = json_loadb(data ? data : "", len, JSON_REJECT_DUPLICATES, &why);
    if (!json && json_error_code(&why) == json_error_out_of_memory)
        return wcow_json_nomem(err);
    if (!json)
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "the %s is not JSON: line %d, column %d: %s", what,
                         why.line, why.column, why.text);
    *ret = WCOW_TAKE_PTR(json);
    return WCOW_OK;
}

int wcow_json_parse_object(const void *data, size_t len, size_t max_bytes, const char *what,
                           json_t **ret, struct wcow_error *err)
{
    wcow_autojson *json = NULL;
    int r = parse(data, len, max_bytes, what, &json, err);
    if (r == WCOW_OK && !json_is_object(json))
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "the %s is not a JSON object", what);
    if (r == WCOW_OK)
        *ret = WCOW_TAKE_PTR(json);
    return r;
}

int wcow_json_parse_array(const void *data, size_t len, size_t max_bytes, const char *what,
                          json_t **ret, struct wcow_error *err)
{
    wcow_autojson *json = NULL;
    int r = parse(data, len, max_bytes, what, &json, err);
    if (r == WCOW_OK && !json_is_array(json))
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "the %s is not a JSON array", what);
    if (r == WCOW_OK)
        *ret = WCOW_TAKE_PTR(json);
    return r;
}

int wcow_json_string(const json_t *object, const char *key, const char **ret,
                     struct wcow_error *err)
{
    const json_t *value = json_object_get(object, key);
    if (value && !json_is_null(value) && !json_is_string(value))
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "\"%s\" is not a string", key);
    *ret = json_string_value(value);
    return WCOW_OK;
}

int wcow_json_string_list(const json_t *object, const char *key, struct wcow_str_list *ret,
                          struct wcow_error *err)
{
    const json_t *array = json_object_get(object, key);
    if (!array || json_is_null(array))
        return WCOW_OK;
    if (!json_is_array(array))
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "\"%s\" is not a list of strings", key);
    for (size_t i = 0; i < json_array_size(array); i++) {
        const char *text = json_string_value(json_array_get(array, i));
        if (!text)
            return WCOW_FAIL(err, WCOW_E_CORRUPT, "\"%s\"[%zu] is not a string", key, i);
        int r = wcow_str_list_add(ret, text, err);
        if (r < 0)
            return r;
    }
    return WCOW_OK;
}

int wcow_json_string_map(const json_t *object, const char *key, struct wcow_str_map *ret,
                         struct wcow_error *err)
{
    json_t *map = json_object_get(object, key);
    if (!map || json_is_null(map))
        return WCOW_OK;
    if (!json_is_object(map))
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "\"%s\" is not a map of strings", key);
    if (json_object_size(map) > WCOW_JSON_MAP_MAX)
        return WCOW_FAIL(err, WCOW_E_LIMIT, "\"%s\" has more than %d members", key,
                         WCOW_JSON_MAP_MAX);
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach(map, name, value)
    {
        if (!json_is_string(value))
            return WCOW_FAIL(err, WCOW_E_CORRUPT, "\"%s\".\"%.80s\" is not a string", key, name);
        int r = wcow_str_map_set(ret, name, json_string_value(value), err);
        if (r < 0)
            return r;
    }
    return WCOW_OK;
}

json_t *wcow_json_from_list(const struct wcow_str_list *list)
{
    wcow_autojson *array = json_array();
    for (size_t i = 0; array && i < list->count; i++)
        if (json_array_append_new(array, json_string(list->items[i])) < 0)
            return NULL;
    return WCOW_TAKE_PTR(array);
}

json_t *wcow_json_from_map(const struct wcow_str_map *map)
{
    wcow_autojson *object = json_object();
    for (size_t i = 0; object && i < map->count; i++)
        if (json_object_set_new(object, map->pairs[i].key, json_string(map->pairs[i].value)) < 0)
            return NULL;
    return WCOW_TAKE_PTR(object);
}

json_t *wcow_json_ordered(json_t *fields, const char *const *order)
{
    wcow_autojson *result = json_object();
    if (!result)
        return NULL;
    for (; *order; order++) {
        json_t *value = json_object_get(fields, *order);
        if (value && json_object_set(result, *order, value) < 0)
            return NULL;
    }
    if (json_object_update_missing(result, fields) < 0)
        return NULL;
    return WCOW_TAKE_PTR(result);
}

int wcow_json_write(const json_t *json, struct wcow_buf *out, struct wcow_error *err)
{
    wcow_autofree char *text = json_dumps(json, JSON_COMPACT);
    return text ? wcow_buf_add_str(out, text, err) : wcow_json_nomem(err);
}
