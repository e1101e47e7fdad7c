/* SPDX-License-Identifier: Apache-2.0 */
/** @file config_fields.c
 *  The "config" object of an image config: what containers of the image start with. */
#include <string.h>
#include <strings.h>

#include "base/utf.h"
#include "image/config_json.h"

/* Indexed by the enums of image/config.h. */
static const char *const string_keys[] = {
    [WCOW_CONFIG_USER] = "User",
    [WCOW_CONFIG_WORKING_DIR] = "WorkingDir",
    [WCOW_CONFIG_STOP_SIGNAL] = "StopSignal",
};
static const char *const list_keys[] = {
    [WCOW_CONFIG_ENTRYPOINT] = "Entrypoint",
    [WCOW_CONFIG_CMD] = "Cmd",
    [WCOW_CONFIG_SHELL] = "Shell",
    [WCOW_CONFIG_ON_BUILD] = "OnBuild",
    [WCOW_CONFIG_ENV] = "Env",
};
static const char *const set_keys[] = {
    [WCOW_CONFIG_EXPOSED_PORTS] = "ExposedPorts",
    [WCOW_CONFIG_VOLUMES] = "Volumes",
};
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static json_t *fields_of(const struct wcow_image_config *config)
{
    return json_object_get(config->root, "config");
}

/* The "config" object, made when absent; NULL when memory is out. */
static json_t *make_fields(struct wcow_image_config *config)
{
    json_t *fields = fields_of(config);
    if (json_is_object(fields))
        return fields;
    if (json_object_set_new(config->root, "config", json_object()) < 0)
        return NULL;
    return fields_of(config);
}

static int set_field(struct wcow_image_config *config, const char *key, json_t *value,
                     struct wcow_error *err)
{
    wcow_autojson *owned = value;
    json_t *fields = make_fields(config);
    if (!fields || !owned || json_object_set(fields, key, owned) < 0)
        return wcow_json_nomem(err);
    return WCOW_OK;
}

static void remove_field(struct wcow_image_config *config, const char *key)
{
    (void)json_object_del(fields_of(config), key);
}

static int check_utf8(const char *key, const char *text, struct wcow_error *err)
{
    if (wcow_utf8_is_valid(text, strlen(text)))
        return WCOW_OK;
    return WCOW_FAIL(err, WCOW_E_INVALID,
                     "a value for \"%s\" of the image config is not UTF-8; write the Dockerfile "
                     "in UTF-8",
                     key);
}

static int check_healthcheck(const json_t *fields, struct wcow_error *err)
{
    static const char *const numbers[] = {"Interval", "Timeout", "StartPeriod", "StartInterval",
                                          "Retries"};
    const json_t *check = json_object_get(fields, "Healthcheck");
    if (!check || json_is_null(check))
        return WCOW_OK;
    if (!json_is_object(check))
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "\"Healthcheck\" is not an object");
    for (size_t i = 0; i < COUNT(numbers); i++) {
        const json_t *value = json_object_get(check, numbers[i]);
        if (value && !json_is_integer(value) && !json_is_null(value))
            return WCOW_FAIL(err, WCOW_E_CORRUPT, "\"%s\" of \"Healthcheck\" is not a whole number",
                             numbers[i]);
    }
    wcow_auto_str_list test = {0};
    return wcow_json_string_list(check, "Test", &test, err);
}

static int check_list(const json_t *fields, const char *key, struct wcow_error *err)
{
    wcow_auto_str_list list = {0};
    return wcow_json_string_list(fields, key, &list, err);
}

