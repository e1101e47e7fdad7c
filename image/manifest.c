/* SPDX-License-Identifier: Apache-2.0 */
#include "image/manifest.h"

#include <string.h>

#include "image/json.h"

int wcow_manifest_detect(const void *data, size_t len, const char **ret, struct wcow_error *err)
{
    wcow_autojson *json = NULL;
    int r = wcow_json_parse_object(data, len, WCOW_MANIFEST_MAX_BYTES, "manifest", &json, err);
    const char *media_type = NULL;
    if (r == WCOW_OK)
        r = wcow_json_string(json, "mediaType", &media_type, err);
    if (r < 0)
        return r;
    if (json_object_get(json, "fsLayers"))
        *ret = WCOW_MEDIA_DOCKER_MANIFEST_V1;
    else if (media_type && strcmp(media_type, WCOW_MEDIA_DOCKER_INDEX) == 0)
        *ret = WCOW_MEDIA_DOCKER_INDEX;
    else if (media_type && strcmp(media_type, WCOW_MEDIA_DOCKER_MANIFEST) == 0)
        *ret = WCOW_MEDIA_DOCKER_MANIFEST;
    else if (json_object_get(json, "manifests"))
        *ret = WCOW_MEDIA_OCI_INDEX;
    else if (json_object_get(json, "layers"))
        *ret = WCOW_MEDIA_OCI_MANIFEST;
    else
        return WCOW_FAIL(err, WCOW_E_CORRUPT,
                         "the document is neither an image manifest nor an index: it has neither "
                         "\"layers\" nor \"manifests\"");
    return WCOW_OK;
}

/* The media type that holds: what the document says, what its bearer said, or @p fallback. */
static int settle_media_type(const json_t *json, const char *told, const char *fallback, char *to,
                             struct wcow_error *err)
{
    const char *own = NULL;
    int r = wcow_json_string(json, "mediaType", &own, err);
    if (r < 0)
        return r;
    if (own && told && *told && strcmp(own, told) != 0)
        return WCOW_FAIL(err, WCOW_E_CORRUPT,
                         "the manifest calls itself \"%.80s\" but was announced as \"%.80s\"", own,
                         told);
    const char *type = own ? own : told && *told ? told : fallback;
    if (strlen(type) > WCOW_MEDIA_TYPE_MAX)
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "the media type \"%.80s\" is too long", type);
    memcpy(to, type, strlen(type) + 1);
    return WCOW_OK;
}

/* Common to both: schemaVersion 2, and none of the other document's fields, so that nobody can
 * read the same bytes as something else. */
static int check_shape(const json_t *json, const char *what, const char *list,
                       const char *const *foreign, struct wcow_error *err)
{
    if (json_object_get(json, "fsLayers") || json_object_get(json, "signatures"))
        return WCOW_FAIL(
            err, WCOW_E_UNSUPPORTED,
            "this is a manifest of schema version 1, which registries gave up in 2019; "
            "push the image again with a current tool");
    const json_t *version = json_object_get(json, "schemaVersion");
    if (!json_is_integer(version) || json_integer_value(version) != 2)
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "the %s has no \"schemaVersion\": 2", what);
    for (; *foreign; foreign++)
        if (json_object_get(json, *foreign))
            return WCOW_FAIL(err, WCOW_E_CORRUPT, "the %s has a field \"%s\", which is none of its",
                             what, *foreign);
    const json_t *array = json_object_get(json, list);
    if (array && !json_is_null(array) && !json_is_array(array))
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "\"%s\" of the %s is not a list", list, what);
    if (json_array_size(array) > WCOW_MANIFEST_MAX_ENTRIES)
        return WCOW_FAIL(err, WCOW_E_LIMIT, "the %s lists %zu %s, more than the limit of %d", what,
                         json_array_size(array), list, WCOW_MANIFEST_MAX_ENTRIES);
    return WCOW_OK;
}

