/* SPDX-License-Identifier: Apache-2.0 */
#include "image/config.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/utf.h"
#include "image/config_json.h"

int wcow_time_format(int64_t seconds, uint32_t nanoseconds, char out[WCOW_TIME_TEXT_MAX],
                     struct wcow_error *err)
{
    enum { YEAR_MAX = 9999 };
    struct tm tm;
    time_t t = (time_t)seconds;
    if (nanoseconds > 999999999 || !gmtime_r(&t, &tm) || tm.tm_year + 1900 > YEAR_MAX ||
        tm.tm_year + 1900 < 0)
        return WCOW_FAIL(err, WCOW_E_INVALID, "%lld seconds since 1970 is not a time of RFC 3339",
                         (long long)seconds);
    size_t n = strftime(out, WCOW_TIME_TEXT_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
    if (nanoseconds) {
        n += (size_t)snprintf(out + n, WCOW_TIME_TEXT_MAX - n, ".%09u", nanoseconds);
        while (out[n - 1] == '0')
            n--;
    }
    (void)snprintf(out + n, WCOW_TIME_TEXT_MAX - n, "Z");
    return WCOW_OK;
}

int wcow_image_config_new(const struct wcow_platform *platform, struct wcow_image_config **ret,
                          struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_image_config_free_p)
    struct wcow_image_config *config = calloc(1, sizeof(*config));
    if (config)
        config->root = json_pack("{s:{s:s, s:[]}}", "rootfs", "type", "layers", "diff_ids");
    if (!config || !config->root)
        return wcow_json_nomem(err);
    int r = wcow_platform_into_json(platform, config->root, err);
    if (r == WCOW_OK)
        *ret = WCOW_TAKE_PTR(config);
    return r;
}

static int check_strings(const json_t *object, const char *const *keys, struct wcow_error *err)
{
    const char *ignored = NULL;
    int r = WCOW_OK;
    for (; r == WCOW_OK && *keys; keys++)
        r = wcow_json_string(object, *keys, &ignored, err);
    return r;
}

/* An absent or null rootfs becomes an empty one. */
static int check_rootfs(json_t *root, struct wcow_error *err)
{
    json_t *rootfs = json_object_get(root, "rootfs");
    if (!rootfs || json_is_null(rootfs)) {
        rootfs = json_pack("{s:s, s:[]}", "type", "layers", "diff_ids");
        return json_object_set_new(root, "rootfs", rootfs) < 0 ? wcow_json_nomem(err) : WCOW_OK;
    }
    json_t *diff_ids = json_object_get(rootfs, "diff_ids");
    if (!json_is_object(rootfs))
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "\"rootfs\" is not an object");
    if (!diff_ids || json_is_null(diff_ids))
        return json_object_set_new(rootfs, "diff_ids", json_array()) < 0 ? wcow_json_nomem(err)
                                                                         : WCOW_OK;
    if (!json_is_array(diff_ids))
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "\"diff_ids\" is not a list");
    if (json_array_size(diff_ids) > WCOW_CONFIG_MAX_LAYERS)
        return WCOW_FAIL(err, WCOW_E_LIMIT, "%zu layers are more than the limit of %d",
                         json_array_size(diff_ids), WCOW_CONFIG_MAX_LAYERS);
    for (size_t i = 0; i < json_array_size(diff_ids); i++) {
        const char *text = json_string_value(json_array_get(diff_ids, i));
        if (!text || !wcow_digest_is_valid(text))
            return WCOW_FAIL(err, WCOW_E_CORRUPT, "\"diff_ids\"[%zu] is not a sha256 digest", i);
    }
    return WCOW_OK;
}

static int check_history_entry(const json_t *entry, struct wcow_error *err)
{
    static const char *const strings[] = {"created", "created_by", "author", "comment", NULL};
    if (!json_is_object(entry))
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "it is not an object");
    const json_t *empty = json_object_get(entry, "empty_layer");
    if (empty && !json_is_boolean(empty) && !json_is_null(empty))
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "\"empty_layer\" is neither true nor false");
    return check_strings(entry, strings, err);
}

