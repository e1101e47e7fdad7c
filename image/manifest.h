/* SPDX-License-Identifier: Apache-2.0 */
/** @file manifest.h
 *  Image manifests and indexes, OCI's and Docker's (OCI image-spec v1.1, manifest.md and
 *  image-index.md; Docker image manifest version 2, schema 2). Unknown fields survive. Written
 *  as Go's encoder writes the OCI types: fixed field order, no white space, so that the same
 *  content always has the same digest. */
#ifndef WCOW_IMAGE_MANIFEST_H
#define WCOW_IMAGE_MANIFEST_H

#include "base/bytes.h"
#include "image/descriptor.h"

enum {
    WCOW_MANIFEST_MAX_BYTES = 4 << 20, /**< of one manifest or index */
    WCOW_MANIFEST_MAX_ENTRIES = 10000, /**< layers or manifests in one */
};

/** Zero-initialise; release with wcow_manifest_done(). */
struct wcow_manifest {
    char media_type[WCOW_MEDIA_TYPE_MAX + 1]; /**< WCOW_MEDIA_{OCI,DOCKER}_MANIFEST */
    struct wcow_descriptor config;
    struct wcow_descriptor *layers; /**< owned; add with wcow_manifest_add_layer() */
    size_t layer_count;
    struct wcow_str_map annotations;
    struct json_t *extra; /**< subject, artifactType and fields not known here; owned */
};

/** Read @p data. @p media_type is what the registry or descriptor called it, NULL when unknown;
 *  it must agree with the document's own mediaType where that is given.
 *  @p ret must be zeroed. WCOW_E_CORRUPT (what is wrong where), WCOW_E_LIMIT, WCOW_E_UNSUPPORTED
 *  (an index, a schema 1 manifest). */
WCOW_NODISCARD int wcow_manifest_parse(const void *data, size_t len, const char *media_type,
                                       struct wcow_manifest *ret, struct wcow_error *err);
/** Append a copy of @p layer. */
WCOW_NODISCARD int wcow_manifest_add_layer(struct wcow_manifest *manifest,
                                           const struct wcow_descriptor *layer,
                                           struct wcow_error *err);
/** Append the document to @p out. Annotations are left out of Docker manifests, which have none. */
WCOW_NODISCARD int wcow_manifest_write(const struct wcow_manifest *manifest, struct wcow_buf *out,
                                       struct wcow_error *err);
void wcow_manifest_done(struct wcow_manifest *manifest);

/** Zero-initialise; release with wcow_index_done(). */
struct wcow_index {
    char media_type[WCOW_MEDIA_TYPE_MAX + 1]; /**< WCOW_MEDIA_{OCI,DOCKER}_INDEX */
    struct wcow_descriptor *manifests;        /**< owned; add with wcow_index_add() */
    size_t manifest_count;
    struct wcow_str_map annotations;
    struct json_t *extra;
};

/** As wcow_manifest_parse(), for an index or manifest list. */
WCOW_NODISCARD int wcow_index_parse(const void *data, size_t len, const char *media_type,
                                    struct wcow_index *ret, struct wcow_error *err);
WCOW_NODISCARD int wcow_index_add(struct wcow_index *index, const struct wcow_descriptor *manifest,
                                  struct wcow_error *err);
WCOW_NODISCARD int wcow_index_write(const struct wcow_index *index, struct wcow_buf *out,
                                    struct wcow_error *err);
/** The entry that serves @p wanted best, borrowed from @p index (see wcow_platform_compare()).
 *  Attestations are never chosen. WCOW_E_NOT_FOUND lists the platforms there are. */
WCOW_NODISCARD int wcow_index_select(const struct wcow_index *index,
                                     const struct wcow_platform *wanted,
                                     const struct wcow_descriptor **ret, struct wcow_error *err);
/** Whether an index entry is an attestation of another entry (BuildKit's convention). */
bool wcow_descriptor_is_attestation(const struct wcow_descriptor *desc);
void wcow_index_done(struct wcow_index *index);

/** What a document is, by its own mediaType or else its fields: one of the WCOW_MEDIA_* manifest
 *  and index types. For a document whose type nobody told. */
WCOW_NODISCARD int wcow_manifest_detect(const void *data, size_t len, const char **ret,
                                        struct wcow_error *err);

#define wcow_auto_manifest WCOW_CLEANUP(wcow_manifest_done) struct wcow_manifest
#define wcow_auto_index    WCOW_CLEANUP(wcow_index_done) struct wcow_index

#endif
