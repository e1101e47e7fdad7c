/* SPDX-License-Identifier: Apache-2.0 */
#include "image/cache_config.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "image/config.h"
#include "image/json.h"

static void record_done(struct wcow_cache_record *record)
{
    free(record->links);
    free(record->text);
    *record = (struct wcow_cache_record){0};
}

void wcow_cache_config_done(struct wcow_cache_config *config)
{
    for (size_t i = 0; i < config->n_records; i++)
        record_done(&config->records[i]);
    free(config->records);
    free(config->layers);
    *config = (struct wcow_cache_config){0};
}

static int too_many(struct wcow_error *err)
{
    return WCOW_FAIL(err, WCOW_E_LIMIT, "more than %d layers, records or links",
                     WCOW_CACHE_CONFIG_MAX_ITEMS);
}

/* Room for one more, doubling. */
static int grow(void **items, size_t n, size_t size, struct wcow_error *err)
{
    if (n >= WCOW_CACHE_CONFIG_MAX_ITEMS)
        return too_many(err);
    if (n && (n < 8 || (n & (n - 1)) != 0))
        return WCOW_OK;
    void *grown = reallocarray(*items, n ? n * 2 : 8, size);
    if (!grown)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a build cache");
    *items = grown;
    return WCOW_OK;
}

int wcow_cache_config_add_layer(struct wcow_cache_config *config,
                                const struct wcow_cache_layer *layer, struct wcow_error *err)
{
    void *items = config->layers;
    int r = grow(&items, config->n_layers, sizeof(*layer), err);
    config->layers = items;
    if (r == WCOW_OK)
        config->layers[config->n_layers++] = *layer;
    return r;
}

/* Takes what the record owns. */
static int take_record(struct wcow_cache_config *config, struct wcow_cache_record *record,
                       struct wcow_error *err)
{
    void *items = config->records;
    int r = grow(&items, config->n_records, sizeof(*record), err);
    config->records = items;
    if (r < 0 || !config->records)
        return r;
    config->records[config->n_records++] = *record;
    *record = (struct wcow_cache_record){0};
    return WCOW_OK;
}

int wcow_cache_config_add_record(struct wcow_cache_config *config,
                                 const struct wcow_cache_record *record, size_t *ret_index,
                                 struct wcow_error *err)
{
    WCOW_CLEANUP(record_done) struct wcow_cache_record copy = *record;
    copy.links = calloc(record->n_links ? record->n_links : 1, sizeof(*copy.links));
    copy.text = record->text ? strdup(record->text) : NULL;
    if (!copy.links || (record->text && !copy.text))
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a build cache");
    if (record->n_links)
        memcpy(copy.links, record->links, record->n_links * sizeof(*copy.links));
    int r = take_record(config, &copy, err);
    if (r == WCOW_OK && ret_index)
        *ret_index = config->n_records - 1;
    return r;
}

/* ---- reading ---- */

int64_t wcow_time_parse(const char *text)
{
    struct tm tm = {0};
    const char *end = text ? strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
    if (!end)
        return 0;
    if (*end == '.')
        end += 1 + strspn(end + 1, "0123456789");
    return strcmp(end, "Z") == 0 ? (int64_t)timegm(&tm) : 0;
}

static int read_digest(const json_t *object, const char *key, struct wcow_digest *ret,
                       struct wcow_error *err)
{
    const char *text = NULL;
    int r = wcow_json_string(object, key, &text, err);
    if (r < 0 || !text)
        return r;
    if (!wcow_digest_is_valid(text))
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "\"%s\" is not a sha256 digest", key);
    memcpy(ret->text, text, sizeof(ret->text));
    return WCOW_OK;
}

static int read_time(const json_t *object, const char *key, int64_t *ret, struct wcow_error *err)
{
    const char *text = NULL;
    int r = wcow_json_string(object, key, &text, err);
    if (r == WCOW_OK)
        *ret = wcow_time_parse(text);
    return r;
}

/* A number from 0 to @p limit - 1, or -1 where @p may_be_none. */
static int read_number(const json_t *value, const char *key, size_t limit, bool may_be_none,
                       int *ret, struct wcow_error *err)
{
    json_int_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < (may_be_none ? WCOW_CACHE_NONE : 0) ||
        (number >= 0 && (size_t)number >= limit))
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "\"%s\" is no number of a layer or record", key);
    *ret = (int)number;
    return WCOW_OK;
}