static int check_history(const json_t *root, struct wcow_error *err)
{
    const json_t *history = json_object_get(root, "history");
    if (!history || json_is_null(history))
        return WCOW_OK;
    if (!json_is_array(history))
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "\"history\" is not a list");
    size_t full = 0;
    for (size_t i = 0; i < json_array_size(history); i++) {
        const json_t *entry = json_array_get(history, i);
        int r = check_history_entry(entry, err);
        if (r < 0)
            return wcow_error_wrap(r, err, "\"history\"[%zu]", i);
        full += !json_is_true(json_object_get(entry, "empty_layer"));
    }
    size_t layers = json_array_size(json_object_get(json_object_get(root, "rootfs"), "diff_ids"));
    if (json_array_size(history) && full != layers)
        return WCOW_FAIL(err, WCOW_E_CORRUPT,
                         "the history tells of %zu layers, but there are %zu diff IDs", full,
                         layers);
    return WCOW_OK;
}

static int check_config(json_t *root, struct wcow_error *err)
{
    static const char *const strings[] = {"created", "author", NULL};
    struct wcow_platform platform;
    int r = check_strings(root, strings, err);
    if (r == WCOW_OK)
        r = wcow_platform_from_json(root, &platform, err);
    if (r == WCOW_OK)
        r = wcow_config_check_fields(root, err);
    if (r == WCOW_OK)
        r = check_rootfs(root, err);
    return r == WCOW_OK ? check_history(root, err) : r;
}

int wcow_image_config_parse(const void *data, size_t len, struct wcow_image_config **ret,
                            struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_image_config_free_p)
    struct wcow_image_config *config = calloc(1, sizeof(*config));
    if (!config)
        return wcow_json_nomem(err);
    int r = wcow_json_parse_object(data, len, WCOW_CONFIG_MAX_BYTES, "image config", &config->root,
                                   err);
    if (r < 0)
        return r;
    r = check_config(config->root, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "image config");
    *ret = WCOW_TAKE_PTR(config);
    return WCOW_OK;
}

int wcow_image_config_copy(const struct wcow_image_config *config, struct wcow_image_config **ret,
                           struct wcow_error *err)
{
    struct wcow_image_config *copy = calloc(1, sizeof(*copy));
    if (copy)
        copy->root = json_deep_copy(config->root);
    if (!copy || !copy->root) {
        free(copy);
        return wcow_json_nomem(err);
    }
    *ret = copy;
    return WCOW_OK;
}

void wcow_image_config_drop_legacy(struct wcow_image_config *config)
{
    static const char *const legacy[] = {"container", "container_config", "docker_version", "id",
                                         "parent"};
    for (size_t i = 0; i < sizeof(legacy) / sizeof(legacy[0]); i++)
        (void)json_object_del(config->root, legacy[i]);
    (void)json_object_del(json_object_get(config->root, "config"), "Image");
}

/* Replace the value at @p key by itself in order. */
static int put_in_order(json_t *object, const char *key, const char *const *order,
                        struct wcow_error *err)
{
    json_t *value = json_object_get(object, key);
    if (!json_is_object(value))
        return WCOW_OK;
    return json_object_set_new(object, key, wcow_json_ordered(value, order)) < 0
               ? wcow_json_nomem(err)
               : WCOW_OK;
}

static int put_history_in_order(json_t *root, struct wcow_error *err)
{
    static const char *const order[] = {"created", "created_by",  "author",
                                        "comment", "empty_layer", NULL};
    const json_t *history = json_object_get(root, "history");
    wcow_autojson *ordered = json_array();
    for (size_t i = 0; i < json_array_size(history); i++)
        if (json_array_append_new(ordered, wcow_json_ordered(json_array_get(history, i), order)) <
            0)
            return wcow_json_nomem(err);
    if (json_array_size(history) && json_object_set(root, "history", ordered) < 0)
        return wcow_json_nomem(err);
    return WCOW_OK;
}

int wcow_image_config_write(const struct wcow_image_config *config, struct wcow_buf *out,
                            struct wcow_error *err)
{
    static const char *const order[] = {
        "created", "author", "architecture", "os",      "os.version", "os.features",
        "variant", "config", "rootfs",       "history", NULL};
    static const char *const rootfs_order[] = {"type", "diff_ids", NULL};
    wcow_autojson *root = wcow_json_ordered(config->root, order);
    if (!root)
        return wcow_json_nomem(err);
    json_t *fields = json_object_get(root, "config");
    if (json_is_object(fields) &&
        json_object_set_new(root, "config", wcow_config_ordered_fields(fields)) < 0)
        return wcow_json_nomem(err);
    int r = put_in_order(root, "rootfs", rootfs_order, err);
    if (r == WCOW_OK)
        r = put_history_in_order(root, err);
    return r == WCOW_OK ? wcow_json_write(root, out, err) : r;
}

