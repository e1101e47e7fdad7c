/* SPDX-License-Identifier: Apache-2.0 */
/** @file cache_place.h
 *  What --cache-from and --cache-to name: a registry, a folder, or the image itself. The words are
 *  those of `docker buildx build`. */
#ifndef WCOW_BUILDER_CACHE_PLACE_H
#define WCOW_BUILDER_CACHE_PLACE_H

#include <stdbool.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "image/reference.h"

enum wcow_cache_type {
    WCOW_CACHE_REGISTRY,
    WCOW_CACHE_LOCAL,
    WCOW_CACHE_INLINE, /**< --cache-to: in the config of the image that is built */
};

/** Zero-initialise; release with wcow_cache_place_done(). */
struct wcow_cache_place {
    enum wcow_cache_type type;
    char *text;                /**< as messages call it: the reference or the folder */
    struct wcow_reference ref; /**< registry */
    char *folder;              /**< local: src or dest, an OCI layout */
    char *tag;                 /**< local: of the cache in the layout */
    struct wcow_digest digest; /**< local, from: instead of the tag; text "" where none */
    bool is_max;               /**< to: the steps of all stages, not only the result's */
    bool is_index;             /**< to: an index (image-manifest=false), not a manifest */
    bool is_docker;            /**< to: Docker's media types (oci-mediatypes=false) */
    bool ignores_errors;       /**< to */
};
void wcow_cache_place_done(struct wcow_cache_place *place);

/** "type=registry,ref=…", "type=local,src=…[,tag=…|,digest=…]", or a reference.
 *  WCOW_E_INVALID, WCOW_E_UNSUPPORTED say what is taken. */
WCOW_NODISCARD int wcow_cache_from_parse(const char *text, struct wcow_cache_place *ret,
                                         struct wcow_error *err);
/** "type=registry,ref=…", "type=local,dest=…", "type=inline", or a reference; mode=min|max,
 *  image-manifest, oci-mediatypes, ignore-error. */
WCOW_NODISCARD int wcow_cache_to_parse(const char *text, struct wcow_cache_place *ret,
                                       struct wcow_error *err);

#endif