/* The list at @p key; an empty one where it is absent. */
static int read_list(const json_t *object, const char *key, json_t **ret, struct wcow_error *err)
{
    json_t *list = json_object_get(object, key);
    if (list && !json_is_null(list) && !json_is_array(list))
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "\"%s\" is not a list", key);
    if (json_array_size(list) > WCOW_CACHE_CONFIG_MAX_ITEMS)
        return too_many(err);
    *ret = list;
    return WCOW_OK;
}

static int read_annotations(const json_t *json, struct wcow_cache_layer *layer,
                            struct wcow_error *err)
{
    const char *type = NULL;
    int r = wcow_json_string(json, "mediaType", &type, err);
    if (r == WCOW_OK && type && strlen(type) > WCOW_MEDIA_TYPE_MAX)
        r = WCOW_FAIL(err, WCOW_E_CORRUPT, "\"mediaType\" is too long");
    if (r == WCOW_OK && type)
        memcpy(layer->media_type, type, strlen(type) + 1);
    if (r == WCOW_OK)
        r = read_digest(json, "diffID", &layer->diff_id, err);
    if (r == WCOW_OK)
        r = read_time(json, "createdAt", &layer->created_s, err);
    json_int_t size = json_integer_value(json_object_get(json, "size"));
    layer->size_bytes = size > 0 ? (uint64_t)size : 0;
    return r;
}

static int read_layer(const json_t *json, size_t n_layers, struct wcow_cache_config *config,
                      struct wcow_error *err)
{
    struct wcow_cache_layer layer = {0};
    int r = read_digest(json, "blob", &layer.blob, err);
    if (r == WCOW_OK && !layer.blob.text[0])
        r = WCOW_FAIL(err, WCOW_E_CORRUPT, "there is no \"blob\"");
    /* Go leaves a 0 out. */
    const json_t *parent = json_object_get(json, "parent");
    if (r == WCOW_OK && parent)
        r = read_number(parent, "parent", n_layers, true, &layer.parent, err);
    const json_t *annotations = json_object_get(json, "annotations");
    if (r == WCOW_OK && json_is_object(annotations))
        r = read_annotations(annotations, &layer, err);
    return r < 0 ? r : wcow_cache_config_add_layer(config, &layer, err);
}

/* One input is a list of records that would do as well; the first is kept. */
static int read_links(const json_t *json, size_t n_records, struct wcow_cache_record *record,
                      struct wcow_error *err)
{
    json_t *inputs = NULL;
    int r = read_list(json, "inputs", &inputs, err);
    if (r < 0 || json_array_size(inputs) == 0)
        return r;
    record->links = calloc(json_array_size(inputs), sizeof(*record->links));
    if (!record->links)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a build cache");
    for (size_t i = 0; i < json_array_size(inputs); i++) {
        const json_t *input = json_array_get(json_array_get(inputs, i), 0);
        int link = 0;
        if (!json_is_object(input))
            return WCOW_FAIL(err, WCOW_E_CORRUPT, "\"inputs\"[%zu] names no record", i);
        r = read_number(json_object_get(input, "link"), "link", n_records, false, &link, err);
        if (r < 0)
            return r;
        record->links[record->n_links++] = (size_t)link;
    }
    return WCOW_OK;
}

/* The first result: a layer with those below it, or a chain of layers. */
static int read_result(const json_t *json, size_t n_layers, struct wcow_cache_record *record,
                       struct wcow_error *err)
{
    json_t *results = NULL;
    json_t *chains = NULL;
    record->layer = WCOW_CACHE_NONE;
    int r = read_list(json, "layers", &results, err);
    if (r == WCOW_OK)
        r = read_list(json, "chains", &chains, err);
    if (r < 0)
        return r;
    const json_t *result = json_array_get(results, 0);
    const json_t *chain = json_array_get(chains, 0);
    if (result) {
        r = read_number(json_object_get(result, "layer"), "layer", n_layers, false, &record->layer,
                        err);
    } else if (chain) {
        json_t *layers = NULL;
        r = read_list(chain, "layers", &layers, err);
        size_t n = json_array_size(layers);
        if (r == WCOW_OK && n)
            r = read_number(json_array_get(layers, n - 1), "layers", n_layers, false,
                            &record->layer, err);
        result = chain;
    }
    return r < 0 || !result ? r : read_time(result, "createdAt", &record->created_s, err);
}