int wcow_config_check_fields(json_t *root, struct wcow_error *err)
{
    json_t *fields = json_object_get(root, "config");
    if (!fields || json_is_null(fields))
        return WCOW_OK;
    if (!json_is_object(fields))
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "\"config\" is not an object");
    int r = WCOW_OK;
    const char *ignored = NULL;
    for (size_t i = 0; r == WCOW_OK && i < COUNT(string_keys); i++)
        r = wcow_json_string(fields, string_keys[i], &ignored, err);
    for (size_t i = 0; r == WCOW_OK && i < COUNT(list_keys); i++)
        r = check_list(fields, list_keys[i], err);
    for (size_t i = 0; r == WCOW_OK && i < COUNT(set_keys); i++) {
        const json_t *set = json_object_get(fields, set_keys[i]);
        if (set && !json_is_object(set) && !json_is_null(set))
            return WCOW_FAIL(err, WCOW_E_CORRUPT, "\"%s\" is not an object", set_keys[i]);
        if (json_object_size(set) > WCOW_JSON_MAP_MAX)
            return WCOW_FAIL(err, WCOW_E_LIMIT, "\"%s\" has more than %d members", set_keys[i],
                             WCOW_JSON_MAP_MAX);
    }
    wcow_auto_str_map labels = {0};
    if (r == WCOW_OK)
        r = wcow_json_string_map(fields, "Labels", &labels, err);
    const json_t *escaped = json_object_get(fields, "ArgsEscaped");
    if (r == WCOW_OK && escaped && !json_is_boolean(escaped) && !json_is_null(escaped))
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "\"ArgsEscaped\" is neither true nor false");
    return r == WCOW_OK ? check_healthcheck(fields, err) : r;
}

/* Put the members of the object at @p key in bytewise order, as Go writes maps. */
static int sort_members(json_t *fields, const char *key)
{
    json_t *map = json_object_get(fields, key);
    if (!json_is_object(map))
        return 0;
    wcow_auto_str_map names = {0};
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach(map, name, value)
    {
        if (wcow_str_map_set(&names, name, "", NULL) < 0)
            return -1;
    }
    json_t *sorted = json_object();
    for (size_t i = 0; sorted && i < names.count; i++)
        if (json_object_set(sorted, names.pairs[i].key, json_object_get(map, names.pairs[i].key)) <
            0) {
            json_decref(sorted);
            return -1;
        }
    return json_object_set_new(fields, key, sorted);
}

json_t *wcow_config_ordered_fields(json_t *fields)
{
    static const char *const order[] = {
        "User",   "ExposedPorts", "Env",         "Entrypoint",  "Cmd",     "Volumes", "WorkingDir",
        "Labels", "StopSignal",   "ArgsEscaped", "Healthcheck", "OnBuild", "Shell",   NULL};
    static const char *const check_order[] = {"Test",          "Interval", "Timeout", "StartPeriod",
                                              "StartInterval", "Retries",  NULL};
    wcow_autojson *ordered = wcow_json_ordered(fields, order);
    if (!ordered || sort_members(ordered, "ExposedPorts") < 0 ||
        sort_members(ordered, "Volumes") < 0 || sort_members(ordered, "Labels") < 0)
        return NULL;
    json_t *check = json_object_get(ordered, "Healthcheck");
    if (json_is_object(check) &&
        json_object_set_new(ordered, "Healthcheck", wcow_json_ordered(check, check_order)) < 0)
        return NULL;
    return WCOW_TAKE_PTR(ordered);
}

const char *wcow_image_config_string(const struct wcow_image_config *config,
                                     enum wcow_config_string which)
{
    const char *text = json_string_value(json_object_get(fields_of(config), string_keys[which]));
    return text ? text : "";
}

int wcow_image_config_set_string(struct wcow_image_config *config, enum wcow_config_string which,
                                 const char *value, struct wcow_error *err)
{
    if (!value || !*value) {
        remove_field(config, string_keys[which]);
        return WCOW_OK;
    }
    int r = check_utf8(string_keys[which], value, err);
    return r < 0 ? r : set_field(config, string_keys[which], json_string(value), err);
}

int wcow_image_config_list(const struct wcow_image_config *config, enum wcow_config_list which,
                           struct wcow_str_list *ret, struct wcow_error *err)
{
    return wcow_json_string_list(fields_of(config), list_keys[which], ret, err);
}