void wcow_image_config_free(struct wcow_image_config *config)
{
    if (!config)
        return;
    json_decref(config->root);
    free(config);
}

struct wcow_platform wcow_image_config_platform(const struct wcow_image_config *config)
{
    struct wcow_platform platform = {0};
    if (wcow_platform_from_json(config->root, &platform, NULL) < 0)
        return (struct wcow_platform){0};
    return platform;
}

bool wcow_image_config_is_windows(const struct wcow_image_config *config)
{
    const char *os = json_string_value(json_object_get(config->root, "os"));
    return os && strcmp(os, "windows") == 0;
}

const char *wcow_image_config_created(const struct wcow_image_config *config)
{
    return json_string_value(json_object_get(config->root, "created"));
}

int wcow_image_config_set_created(struct wcow_image_config *config, int64_t seconds,
                                  uint32_t nanoseconds, struct wcow_error *err)
{
    char text[WCOW_TIME_TEXT_MAX];
    int r = wcow_time_format(seconds, nanoseconds, text, err);
    if (r < 0)
        return r;
    return json_object_set_new(config->root, "created", json_string(text)) < 0
               ? wcow_json_nomem(err)
               : WCOW_OK;
}

/* A string of foreign origin must be UTF-8 to stand in JSON. */
static int set_string(json_t *object, const char *key, const char *value, struct wcow_error *err)
{
    if (!wcow_utf8_is_valid(value, strlen(value)))
        return WCOW_FAIL(err, WCOW_E_INVALID, "\"%s\" is not UTF-8", key);
    return json_object_set_new(object, key, json_string(value)) < 0 ? wcow_json_nomem(err)
                                                                    : WCOW_OK;
}

int wcow_image_config_set_author(struct wcow_image_config *config, const char *author,
                                 struct wcow_error *err)
{
    return set_string(config->root, "author", author, err);
}

static const char inline_cache[] = "moby.buildkit.cache.v0";

const char *wcow_image_config_inline_cache(const struct wcow_image_config *config)
{
    return json_string_value(json_object_get(config->root, inline_cache));
}

int wcow_image_config_set_inline_cache(struct wcow_image_config *config, const char *base64,
                                       struct wcow_error *err)
{
    if (base64)
        return set_string(config->root, inline_cache, base64, err);
    (void)json_object_del(config->root, inline_cache);
    return WCOW_OK;
}

static int make_history_entry(const struct wcow_history *entry, json_t **ret,
                              struct wcow_error *err)
{
    wcow_autojson *object = json_object();
    if (!object)
        return wcow_json_nomem(err);
    char created[WCOW_TIME_TEXT_MAX] = "";
    int r = entry->has_created ? wcow_time_format(entry->created_s, entry->created_ns, created, err)
                               : WCOW_OK;
    if (r == WCOW_OK && entry->has_created)
        r = set_string(object, "created", created, err);
    if (r == WCOW_OK && entry->created_by)
        r = set_string(object, "created_by", entry->created_by, err);
    if (r == WCOW_OK && entry->author)
        r = set_string(object, "author", entry->author, err);
    if (r == WCOW_OK && entry->comment)
        r = set_string(object, "comment", entry->comment, err);
    if (r == WCOW_OK && entry->empty_layer &&
        json_object_set_new(object, "empty_layer", json_true()) < 0)
        r = wcow_json_nomem(err);
    if (r == WCOW_OK)
        *ret = WCOW_TAKE_PTR(object);
    return r;
}

int wcow_image_config_add_history(struct wcow_image_config *config,
                                  const struct wcow_history *entry, struct wcow_error *err)
{
    json_t *object = NULL;
    int r = make_history_entry(entry, &object, err);
    if (r < 0)
        return r;
    json_t *history = json_object_get(config->root, "history");
    if (!json_is_array(history)) {
        history = json_array();
        if (json_object_set_new(config->root, "history", history) < 0) {
            json_decref(object);
            return wcow_json_nomem(err);
        }
    }
    return json_array_append_new(history, object) < 0 ? wcow_json_nomem(err) : WCOW_OK;
}