static int read_own(const json_t *own, struct wcow_cache_record *record, struct wcow_error *err)
{
    const char *text = NULL;
    int r = read_digest(own, "shape", &record->shape, err);
    if (r == WCOW_OK)
        r = wcow_json_string(own, "text", &text, err);
    if (r < 0)
        return r;
    json_int_t bytes = json_integer_value(json_object_get(own, "tarSize"));
    record->tar_bytes = bytes > 0 ? (uint64_t)bytes : 0;
    record->is_empty = json_is_true(json_object_get(own, "empty"));
    record->text = text ? strdup(text) : NULL;
    return text && !record->text ? WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a build cache")
                                 : WCOW_OK;
}

static int read_record(const json_t *json, size_t n_layers, size_t n_records,
                       struct wcow_cache_config *config, struct wcow_error *err)
{
    WCOW_CLEANUP(record_done) struct wcow_cache_record record = {0};
    if (!json_is_object(json))
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "it is not an object");
    int r = read_digest(json, "digest", &record.digest, err);
    if (r == WCOW_OK && !record.digest.text[0])
        r = WCOW_FAIL(err, WCOW_E_CORRUPT, "there is no \"digest\"");
    if (r == WCOW_OK)
        r = read_links(json, n_records, &record, err);
    if (r == WCOW_OK)
        r = read_result(json, n_layers, &record, err);
    const json_t *own = json_object_get(json, "wcow");
    if (r == WCOW_OK && json_is_object(own))
        r = read_own(own, &record, err);
    return r < 0 ? r : take_record(config, &record, err);
}

static int read_layers(const json_t *root, struct wcow_cache_config *config, struct wcow_error *err)
{
    json_t *list = NULL;
    int r = read_list(root, "layers", &list, err);
    for (size_t i = 0; r == WCOW_OK && i < json_array_size(list); i++) {
        r = read_layer(json_array_get(list, i), json_array_size(list), config, err);
        if (r < 0)
            r = wcow_error_wrap(r, err, "\"layers\"[%zu]", i);
    }
    return r;
}

static int read_records(const json_t *root, size_t n_layers, struct wcow_cache_config *config,
                        struct wcow_error *err)
{
    json_t *list = NULL;
    int r = read_list(root, "records", &list, err);
    for (size_t i = 0; r == WCOW_OK && i < json_array_size(list); i++) {
        r = read_record(json_array_get(list, i), n_layers, json_array_size(list), config, err);
        if (r < 0)
            r = wcow_error_wrap(r, err, "\"records\"[%zu]", i);
    }
    return r;
}

int wcow_cache_config_parse(const void *data, size_t len, struct wcow_cache_config *ret,
                            struct wcow_error *err)
{
    wcow_autojson *root = NULL;
    int r =
        wcow_json_parse_object(data, len, WCOW_CACHE_CONFIG_MAX_BYTES, "cache config", &root, err);
    WCOW_CLEANUP(wcow_cache_config_done) struct wcow_cache_config config = {0};
    if (r == WCOW_OK)
        r = read_layers(root, &config, err);
    if (r == WCOW_OK)
        r = read_records(root, config.n_layers, &config, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "the cache config");
    *ret = config;
    config = (struct wcow_cache_config){0};
    return WCOW_OK;
}

int wcow_cache_config_parse_records(const void *data, size_t len, size_t n_layers,
                                    struct wcow_cache_config *ret, struct wcow_error *err)
{
    wcow_autobuf whole = {0};
    wcow_autojson *root = NULL;
    WCOW_CLEANUP(wcow_cache_config_done) struct wcow_cache_config config = {0};
    int r = wcow_buf_add_str(&whole, "{\"records\":", err);
    if (r == WCOW_OK)
        r = wcow_buf_add(&whole, data, len, err);
    if (r == WCOW_OK)
        r = wcow_buf_add_str(&whole, "}", err);
    if (r == WCOW_OK)
        r = wcow_json_parse_object(whole.data, whole.len, WCOW_CACHE_CONFIG_MAX_BYTES,
                                   "inline cache", &root, err);
    if (r == WCOW_OK)
        r = read_records(root, n_layers, &config, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "the inline cache");
    *ret = config;
    config = (struct wcow_cache_config){0};
    return WCOW_OK;
}

