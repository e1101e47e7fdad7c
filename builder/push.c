/* SPDX-License-Identifier: Apache-2.0 */
/* An image into a registry: its layers, each sent only where the registry has not got it, then
 * config and manifest. */
#include <stdlib.h>
#include <string.h>

#include "builder/output.h"
#include "builder/push_blobs.h"

int wcow_output_push(struct wcow_backend *b, const struct wcow_built_image *image, const char *name,
                     unsigned step, struct wcow_error *err)
{
    struct wcow_reference ref;
    wcow_auto_str_list mount_from = {0};
    struct wcow_digest digest;
    int r = wcow_reference_parse(name, &ref, err);
    /* The base's layers may be on this registry already, under the base's name. */
    if (r == WCOW_OK && image->base && strcmp(image->base->ref.host, ref.host) == 0)
        r = wcow_str_list_add(&mount_from, image->base->ref.repository, err);
    if (r == WCOW_OK)
        r = wcow_blobs_push(b, &ref, image->layers, image->n_layers, &mount_from, step, err);
    if (r == WCOW_OK)
        r = wcow_registry_push_bytes(b->registry, &ref, image->config_data.data,
                                     image->config_data.len, err);
    if (r == WCOW_OK)
        r = wcow_registry_push_manifest(b->registry, &ref, image->manifest_desc.media_type,
                                        image->manifest_data.data, image->manifest_data.len,
                                        &digest, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "push %s", name);
    wcow_autobuf text = {0};
    if (wcow_buf_addf(&text, NULL, "pushing manifest for %s@%s", name, digest.text) == WCOW_OK)
        wcow_progress_status(b->progress, step, (const char *)text.data, 0, 0, true);
    return WCOW_OK;
}
