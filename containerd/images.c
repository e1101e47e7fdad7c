/* SPDX-License-Identifier: Apache-2.0 */
#include "containerd/images.h"

#include <stdio.h>

#include "containerd/internal.h"
#include "proto/images.pb-c.h"
#include "rpc/text.h"

#define IMAGES "/containerd.services.images.v1.Images/"

typedef Containerd__Services__Images__V1__Image image_message;
typedef Containerd__Services__Images__V1__GetImageRequest get_request;
typedef Containerd__Services__Images__V1__GetImageResponse get_response;
typedef Containerd__Services__Images__V1__CreateImageRequest create_request;
typedef Containerd__Services__Images__V1__UpdateImageRequest update_request;

void wcow_image_record_done(struct wcow_image_record *record)
{
    free(record->name);
    free(record->media_type);
    wcow_labels_done(&record->labels);
    *record = (struct wcow_image_record){0};
}

static int record_of(const image_message *image, struct wcow_image_record *ret,
                     struct wcow_error *err)
{
    if (!image || !image->target || !wcow_digest_is_valid(image->target->digest) ||
        image->target->size < 0)
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "containerd's record of image \"%s\" has no target",
                         image ? image->name : "");
    WCOW_CLEANUP(wcow_image_record_done) struct wcow_image_record record = {0};
    record.size_bytes = (uint64_t)image->target->size;
    (void)snprintf(record.digest.text, sizeof(record.digest.text), "%s", image->target->digest);
    int r = wcow_copy(image->name, &record.name, err);
    if (r == WCOW_OK)
        r = wcow_copy(image->target->media_type, &record.media_type, err);
    if (r == WCOW_OK)
        r = wcow_labels_of((const void *)image->labels, image->n_labels, &record.labels, err);
    if (r < 0)
        return r;
    *ret = record;
    record = (struct wcow_image_record){0};
    return WCOW_OK;
}

int wcow_image_get(const struct wcow_containerd_ctx *ctx, const char *name,
                   struct wcow_image_record *ret, struct wcow_error *err)
{
    get_request request = CONTAINERD__SERVICES__IMAGES__V1__GET_IMAGE_REQUEST__INIT;
    request.name = wcow_rpc_text(name);
    wcow_automessage *message = NULL;
    int r = wcow_containerd_call(ctx, IMAGES "Get", &request.base,
                                 &containerd__services__images__v1__get_image_response__descriptor,
                                 &message, err);
    if (r < 0)
        return r;
    return record_of(((const get_response *)(const void *)message)->image, ret, err);
}

static int create(const struct wcow_containerd_ctx *ctx, image_message *image,
                  Google__Protobuf__Timestamp *epoch, struct wcow_error *err)
{
    create_request request = CONTAINERD__SERVICES__IMAGES__V1__CREATE_IMAGE_REQUEST__INIT;
    request.image = image;
    request.source_date_epoch = epoch;
    return wcow_containerd_call(
        ctx, IMAGES "Create", &request.base,
        &containerd__services__images__v1__create_image_response__descriptor, NULL, err);
}

static int update(const struct wcow_containerd_ctx *ctx, image_message *image,
                  Google__Protobuf__Timestamp *epoch, struct wcow_error *err)
{
    update_request request = CONTAINERD__SERVICES__IMAGES__V1__UPDATE_IMAGE_REQUEST__INIT;
    request.image = image;
    request.source_date_epoch = epoch;
    return wcow_containerd_call(
        ctx, IMAGES "Update", &request.base,
        &containerd__services__images__v1__update_image_response__descriptor, NULL, err);
}

int wcow_image_put(const struct wcow_containerd_ctx *ctx, const struct wcow_image_record *record,
                   int64_t created_s, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_map_done) struct wcow_map map = {0};
    int r =
        wcow_map_of(&record->labels,
                    &containerd__services__images__v1__image__labels_entry__descriptor, &map, err);
    if (r < 0)
        return r;
    Containerd__Types__Descriptor target = CONTAINERD__TYPES__DESCRIPTOR__INIT;
    target.media_type = record->media_type;
    target.digest = wcow_rpc_text(record->digest.text);
    target.size = (int64_t)record->size_bytes;
    image_message image = CONTAINERD__SERVICES__IMAGES__V1__IMAGE__INIT;
    image.name = record->name;
    image.target = &target;
    image.n_labels = map.n;
    image.labels = (void *)map.items;
    Google__Protobuf__Timestamp epoch = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    epoch.seconds = created_s;
    Google__Protobuf__Timestamp *when = created_s ? &epoch : NULL;
    struct wcow_error taken = {0};
    r = create(ctx, &image, when, &taken);
    if (r == WCOW_E_EXISTS)
        r = update(ctx, &image, when, &taken);
    if (r < 0 && err)
        *err = taken;
    return r < 0 ? wcow_error_wrap(r, err, "cannot store image %s", record->name) : r;
}