/* Read @p array into a new array of descriptors; what was read is in *ret even on failure. */
static int read_descriptors(const json_t *array, const char *key, struct wcow_descriptor **ret,
                            size_t *ret_count, struct wcow_error *err)
{
    size_t n = json_array_size(array);
    if (!n)
        return WCOW_OK;
    *ret = calloc(n, sizeof(**ret));
    if (!*ret)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for %zu descriptors", n);
    for (size_t i = 0; i < n; i++) {
        int r = wcow_descriptor_from_json(json_array_get(array, i), &(*ret)[i], err);
        if (r < 0)
            return wcow_error_wrap(r, err, "\"%s\"[%zu]", key, i);
        *ret_count = i + 1;
    }
    return WCOW_OK;
}

static int append_descriptor(struct wcow_descriptor **list, size_t *count,
                             const struct wcow_descriptor *desc, struct wcow_error *err)
{
    wcow_auto_descriptor copy = {0};
    int r = wcow_descriptor_copy(desc, &copy, err);
    if (r < 0)
        return r;
    if (*count >= WCOW_MANIFEST_MAX_ENTRIES)
        return WCOW_FAIL(err, WCOW_E_LIMIT, "a manifest may list at most %d entries",
                         WCOW_MANIFEST_MAX_ENTRIES);
    struct wcow_descriptor *grown = realloc(*list, (*count + 1) * sizeof(*grown));
    if (!grown)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for %zu descriptors", *count + 1);
    *list = grown;
    grown[(*count)++] = copy;
    copy = (struct wcow_descriptor){0};
    return WCOW_OK;
}

static void free_descriptors(struct wcow_descriptor *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        wcow_descriptor_done(&list[i]);
    free(list);
}

/* The fields of @p json but the @p known ones. */
static int keep_extra(json_t *json, const char *const *known, json_t **ret, struct wcow_error *err)
{
    wcow_autojson *extra = json_copy(json);
    if (!extra)
        return wcow_json_nomem(err);
    for (; *known; known++)
        (void)json_object_del(extra, *known);
    *ret = WCOW_TAKE_PTR(extra);
    return WCOW_OK;
}

int wcow_manifest_parse(const void *data, size_t len, const char *media_type,
                        struct wcow_manifest *ret, struct wcow_error *err)
{
    static const char *const foreign[] = {"manifests", NULL};
    static const char *const known[] = {"schemaVersion", "mediaType",   "config",
                                        "layers",        "annotations", NULL};
    wcow_autojson *json = NULL;
    wcow_auto_manifest m = {0};
    int r = wcow_json_parse_object(data, len, WCOW_MANIFEST_MAX_BYTES, "manifest", &json, err);
    if (r == WCOW_OK)
        r = settle_media_type(json, media_type, WCOW_MEDIA_OCI_MANIFEST, m.media_type, err);
    if (r < 0)
        return r;
    if (wcow_media_is_index(m.media_type))
        return WCOW_FAIL(err, WCOW_E_UNSUPPORTED,
                         "this is an index of several platforms, not one image's manifest");
    r = check_shape(json, "manifest", "layers", foreign, err);
    if (r < 0)
        return r;
    if (!wcow_media_is_manifest(m.media_type))
        return WCOW_FAIL(err, WCOW_E_UNSUPPORTED, "\"%.120s\" is not an image manifest",
                         m.media_type);
    r = wcow_descriptor_from_json(json_object_get(json, "config"), &m.config, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "\"config\" of the manifest");
    r = read_descriptors(json_object_get(json, "layers"), "layers", &m.layers, &m.layer_count, err);
    if (r == WCOW_OK)
        r = wcow_json_string_map(json, "annotations", &m.annotations, err);
    if (r == WCOW_OK)
        r = keep_extra(json, known, &m.extra, err);
    if (r < 0)
        return r;
    *ret = m;
    m = (struct wcow_manifest){0};
    return WCOW_OK;
}

int wcow_manifest_add_layer(struct wcow_manifest *manifest, const struct wcow_descriptor *layer,
                            struct wcow_error *err)
{
    return append_descriptor(&manifest->layers, &manifest->layer_count, layer, err);
}

