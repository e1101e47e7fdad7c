/* SPDX-License-Identifier: Apache-2.0 */
#include "image/build_metadata.h"

#include <stdlib.h>

#include "image/json.h"

static int add_image(const struct wcow_build_metadata *m, json_t *object, struct wcow_error *err)
{
    wcow_autobuf names = {0};
    json_t *descriptor = NULL;
    int r = wcow_descriptor_to_json(m->target, &descriptor, err);
    if (r < 0)
        return r;
    bool bad = json_object_set_new(object, "containerimage.descriptor", descriptor) < 0;
    bad |= json_object_set_new(object, "containerimage.digest",
                               json_string(m->target->digest.text)) < 0;
    if (m->config)
        bad |= json_object_set_new(object, "containerimage.config.digest",
                                   json_string(m->config->text)) < 0;
    for (size_t i = 0; r == WCOW_OK && i < m->names->count; i++)
        r = wcow_buf_addf(&names, err, "%s%s", i ? "," : "", m->names->items[i]);
    if (r < 0)
        return r;
    if (names.len > 0)
        bad |= json_object_set_new(object, "image.name", json_string((const char *)names.data)) < 0;
    return bad ? wcow_json_nomem(err) : WCOW_OK;
}

/* One platform's stands under the plain key, those of several under theirs. */
static int add_predicate(const struct wcow_build_metadata *m, size_t i, json_t *object,
                         struct wcow_error *err)
{
    wcow_autobuf key = {0};
    int r = wcow_buf_add_str(&key, "buildx.build.provenance", err);
    if (r == WCOW_OK && m->n_predicates > 1)
        r = wcow_buf_add_str(&key, "/", err);
    if (r == WCOW_OK && m->n_predicates > 1)
        r = wcow_platform_format(m->predicates[i].platform, &key, err);
    if (r == WCOW_OK &&
        json_object_set(object, (const char *)key.data, m->predicates[i].predicate) < 0)
        r = wcow_json_nomem(err);
    return r;
}

int wcow_build_metadata_write(const struct wcow_build_metadata *metadata, struct wcow_buf *out,
                              struct wcow_error *err)
{
    wcow_autojson *object = json_object();
    int r = object ? add_image(metadata, object, err) : wcow_json_nomem(err);
    for (size_t i = 0; r == WCOW_OK && i < metadata->n_predicates; i++)
        r = add_predicate(metadata, i, object, err);
    if (r < 0)
        return r;
    wcow_autofree char *text = json_dumps(object, JSON_INDENT(2) | JSON_SORT_KEYS);
    return text ? wcow_buf_addf(out, err, "%s\n", text) : wcow_json_nomem(err);
}
