/* SPDX-License-Identifier: Apache-2.0 */
/** @file provenance.h
 *  What an image was made of, and how: SLSA provenance v1 in an in-toto statement v1
 *  (https://slsa.dev/spec/v1.1/provenance, https://in-toto.io/Statement/v1), with the fields that
 *  BuildKit gives it, so that whoever reads BuildKit's reads these. The same input gives the same
 *  bytes. */
#ifndef WCOW_IMAGE_PROVENANCE_H
#define WCOW_IMAGE_PROVENANCE_H

#include <stdint.h>

#include "base/bytes.h"
#include "image/descriptor.h"
#include "image/reference.h"

#define WCOW_PROVENANCE_PREDICATE_TYPE "https://slsa.dev/provenance/v1"

/** Something that came from elsewhere. */
struct wcow_material {
    char *uri;    /**< "pkg:docker/…", "https://…" */
    char *digest; /**< "sha256:…", "sha1:…" (a commit) */
};

/** Sorted by URI, each once. Zero-initialise; release with wcow_materials_done(). */
struct wcow_materials {
    struct wcow_material *items;
    size_t n;
};
void wcow_materials_done(struct wcow_materials *materials);
WCOW_NODISCARD int wcow_materials_add(struct wcow_materials *materials, const char *uri,
                                      const char *digest, struct wcow_error *err);

/** Append the package URL of an image: "pkg:docker/library/base@1.0?platform=windows%2Famd64". */
WCOW_NODISCARD int wcow_package_url(const struct wcow_reference *ref,
                                    const struct wcow_platform *platform, struct wcow_buf *out,
                                    struct wcow_error *err);

/** What is told of one image. All borrowed. */
struct wcow_provenance {
    bool is_max;            /**< with build arguments, secrets' names, Dockerfile and layers */
    bool is_reproducible;   /**< as the user says */
    const char *builder_id; /**< NULL: "" */
    const char *filename;   /**< of the Dockerfile */
    const void *dockerfile;
    size_t dockerfile_len;
    const struct wcow_str_map *args;     /**< "build-arg:NAME", "label:KEY", "target", … */
    const struct wcow_str_list *secrets; /**< their IDs */
    const struct wcow_materials *materials;
    struct wcow_platform builder;
    const char *invocation_id;
    int64_t started_s;
    int64_t finished_s;
    const struct wcow_descriptor *layers; /**< of the image, bottom first */
    size_t n_layers;
    const struct wcow_str_list *subjects; /**< package URLs of the image's names; may be empty */
    const struct wcow_digest *digest;     /**< of the image's manifest */
};

/** Append the predicate, as --metadata-file tells it. */
WCOW_NODISCARD int wcow_provenance_predicate(const struct wcow_provenance *provenance,
                                             struct json_t **ret, struct wcow_error *err);
/** Append the statement: the predicate, and the image that it is about. */
WCOW_NODISCARD int wcow_provenance_write(const struct wcow_provenance *provenance,
                                         struct wcow_buf *out, struct wcow_error *err);

#endif
