/* SPDX-License-Identifier: Apache-2.0 */
/** @file images.h
 *  containerd's image records: a name and the descriptor it stands for. */
#ifndef WCOW_CONTAINERD_IMAGES_H
#define WCOW_CONTAINERD_IMAGES_H

#include "base/digest.h"
#include "containerd/client.h"

struct wcow_image_record {
    char *name;
    char *media_type;
    struct wcow_digest digest;
    uint64_t size_bytes;
    struct wcow_labels labels;
};
void wcow_image_record_done(struct wcow_image_record *record);

WCOW_NODISCARD int wcow_image_get(const struct wcow_containerd_ctx *ctx, const char *name,
                                  struct wcow_image_record *ret, struct wcow_error *err);
/** Create, or update where the name is taken. @p created_s Unix seconds, 0: now. */
WCOW_NODISCARD int wcow_image_put(const struct wcow_containerd_ctx *ctx,
                                  const struct wcow_image_record *record, int64_t created_s,
                                  struct wcow_error *err);

#endif
