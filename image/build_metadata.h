/* SPDX-License-Identifier: Apache-2.0 */
/** @file build_metadata.h
 *  What a build came to, as `docker buildx build --metadata-file` tells it. */
#ifndef WCOW_IMAGE_BUILD_METADATA_H
#define WCOW_IMAGE_BUILD_METADATA_H

#include "base/bytes.h"
#include "image/descriptor.h"

/** A statement's predicate, and the platform of the image that it is about. */
struct wcow_build_predicate {
    const struct wcow_platform *platform;
    struct json_t *predicate;
};

/** All borrowed. */
struct wcow_build_metadata {
    const struct wcow_descriptor *target; /**< of the index, or of the manifest */
    const struct wcow_digest *config;     /**< of the only image; NULL for an index */
    const struct wcow_str_list *names;
    const struct wcow_build_predicate *predicates;
    size_t n_predicates;
};

/** Append it, indented, keys in order. */
WCOW_NODISCARD int wcow_build_metadata_write(const struct wcow_build_metadata *metadata,
                                             struct wcow_buf *out, struct wcow_error *err);

#endif
