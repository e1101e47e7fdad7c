/* SPDX-License-Identifier: Apache-2.0 */
#include "image/descriptor.h"

#include <stdio.h>
#include <string.h>

#include "image/json.h"

int wcow_descriptor_init(struct wcow_descriptor *ret, const char *media_type, const char *digest,
                         uint64_t size_bytes, struct wcow_error *err)
{
    size_t len = strlen(media_type);
    if (!len || len > WCOW_MEDIA_TYPE_MAX)
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "the media type \"%.80s\" is empty or over %d bytes",
                         media_type, WCOW_MEDIA_TYPE_MAX);
    if (!wcow_digest_is_valid(digest)) {
        if (strncmp(digest, "sha512:", 7) == 0 || strncmp(digest, "blake3:", 7) == 0)
            return WCOW_FAIL(err, WCOW_E_UNSUPPORTED,
                             "the digest \"%.80s\" is not sha256, the only kind known here",
                             digest);
        return WCOW_FAIL(err, WCOW_E_CORRUPT,
                         "\"%.80s\" is not a digest (sha256: and 64 lower-case hex digits)",
                         digest);
    }
    *ret = (struct wcow_descriptor){.size_bytes = size_bytes};
    memcpy(ret->media_type, media_type, len + 1);
    memcpy(ret->digest.text, digest, sizeof(ret->digest.text));
    return WCOW_OK;
}

static int read_field(const json_t *json, const char *key, char *to, size_t max_len,
                      struct wcow_error *err)
{
    const char *text = NULL;
    int r = wcow_json_string(json, key, &text, err);
    if (r < 0 || !text)
        return r;
    size_t len = strlen(text);
    if (len > max_len)
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "\"%s\" of the platform is over %zu bytes", key,
                         max_len);
    memcpy(to, text, len + 1);
    return WCOW_OK;
}

static int read_features(const json_t *json, struct wcow_platform *ret, struct wcow_error *err)
{
    wcow_auto_str_list features = {0};
    int r = wcow_json_string_list(json, "os.features", &features, err);
    size_t used = 0;
    for (size_t i = 0; r == WCOW_OK && i < features.count; i++) {
        const char *text = features.items[i];
        if (!*text || strchr(text, '+') || used + strlen(text) + 1 > WCOW_PLATFORM_FEATURES_MAX)
            return WCOW_FAIL(err, WCOW_E_CORRUPT, "\"os.features\"[%zu] \"%.40s\" is not valid", i,
                             text);
        used += (size_t)snprintf(ret->os_features + used, sizeof(ret->os_features) - used, "%s%s",
                                 used ? "+" : "", text);
    }
    return r;
}

int wcow_platform_from_json(const json_t *json, struct wcow_platform *ret, struct wcow_error *err)
{
    if (!json_is_object(json))
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "\"platform\" is not an object");
    struct wcow_platform p = {0};
    int r = read_field(json, "architecture", p.architecture, WCOW_PLATFORM_FIELD_MAX, err);
    if (r == WCOW_OK)
        r = read_field(json, "os", p.os, WCOW_PLATFORM_FIELD_MAX, err);
    if (r == WCOW_OK)
        r = read_field(json, "os.version", p.os_version, WCOW_PLATFORM_FIELD_MAX, err);
    if (r == WCOW_OK)
        r = read_field(json, "variant", p.variant, WCOW_PLATFORM_FIELD_MAX, err);
    if (r == WCOW_OK)
        r = read_features(json, &p, err);
    if (r == WCOW_OK)
        *ret = p;
    return r;
}

static json_t *features_to_json(const char *features)
{
    wcow_autojson *array = json_array();
    while (array && *features) {
        size_t len = strcspn(features, "+");
        if (len && json_array_append_new(array, json_stringn(features, len)) < 0)
            return NULL;
        features += len + (features[len] == '+');
    }
    return WCOW_TAKE_PTR(array);
}

int wcow_platform_into_json(const struct wcow_platform *p, json_t *object, struct wcow_error *err)
{
    const struct {
        const char *key;
        json_t *value;
        bool has;
    } fields[] = {
        {"architecture", json_string(p->architecture), true},
        {"os", json_string(p->os), true},
        {"os.version", json_string(p->os_version), p->os_version[0] != '\0'},
        {"os.features", features_to_json(p->os_features), p->os_features[0] != '\0'},
        {"variant", json_string(p->variant), p->variant[0] != '\0'},
    };
    bool bad = false;
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (fields[i].has)
            bad |= json_object_set_new(object, fields[i].key, fields[i].value) < 0;
        else
            json_decref(fields[i].value);
        if (!fields[i].has)
            (void)json_object_del(object, fields[i].key);
    }
    return bad ? wcow_json_nomem(err) : WCOW_OK;
}

/* What of the platform's object is not held in struct wcow_platform (Docker's "features"). */
static json_t *unknown_of_platform(const json_t *platform)
{
    static const char *const known[] = {"architecture", "os", "os.version", "os.features",
                                        "variant"};
    json_t *rest = json_deep_copy(platform);
    for (size_t i = 0; rest && i < sizeof(known) / sizeof(known[0]); i++)
        (void)json_object_del(rest, known[i]);
    return rest;
}

