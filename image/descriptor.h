/* SPDX-License-Identifier: Apache-2.0 */
/** @file descriptor.h
 *  A content descriptor: what a blob is, how long, and its digest (OCI image-spec v1.1,
 *  descriptor.md). Fields that this project does not know are kept and written again. */
#ifndef WCOW_IMAGE_DESCRIPTOR_H
#define WCOW_IMAGE_DESCRIPTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"
#include "image/media.h"
#include "image/platform.h"
#include "image/strings.h"

/** Annotations: the tag in an OCI layout (image-spec v1.1, annotations.md); the name that
 *  containerd gives on import; BuildKit's, that a manifest is an "attestation-manifest", and of
 *  which image. */
#define WCOW_ANNOTATION_REF_NAME    "org.opencontainers.image.ref.name"
#define WCOW_ANNOTATION_IMAGE_NAME  "io.containerd.image.name"
#define WCOW_ANNOTATION_ATTESTATION "vnd.docker.reference.type"
#define WCOW_ANNOTATION_ATTESTED    "vnd.docker.reference.digest"

struct json_t; /* jansson's */

/** Zero-initialise; release with wcow_descriptor_done(). */
struct wcow_descriptor {
    char media_type[WCOW_MEDIA_TYPE_MAX + 1];
    struct wcow_digest digest;
    uint64_t size_bytes;
    bool has_platform;
    struct wcow_platform platform;
    struct wcow_str_list urls;
    struct wcow_str_map annotations;
    struct json_t *extra; /**< fields not known here; owned, NULL when none */
};

/** Fill the three fields that every descriptor has; @p ret must be zeroed or done. */
WCOW_NODISCARD int wcow_descriptor_init(struct wcow_descriptor *ret, const char *media_type,
                                        const char *digest, uint64_t size_bytes,
                                        struct wcow_error *err);
/** Read from a JSON object. WCOW_E_CORRUPT for missing or wrong fields, WCOW_E_UNSUPPORTED for a
 *  digest that is not sha256. */
WCOW_NODISCARD int wcow_descriptor_from_json(const struct json_t *json, struct wcow_descriptor *ret,
                                             struct wcow_error *err);
/** A new JSON object with the fields in the order of the OCI Go types; the caller owns it. */
WCOW_NODISCARD int wcow_descriptor_to_json(const struct wcow_descriptor *desc, struct json_t **ret,
                                           struct wcow_error *err);
/** A deep copy; @p ret must be zeroed or done. */
WCOW_NODISCARD int wcow_descriptor_copy(const struct wcow_descriptor *desc,
                                        struct wcow_descriptor *ret, struct wcow_error *err);
void wcow_descriptor_done(struct wcow_descriptor *desc);

#define wcow_auto_descriptor WCOW_CLEANUP(wcow_descriptor_done) struct wcow_descriptor

#endif