/* ---- writing ---- */

static json_t *time_json(int64_t seconds)
{
    char text[WCOW_TIME_TEXT_MAX];
    return wcow_time_format(seconds, 0, text, NULL) < 0 ? NULL : json_string(text);
}

static json_t *layer_json(const struct wcow_cache_layer *layer)
{
    wcow_autojson *annotations = json_object();
    bool bad = !annotations;
    if (layer->media_type[0])
        bad |= json_object_set_new(annotations, "mediaType", json_string(layer->media_type)) < 0;
    if (layer->diff_id.text[0])
        bad |= json_object_set_new(annotations, "diffID", json_string(layer->diff_id.text)) < 0;
    if (layer->size_bytes)
        bad |= json_object_set_new(annotations, "size",
                                   json_integer((json_int_t)layer->size_bytes)) < 0;
    bad |= json_object_set_new(annotations, "createdAt", time_json(layer->created_s)) < 0;
    wcow_autojson *json = json_object();
    bad |= json_object_set_new(json, "blob", json_string(layer->blob.text)) < 0;
    if (layer->parent != 0)
        bad |= json_object_set_new(json, "parent", json_integer(layer->parent)) < 0;
    bad |= json_object_set(json, "annotations", annotations) < 0;
    return bad ? NULL : WCOW_TAKE_PTR(json);
}

static json_t *own_json(const struct wcow_cache_record *record)
{
    wcow_autojson *own = json_object();
    bool bad = !own;
    if (record->shape.text[0])
        bad |= json_object_set_new(own, "shape", json_string(record->shape.text)) < 0;
    if (record->tar_bytes)
        bad |= json_object_set_new(own, "tarSize", json_integer((json_int_t)record->tar_bytes)) < 0;
    if (record->is_empty)
        bad |= json_object_set_new(own, "empty", json_true()) < 0;
    if (record->text)
        bad |= json_object_set_new(own, "text", json_string(record->text)) < 0;
    return bad ? NULL : WCOW_TAKE_PTR(own);
}

static json_t *record_json(const struct wcow_cache_record *record)
{
    wcow_autojson *json = json_object();
    bool bad = !json;
    if (record->layer != WCOW_CACHE_NONE)
        bad |= json_object_set_new(json, "layers",
                                   json_pack("[{s:i, s:o}]", "layer", record->layer, "createdAt",
                                             time_json(record->created_s))) < 0;
    bad |= json_object_set_new(json, "digest", json_string(record->digest.text)) < 0;
    wcow_autojson *inputs = json_array();
    for (size_t i = 0; i < record->n_links; i++)
        bad |= json_array_append_new(
                   inputs, json_pack("[{s:I}]", "link", (json_int_t)record->links[i])) < 0;
    if (record->n_links)
        bad |= json_object_set(json, "inputs", inputs) < 0;
    wcow_autojson *own = own_json(record);
    bad |= !own;
    if (own && json_object_size(own))
        bad |= json_object_set(json, "wcow", own) < 0;
    return bad ? NULL : WCOW_TAKE_PTR(json);
}

static json_t *records_json(const struct wcow_cache_config *config)
{
    wcow_autojson *list = json_array();
    for (size_t i = 0; list && i < config->n_records; i++) {
        if (json_array_append_new(list, record_json(&config->records[i])) < 0)
            return NULL;
    }
    return WCOW_TAKE_PTR(list);
}

int wcow_cache_config_write(const struct wcow_cache_config *config, struct wcow_buf *out,
                            struct wcow_error *err)
{
    wcow_autojson *root = json_object();
    wcow_autojson *layers = json_array();
    bool bad = !root || !layers;
    for (size_t i = 0; i < config->n_layers; i++)
        bad |= json_array_append_new(layers, layer_json(&config->layers[i])) < 0;
    bad |= json_object_set(root, "layers", layers) < 0;
    bad |= json_object_set_new(root, "records", records_json(config)) < 0;
    return bad ? wcow_json_nomem(err) : wcow_json_write(root, out, err);
}

int wcow_cache_config_write_records(const struct wcow_cache_config *config, struct wcow_buf *out,
                                    struct wcow_error *err)
{
    wcow_autojson *list = records_json(config);
    return list ? wcow_json_write(list, out, err) : wcow_json_nomem(err);
}