int wcow_image_config_set_list(struct wcow_image_config *config, enum wcow_config_list which,
                               const struct wcow_str_list *value, struct wcow_error *err)
{
    if (!value) {
        remove_field(config, list_keys[which]);
        return WCOW_OK;
    }
    for (size_t i = 0; i < value->count; i++) {
        int r = check_utf8(list_keys[which], value->items[i], err);
        if (r < 0)
            return r;
    }
    return set_field(config, list_keys[which], wcow_json_from_list(value), err);
}

bool wcow_image_config_has_list(const struct wcow_image_config *config, enum wcow_config_list which)
{
    return json_is_array(json_object_get(fields_of(config), list_keys[which]));
}

/* The index of the variable in Env, or -1; *ret_value is behind its '='. */
static ssize_t find_env(const struct wcow_image_config *config, const char *name,
                        const char **ret_value)
{
    const json_t *env = json_object_get(fields_of(config), "Env");
    bool windows = wcow_image_config_is_windows(config);
    size_t len = strlen(name);
    for (size_t i = 0; i < json_array_size(env); i++) {
        const char *text = json_string_value(json_array_get(env, i));
        const char *equals = text ? strchr(text, '=') : NULL;
        if (!equals || (size_t)(equals - text) != len)
            continue;
        if (windows ? strncasecmp(text, name, len) == 0 : memcmp(text, name, len) == 0) {
            *ret_value = equals + 1;
            return (ssize_t)i;
        }
    }
    return -1;
}

const char *wcow_image_config_env(const struct wcow_image_config *config, const char *name)
{
    const char *value = NULL;
    return find_env(config, name, &value) >= 0 ? value : NULL;
}

int wcow_image_config_set_env(struct wcow_image_config *config, const char *name, const char *value,
                              struct wcow_error *err)
{
    if (!*name || strchr(name, '='))
        return WCOW_FAIL(err, WCOW_E_INVALID, "\"%.80s\" cannot be the name of a variable", name);
    int r = check_utf8("Env", name, err);
    if (r == WCOW_OK)
        r = check_utf8("Env", value, err);
    if (r < 0)
        return r;
    const char *old = NULL;
    ssize_t at = find_env(config, name, &old);
    json_t *env = json_object_get(fields_of(config), "Env");
    const char *spelling = at >= 0 ? json_string_value(json_array_get(env, (size_t)at)) : name;
    json_t *text = json_sprintf("%.*s=%s", (int)strlen(name), spelling, value);
    if (!text)
        return wcow_json_nomem(err);
    if (at >= 0)
        return json_array_set_new(env, (size_t)at, text) < 0 ? wcow_json_nomem(err) : WCOW_OK;
    if (!json_is_array(env)) {
        r = set_field(config, "Env", json_array(), err);
        if (r < 0) {
            json_decref(text);
            return r;
        }
        env = json_object_get(fields_of(config), "Env");
    }
    return json_array_append_new(env, text) < 0 ? wcow_json_nomem(err) : WCOW_OK;
}

/* The object at @p key of the fields, made when absent. */
static json_t *make_map(struct wcow_image_config *config, const char *key)
{
    json_t *map = json_object_get(fields_of(config), key);
    if (json_is_object(map))
        return map;
    if (set_field(config, key, json_object(), NULL) < 0)
        return NULL;
    return json_object_get(fields_of(config), key);
}

int wcow_image_config_add_to_set(struct wcow_image_config *config, enum wcow_config_set which,
                                 const char *key, struct wcow_error *err)
{
    int r = check_utf8(set_keys[which], key, err);
    if (r < 0)
        return r;
    json_t *set = make_map(config, set_keys[which]);
    return !set || json_object_set_new(set, key, json_object()) < 0 ? wcow_json_nomem(err)
                                                                    : WCOW_OK;
}