static int keep_extra(const json_t *json, struct wcow_descriptor *ret, struct wcow_error *err)
{
    static const char *const known[] = {"mediaType", "digest", "size", "urls", "annotations"};
    ret->extra = json_deep_copy(json);
    if (!ret->extra)
        return wcow_json_nomem(err);
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        (void)json_object_del(ret->extra, known[i]);
    if (!ret->has_platform) {
        (void)json_object_del(ret->extra, "platform");
        return WCOW_OK;
    }
    json_t *rest = unknown_of_platform(json_object_get(json, "platform"));
    if (!rest || json_object_set_new(ret->extra, "platform", rest) < 0)
        return wcow_json_nomem(err);
    if (json_object_size(rest) == 0)
        (void)json_object_del(ret->extra, "platform");
    return WCOW_OK;
}

static int read_required(const json_t *json, struct wcow_descriptor *ret, struct wcow_error *err)
{
    const char *media_type = NULL;
    const char *digest = NULL;
    int r = wcow_json_string(json, "mediaType", &media_type, err);
    if (r == WCOW_OK)
        r = wcow_json_string(json, "digest", &digest, err);
    if (r < 0)
        return r;
    const json_t *size = json_object_get(json, "size");
    if (!media_type || !digest || !json_is_integer(size) || json_integer_value(size) < 0)
        return WCOW_FAIL(err, WCOW_E_CORRUPT,
                         "a descriptor needs \"mediaType\", \"digest\" and a \"size\" that is not "
                         "negative");
    return wcow_descriptor_init(ret, media_type, digest, (uint64_t)json_integer_value(size), err);
}

int wcow_descriptor_from_json(const struct json_t *json, struct wcow_descriptor *ret,
                              struct wcow_error *err)
{
    if (!json_is_object(json))
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "a descriptor is not an object");
    wcow_auto_descriptor d = {0};
    int r = read_required(json, &d, err);
    if (r == WCOW_OK)
        r = wcow_json_string_list(json, "urls", &d.urls, err);
    if (r == WCOW_OK)
        r = wcow_json_string_map(json, "annotations", &d.annotations, err);
    const json_t *platform = json_object_get(json, "platform");
    d.has_platform = platform && !json_is_null(platform);
    if (r == WCOW_OK && d.has_platform)
        r = wcow_platform_from_json(platform, &d.platform, err);
    if (r == WCOW_OK)
        r = keep_extra(json, &d, err);
    if (r < 0)
        return r;
    *ret = d;
    d = (struct wcow_descriptor){0};
    return WCOW_OK;
}

static int platform_to_json(const struct wcow_descriptor *desc, json_t *object,
                            struct wcow_error *err)
{
    static const char *const order[] = {"architecture", "os",      "os.version",
                                        "os.features",  "variant", NULL};
    wcow_autojson *platform = json_deep_copy(json_object_get(desc->extra, "platform"));
    if (!platform)
        platform = json_object();
    if (!platform)
        return wcow_json_nomem(err);
    int r = wcow_platform_into_json(&desc->platform, platform, err);
    if (r < 0)
        return r;
    if (json_object_set_new(object, "platform", wcow_json_ordered(platform, order)) < 0)
        return wcow_json_nomem(err);
    return WCOW_OK;
}

int wcow_descriptor_to_json(const struct wcow_descriptor *desc, struct json_t **ret,
                            struct wcow_error *err)
{
    static const char *const order[] = {"mediaType", "digest",       "size",
                                        "urls",      "annotations",  "data",
                                        "platform",  "artifactType", NULL};
    wcow_autojson *object = desc->extra ? json_deep_copy(desc->extra) : json_object();
    if (!object)
        return wcow_json_nomem(err);
    bool bad = json_object_set_new(object, "mediaType", json_string(desc->media_type)) < 0;
    bad |= json_object_set_new(object, "digest", json_string(desc->digest.text)) < 0;
    bad |= json_object_set_new(object, "size", json_integer((json_int_t)desc->size_bytes)) < 0;
    if (desc->urls.count)
        bad |= json_object_set_new(object, "urls", wcow_json_from_list(&desc->urls)) < 0;
    if (desc->annotations.count)
        bad |=
            json_object_set_new(object, "annotations", wcow_json_from_map(&desc->annotations)) < 0;
    if (bad)
        return wcow_json_nomem(err);
    (void)json_object_del(object, "platform");
    int r = desc->has_platform ? platform_to_json(desc, object, err) : WCOW_OK;
    if (r < 0)
        return r;
    json_t *ordered = wcow_json_ordered(object, order);
    if (!ordered)
        return wcow_json_nomem(err);
    *ret = ordered;
    return WCOW_OK;
}

int wcow_descriptor_copy(const struct wcow_descriptor *desc, struct wcow_descriptor *ret,
                         struct wcow_error *err)
{
    wcow_auto_descriptor d = *desc;
    d.urls = (struct wcow_str_list){0};
    d.annotations = (struct wcow_str_map){0};
    d.extra = desc->extra ? json_deep_copy(desc->extra) : NULL;
    if (desc->extra && !d.extra)
        return wcow_json_nomem(err);
    int r = wcow_str_list_copy(&d.urls, &desc->urls, err);
    if (r == WCOW_OK)
        r = wcow_str_map_copy(&d.annotations, &desc->annotations, err);
    if (r < 0)
        return r;
    *ret = d;
    d = (struct wcow_descriptor){0};
    return WCOW_OK;
}

void wcow_descriptor_done(struct wcow_descriptor *desc)
{
    wcow_str_list_done(&desc->urls);
    wcow_str_map_done(&desc->annotations);
    json_decref(desc->extra);
    *desc = (struct wcow_descriptor){0};
}