static int write_descriptors(const struct wcow_descriptor *list, size_t count, json_t *object,
                             const char *key, struct wcow_error *err)
{
    wcow_autojson *array = json_array();
    if (!array)
        return wcow_json_nomem(err);
    for (size_t i = 0; i < count; i++) {
        json_t *entry = NULL;
        int r = wcow_descriptor_to_json(&list[i], &entry, err);
        if (r < 0)
            return r;
        if (json_array_append_new(array, entry) < 0)
            return wcow_json_nomem(err);
    }
    return json_object_set(object, key, array) < 0 ? wcow_json_nomem(err) : WCOW_OK;
}

/* A new object of @p extra with the two fields that open every manifest. */
static int start_document(json_t *extra, const char *media_type,
                          const struct wcow_str_map *annotations, json_t **ret,
                          struct wcow_error *err)
{
    wcow_autojson *object = extra ? json_copy(extra) : json_object();
    if (!object)
        return wcow_json_nomem(err);
    bool bad = json_object_set_new(object, "schemaVersion", json_integer(2)) < 0;
    bad |= json_object_set_new(object, "mediaType", json_string(media_type)) < 0;
    if (annotations->count && !wcow_media_is_docker(media_type))
        bad |= json_object_set_new(object, "annotations", wcow_json_from_map(annotations)) < 0;
    if (bad)
        return wcow_json_nomem(err);
    *ret = WCOW_TAKE_PTR(object);
    return WCOW_OK;
}

static int write_document(json_t *object, const char *const *order, struct wcow_buf *out,
                          struct wcow_error *err)
{
    wcow_autojson *ordered = wcow_json_ordered(object, order);
    return ordered ? wcow_json_write(ordered, out, err) : wcow_json_nomem(err);
}

int wcow_manifest_write(const struct wcow_manifest *manifest, struct wcow_buf *out,
                        struct wcow_error *err)
{
    static const char *const order[] = {"schemaVersion", "mediaType", "artifactType", "config",
                                        "layers",        "subject",   "annotations",  NULL};
    const char *type = manifest->media_type[0] ? manifest->media_type : WCOW_MEDIA_OCI_MANIFEST;
    wcow_autojson *object = NULL;
    int r = start_document(manifest->extra, type, &manifest->annotations, &object, err);
    json_t *config = NULL;
    if (r == WCOW_OK)
        r = wcow_descriptor_to_json(&manifest->config, &config, err);
    if (r == WCOW_OK && json_object_set_new(object, "config", config) < 0)
        r = wcow_json_nomem(err);
    if (r == WCOW_OK)
        r = write_descriptors(manifest->layers, manifest->layer_count, object, "layers", err);
    return r == WCOW_OK ? write_document(object, order, out, err) : r;
}

void wcow_manifest_done(struct wcow_manifest *manifest)
{
    wcow_descriptor_done(&manifest->config);
    free_descriptors(manifest->layers, manifest->layer_count);
    wcow_str_map_done(&manifest->annotations);
    json_decref(manifest->extra);
    *manifest = (struct wcow_manifest){0};
}

int wcow_index_parse(const void *data, size_t len, const char *media_type, struct wcow_index *ret,
                     struct wcow_error *err)
{
    static const char *const foreign[] = {"layers", "config", NULL};
    static const char *const known[] = {"schemaVersion", "mediaType", "manifests", "annotations",
                                        NULL};
    wcow_autojson *json = NULL;
    wcow_auto_index x = {0};
    int r = wcow_json_parse_object(data, len, WCOW_MANIFEST_MAX_BYTES, "index", &json, err);
    if (r == WCOW_OK)
        r = settle_media_type(json, media_type, WCOW_MEDIA_OCI_INDEX, x.media_type, err);
    if (r < 0)
        return r;
    if (!wcow_media_is_index(x.media_type))
        return WCOW_FAIL(err, WCOW_E_UNSUPPORTED, "\"%.120s\" is not an index of images",
                         x.media_type);
    r = check_shape(json, "index", "manifests", foreign, err);
    if (r == WCOW_OK)
        r = read_descriptors(json_object_get(json, "manifests"), "manifests", &x.manifests,
                             &x.manifest_count, err);
    if (r == WCOW_OK)
        r = wcow_json_string_map(json, "annotations", &x.annotations, err);
    if (r == WCOW_OK)
        r = keep_extra(json, known, &x.extra, err);
    if (r < 0)
        return r;
    *ret = x;
    x = (struct wcow_index){0};
    return WCOW_OK;
}