int wcow_image_config_set_members(const struct wcow_image_config *config,
                                  enum wcow_config_set which, struct wcow_str_list *ret,
                                  struct wcow_error *err)
{
    json_t *set = json_object_get(fields_of(config), set_keys[which]);
    const char *key = NULL;
    json_t *ignored = NULL;
    json_object_foreach(set, key, ignored)
    {
        int r = wcow_str_list_add(ret, key, err);
        if (r < 0)
            return r;
    }
    return WCOW_OK;
}

const char *wcow_image_config_label(const struct wcow_image_config *config, const char *key)
{
    return json_string_value(json_object_get(json_object_get(fields_of(config), "Labels"), key));
}

int wcow_image_config_set_label(struct wcow_image_config *config, const char *key,
                                const char *value, struct wcow_error *err)
{
    int r = check_utf8("Labels", key, err);
    if (r == WCOW_OK && value)
        r = check_utf8("Labels", value, err);
    if (r < 0)
        return r;
    if (!value) {
        (void)json_object_del(json_object_get(fields_of(config), "Labels"), key);
        return WCOW_OK;
    }
    json_t *labels = make_map(config, "Labels");
    return !labels || json_object_set_new(labels, key, json_string(value)) < 0
               ? wcow_json_nomem(err)
               : WCOW_OK;
}

bool wcow_image_config_args_escaped(const struct wcow_image_config *config)
{
    return json_is_true(json_object_get(fields_of(config), "ArgsEscaped"));
}

int wcow_image_config_set_args_escaped(struct wcow_image_config *config, bool escaped,
                                       struct wcow_error *err)
{
    if (escaped)
        return set_field(config, "ArgsEscaped", json_true(), err);
    remove_field(config, "ArgsEscaped");
    return WCOW_OK;
}

int wcow_image_config_set_healthcheck(struct wcow_image_config *config,
                                      const struct wcow_healthcheck *check, struct wcow_error *err)
{
    if (!check) {
        remove_field(config, "Healthcheck");
        return WCOW_OK;
    }
    const struct {
        const char *key;
        int64_t value;
    } numbers[] = {
        {"Interval", check->interval_ns},
        {"Timeout", check->timeout_ns},
        {"StartPeriod", check->start_period_ns},
        {"StartInterval", check->start_interval_ns},
        {"Retries", check->retries},
    };
    wcow_autojson *object = json_object();
    bool bad = !object;
    for (size_t i = 0; i < check->test.count; i++) {
        int r = check_utf8("Healthcheck", check->test.items[i], err);
        if (r < 0)
            return r;
    }
    if (check->test.count)
        bad |= json_object_set_new(object, "Test", wcow_json_from_list(&check->test)) < 0;
    for (size_t i = 0; i < COUNT(numbers); i++)
        if (numbers[i].value)
            bad |= json_object_set_new(object, numbers[i].key, json_integer(numbers[i].value)) < 0;
    return bad ? wcow_json_nomem(err)
               : set_field(config, "Healthcheck", WCOW_TAKE_PTR(object), err);
}

static int64_t number_of(const json_t *object, const char *key)
{
    return (int64_t)json_integer_value(json_object_get(object, key));
}

int wcow_image_config_healthcheck(const struct wcow_image_config *config,
                                  struct wcow_healthcheck *ret, bool *ret_has,
                                  struct wcow_error *err)
{
    const json_t *check = json_object_get(fields_of(config), "Healthcheck");
    int r = wcow_json_string_list(check, "Test", &ret->test, err);
    if (r < 0)
        return r;
    ret->interval_ns = number_of(check, "Interval");
    ret->timeout_ns = number_of(check, "Timeout");
    ret->start_period_ns = number_of(check, "StartPeriod");
    ret->start_interval_ns = number_of(check, "StartInterval");
    ret->retries = number_of(check, "Retries");
    *ret_has = json_is_object(check);
    return WCOW_OK;
}
