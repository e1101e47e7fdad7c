/* SPDX-License-Identifier: Apache-2.0 */
/* A result into a registry: layers, each sent only where the registry has not got it, then the
 * documents in their order. */
#include <string.h>

#include "builder/output.h"
#include "builder/push_blobs.h"

static int push_layers(struct wcow_backend *b, const struct wcow_built_image *image,
                       const struct wcow_reference *ref, unsigned step, struct wcow_error *err)
{
    wcow_auto_str_list mount_from = {0};
    int r = WCOW_OK;
    /* The base's layers may be on this registry already, under the base's name. */
    if (image->base && strcmp(image->base->ref.host, ref->host) == 0)
        r = wcow_str_list_add(&mount_from, image->base->ref.repository, err);
    return r < 0 ? r
                 : wcow_blobs_push(b, ref, image->layers, image->n_layers, &mount_from, step, err);
}

/* What the target refers to stands under its digest alone. */
static int push_document(struct wcow_backend *b, const struct wcow_built *built,
                         const struct wcow_document *d, const struct wcow_reference *ref,
                         struct wcow_error *err)
{
    const char *type = d->desc.media_type;
    struct wcow_reference to = *ref;
    if (!wcow_media_is_manifest(type) && !wcow_media_is_index(type))
        return wcow_registry_push_bytes(b->registry, ref, d->data.data, d->data.len, err);
    if (strcmp(d->desc.digest.text, built->target.digest.text) != 0)
        to.tag[0] = '\0';
    return wcow_registry_push_manifest(b->registry, &to, type, d->data.data, d->data.len, NULL,
                                       err);
}

int wcow_output_push(struct wcow_backend *b, const struct wcow_built *built, const char *name,
                     bool by_digest, unsigned step, struct wcow_error *err)
{
    struct wcow_reference ref;
    int r = wcow_reference_parse(name, &ref, err);
    if (r == WCOW_OK && by_digest)
        ref.tag[0] = '\0';
    for (size_t i = 0; r == WCOW_OK && i < built->n_images; i++)
        r = push_layers(b, &built->images[i], &ref, step, err);
    for (size_t i = 0; r == WCOW_OK && i < built->n_documents; i++)
        r = push_document(b, built, &built->documents[i], &ref, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "push %s", name);
    wcow_autobuf text = {0};
    if (wcow_buf_addf(&text, NULL, "pushing manifest for %s@%s", name, built->target.digest.text) ==
        WCOW_OK)
        wcow_progress_status(b->progress, step, (const char *)text.data, 0, 0, true);
    return WCOW_OK;
}