int wcow_index_add(struct wcow_index *index, const struct wcow_descriptor *manifest,
                   struct wcow_error *err)
{
    return append_descriptor(&index->manifests, &index->manifest_count, manifest, err);
}

int wcow_index_write(const struct wcow_index *index, struct wcow_buf *out, struct wcow_error *err)
{
    static const char *const order[] = {
        "schemaVersion", "mediaType", "artifactType", "manifests", "subject", "annotations", NULL};
    const char *type = index->media_type[0] ? index->media_type : WCOW_MEDIA_OCI_INDEX;
    wcow_autojson *object = NULL;
    int r = start_document(index->extra, type, &index->annotations, &object, err);
    if (r == WCOW_OK)
        r = write_descriptors(index->manifests, index->manifest_count, object, "manifests", err);
    return r == WCOW_OK ? write_document(object, order, out, err) : r;
}

bool wcow_descriptor_is_attestation(const struct wcow_descriptor *desc)
{
    const char *type = wcow_str_map_get(&desc->annotations, WCOW_ANNOTATION_ATTESTATION);
    return type && strcmp(type, "attestation-manifest") == 0;
}

/* "a, b, c" of the entries' platforms, cut where it grows long. */
static int list_platforms(const struct wcow_index *index, struct wcow_buf *out,
                          struct wcow_error *err)
{
    enum { LIST_MAX = 240 };
    for (size_t i = 0; i < index->manifest_count; i++) {
        const struct wcow_descriptor *d = &index->manifests[i];
        if (!d->has_platform || wcow_descriptor_is_attestation(d))
            continue;
        if (out->len > LIST_MAX)
            return wcow_buf_add_str(out, ", …", err);
        int r = out->len ? wcow_buf_add_str(out, ", ", err) : WCOW_OK;
        if (r == WCOW_OK)
            r = wcow_platform_format(&d->platform, out, err);
        if (r < 0)
            return r;
    }
    return out->len ? WCOW_OK : wcow_buf_add_str(out, "no platform at all", err);
}

int wcow_index_select(const struct wcow_index *index, const struct wcow_platform *wanted,
                      const struct wcow_descriptor **ret, struct wcow_error *err)
{
    const struct wcow_descriptor *best = NULL;
    for (size_t i = 0; i < index->manifest_count; i++) {
        const struct wcow_descriptor *d = &index->manifests[i];
        if (!d->has_platform || wcow_descriptor_is_attestation(d) ||
            !wcow_platform_matches(wanted, &d->platform))
            continue;
        if (!best || wcow_platform_compare(wanted, &d->platform, &best->platform) < 0)
            best = d;
    }
    if (best) {
        *ret = best;
        return WCOW_OK;
    }
    wcow_autobuf want = {0};
    wcow_autobuf have = {0};
    int r = wcow_platform_format(wanted, &want, err);
    if (r == WCOW_OK)
        r = list_platforms(index, &have, err);
    if (r < 0)
        return r;
    return WCOW_FAIL(err, WCOW_E_NOT_FOUND, "no image for the platform %s; there is: %s",
                     (const char *)want.data, (const char *)have.data);
}

void wcow_index_done(struct wcow_index *index)
{
    free_descriptors(index->manifests, index->manifest_count);
    wcow_str_map_done(&index->annotations);
    json_decref(index->extra);
    *index = (struct wcow_index){0};
}