size_t wcow_image_config_history_count(const struct wcow_image_config *config)
{
    return json_array_size(json_object_get(config->root, "history"));
}

int wcow_image_config_history(const struct wcow_image_config *config, size_t index,
                              struct wcow_history *ret, const char **ret_created,
                              struct wcow_error *err)
{
    const json_t *entry = json_array_get(json_object_get(config->root, "history"), index);
    if (!entry)
        return WCOW_FAIL(err, WCOW_E_NOT_FOUND, "the history has no entry %zu", index);
    *ret = (struct wcow_history){
        .created_by = json_string_value(json_object_get(entry, "created_by")),
        .author = json_string_value(json_object_get(entry, "author")),
        .comment = json_string_value(json_object_get(entry, "comment")),
        .empty_layer = json_is_true(json_object_get(entry, "empty_layer")),
    };
    if (ret_created)
        *ret_created = json_string_value(json_object_get(entry, "created"));
    return WCOW_OK;
}

static json_t *diff_ids_of(const struct wcow_image_config *config)
{
    return json_object_get(json_object_get(config->root, "rootfs"), "diff_ids");
}

int wcow_image_config_add_diff_id(struct wcow_image_config *config, const char *diff_id,
                                  struct wcow_error *err)
{
    if (!wcow_digest_is_valid(diff_id))
        return WCOW_FAIL(err, WCOW_E_INVALID, "\"%.80s\" is not a diff ID", diff_id);
    json_t *diff_ids = diff_ids_of(config);
    if (json_array_size(diff_ids) >= WCOW_CONFIG_MAX_LAYERS)
        return WCOW_FAIL(err, WCOW_E_LIMIT, "an image may have at most %d layers",
                         WCOW_CONFIG_MAX_LAYERS);
    return json_array_append_new(diff_ids, json_string(diff_id)) < 0 ? wcow_json_nomem(err)
                                                                     : WCOW_OK;
}

int wcow_image_config_set_diff_id(struct wcow_image_config *config, size_t index,
                                  const char *diff_id, struct wcow_error *err)
{
    json_t *diff_ids = diff_ids_of(config);
    if (!wcow_digest_is_valid(diff_id) || index >= json_array_size(diff_ids))
        return WCOW_FAIL(err, WCOW_E_INVALID, "\"%.80s\" is not the diff ID of a layer", diff_id);
    return json_array_set_new(diff_ids, index, json_string(diff_id)) < 0 ? wcow_json_nomem(err)
                                                                         : WCOW_OK;
}

size_t wcow_image_config_diff_id_count(const struct wcow_image_config *config)
{
    return json_array_size(diff_ids_of(config));
}

const char *wcow_image_config_diff_id(const struct wcow_image_config *config, size_t index)
{
    return json_string_value(json_array_get(diff_ids_of(config), index));
}

int wcow_chain_id_next(const char *parent, const char *diff_id, struct wcow_digest *ret,
                       struct wcow_error *err)
{
    if (!wcow_digest_is_valid(diff_id))
        return WCOW_FAIL(err, WCOW_E_INVALID, "\"%.80s\" is not a diff ID", diff_id);
    if (!parent || !*parent) {
        memcpy(ret->text, diff_id, sizeof(ret->text));
        return WCOW_OK;
    }
    if (!wcow_digest_is_valid(parent))
        return WCOW_FAIL(err, WCOW_E_INVALID, "\"%.80s\" is not a chain ID", parent);
    char both[2 * WCOW_DIGEST_LEN + 2];
    int n = snprintf(both, sizeof(both), "%s %s", parent, diff_id);
    return wcow_digest_of(both, (size_t)n, ret, err);
}

int wcow_image_config_chain_id(const struct wcow_image_config *config, size_t count,
                               struct wcow_digest *ret, struct wcow_error *err)
{
    size_t have = wcow_image_config_diff_id_count(config);
    if (!count || count > have)
        return WCOW_FAIL(err, WCOW_E_INVALID, "no chain ID of %zu layers: the image has %zu", count,
                         have);
    struct wcow_digest chain = {0};
    for (size_t i = 0; i < count; i++) {
        struct wcow_digest next;
        int r = wcow_chain_id_next(chain.text, wcow_image_config_diff_id(config, i), &next, err);
        if (r < 0)
            return r;
        chain = next;
    }
    *ret = chain;
    return WCOW_OK;
}
