/* SPDX-License-Identifier: Apache-2.0 */
/** @file json.h
 *  What the modules of this folder share about JSON: bounded parsing, typed reads that name the
 *  field, and objects in a fixed order. Objects keep the order in which they were filled. */
#ifndef WCOW_IMAGE_JSON_H
#define WCOW_IMAGE_JSON_H

#include <jansson.h>
#include <stdbool.h>

#include "base/bytes.h"
#include "image/platform.h"
#include "image/strings.h"

WCOW_DEFINE_CLEANUP(json_t, json_decref)
#define wcow_autojson WCOW_CLEANUP(json_decref_p) json_t

/** Parse one JSON object of at most @p max_bytes. @p what names it in messages ("manifest").
 *  Duplicate keys are refused: two readers might not agree on what they say. */
WCOW_NODISCARD int wcow_json_parse_object(const void *data, size_t len, size_t max_bytes,
                                          const char *what, json_t **ret, struct wcow_error *err);
/** The same of an array. */
WCOW_NODISCARD int wcow_json_parse_array(const void *data, size_t len, size_t max_bytes,
                                         const char *what, json_t **ret, struct wcow_error *err);

/** The string at @p key, borrowed; NULL when absent or null. WCOW_E_CORRUPT for another type. */
WCOW_NODISCARD int wcow_json_string(const json_t *object, const char *key, const char **ret,
                                    struct wcow_error *err);
/** Add the strings of the array at @p key to @p ret; nothing when absent or null. */
WCOW_NODISCARD int wcow_json_string_list(const json_t *object, const char *key,
                                         struct wcow_str_list *ret, struct wcow_error *err);
enum { WCOW_JSON_MAP_MAX = 10000 }; /**< members of one map of strings */
/** Add the members of the object at @p key, whose values are strings; WCOW_E_LIMIT. */
WCOW_NODISCARD int wcow_json_string_map(const json_t *object, const char *key,
                                        struct wcow_str_map *ret, struct wcow_error *err);

/** New values of lists and maps; NULL when memory is out. */
json_t *wcow_json_from_list(const struct wcow_str_list *list);
json_t *wcow_json_from_map(const struct wcow_str_map *map);
/** WCOW_E_NOMEM. */
int wcow_json_nomem(struct wcow_error *err);

/** The platform's five fields of an object: read them, or set them in it (and remove those that are
 *  empty). Both serve descriptors and configs. */
WCOW_NODISCARD int wcow_platform_from_json(const json_t *json, struct wcow_platform *ret,
                                           struct wcow_error *err);
WCOW_NODISCARD int wcow_platform_into_json(const struct wcow_platform *p, json_t *object,
                                           struct wcow_error *err);

/** A new object with the keys of @p order (ended by NULL) first, then the others as they stand. */
json_t *wcow_json_ordered(json_t *fields, const char *const *order);
/** Append the text of @p json without white space. */
WCOW_NODISCARD int wcow_json_write(const json_t *json, struct wcow_buf *out,
                                   struct wcow_error *err);

#endif
