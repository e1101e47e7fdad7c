/* SPDX-License-Identifier: Apache-2.0 */
#include "image/docker_archive.h"

#include <stdlib.h>
#include <string.h>

#include "image/json.h"
#include "image/manifest.h"
#include "image/reference.h"

void wcow_docker_image_done(struct wcow_docker_image *image)
{
    free(image->config);
    wcow_str_list_done(&image->layers);
    wcow_str_list_done(&image->names);
    *image = (struct wcow_docker_image){0};
}

static int read_image(const json_t *json, struct wcow_docker_image *ret, struct wcow_error *err)
{
    wcow_auto_docker_image image = {0};
    const char *config = NULL;
    if (!json_is_object(json))
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "an image that is not a JSON object");
    int r = wcow_json_string(json, "Config", &config, err);
    if (r == WCOW_OK)
        r = wcow_json_string_list(json, "Layers", &image.layers, err);
    if (r == WCOW_OK)
        r = wcow_json_string_list(json, "RepoTags", &image.names, err);
    if (r < 0)
        return r;
    if (!config || !*config)
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "an image without a \"Config\"");
    image.config = strdup(config);
    if (!image.config)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for an image");
    *ret = image;
    image = (struct wcow_docker_image){0};
    return WCOW_OK;
}

static bool is_same_reference(const char *a, const char *b)
{
    struct wcow_reference x;
    struct wcow_reference y;
    wcow_autobuf text_x = {0};
    wcow_autobuf text_y = {0};
    return wcow_reference_parse(a, &x, NULL) == WCOW_OK &&
           wcow_reference_parse(b, &y, NULL) == WCOW_OK &&
           wcow_reference_format(&x, &text_x, NULL) == WCOW_OK &&
           wcow_reference_format(&y, &text_y, NULL) == WCOW_OK &&
           strcmp((const char *)text_x.data, (const char *)text_y.data) == 0;
}

static bool is_called(const struct wcow_docker_image *image, const char *tag)
{
    for (size_t i = 0; i < image->names.count; i++) {
        const char *name = image->names.items[i];
        const char *colon = strrchr(name, ':');
        if (strcmp(name, tag) == 0 || (colon && strcmp(colon + 1, tag) == 0) ||
            is_same_reference(name, tag))
            return true;
    }
    return false;
}

static int add_names(const struct wcow_docker_image *image, struct wcow_buf *names,
                     struct wcow_error *err)
{
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < image->names.count; i++)
        r = wcow_buf_addf(names, err, "%s%s", names->len ? ", " : "", image->names.items[i]);
    return r;
}

static int not_one(size_t n, const char *tag, const struct wcow_buf *names, struct wcow_error *err)
{
    const char *list = names->len ? (const char *)names->data : "none with a name";
    if (tag)
        return WCOW_FAIL(err, WCOW_E_NOT_FOUND, "no image \"%s\"; there is: %s", tag, list);
    return WCOW_FAIL(err, WCOW_E_INVALID, "%zu images; name one with :TAG: %s", n, list);
}

/* The image that is meant; its place in *ret is taken by no other. */
static int choose(const json_t *array, const char *tag, struct wcow_docker_image *ret,
                  struct wcow_error *err)
{
    wcow_autobuf names = {0};
    size_t n = json_array_size(array);
    for (size_t i = 0; i < n; i++) {
        wcow_auto_docker_image image = {0};
        int r = read_image(json_array_get(array, i), &image, err);
        if (r < 0)
            return r;
        if (tag ? is_called(&image, tag) : n == 1) {
            *ret = image;
            image = (struct wcow_docker_image){0};
            return WCOW_OK;
        }
        r = add_names(&image, &names, err);
        if (r < 0)
            return r;
    }
    return not_one(n, tag, &names, err);
}

int wcow_docker_image_parse(const void *manifest_json, size_t len, const char *tag,
                            struct wcow_docker_image *ret, struct wcow_error *err)
{
    wcow_autojson *array = NULL;
    int r = wcow_json_parse_array(manifest_json, len, WCOW_MANIFEST_MAX_BYTES, "manifest.json",
                                  &array, err);
    if (r < 0)
        return r;
    r = choose(array, tag, ret, err);
    return r < 0 ? wcow_error_wrap(r, err, "manifest.json") : WCOW_OK;
}
