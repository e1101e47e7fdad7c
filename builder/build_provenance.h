/* SPDX-License-Identifier: Apache-2.0 */
/** @file build_provenance.h
 *  Private to build*.c: what --provenance says of a build. */
#ifndef WCOW_BUILDER_BUILD_PROVENANCE_H
#define WCOW_BUILDER_BUILD_PROVENANCE_H

#include "builder/build_internal.h"
#include "image/build_metadata.h"
#include "image/provenance.h"

/** What all images of the build share. Zero-initialise. */
struct wcow_build_provenance {
    const struct wcow_build *build;
    struct wcow_str_map args;
    struct wcow_buf dockerfile; /**< without the logins of its URLs */
    struct wcow_str_list secrets;
    char invocation_id[WCOW_DIGEST_LEN + 1];
    int64_t finished_s;
    struct wcow_build_predicate *predicates; /**< of the statements made so far */
    size_t n_predicates;
};
WCOW_NODISCARD int wcow_build_provenance_init(const struct wcow_build *b,
                                              struct wcow_build_provenance *ret,
                                              struct wcow_error *err);
void wcow_build_provenance_done(struct wcow_build_provenance *p);
/** The statement about the image of a variant, whose manifest is stored. Appended to @p out. */
WCOW_NODISCARD int wcow_build_provenance_of(struct wcow_build_provenance *p, size_t variant,
                                            const struct wcow_built_image *image,
                                            struct wcow_buf *out, struct wcow_error *err);

/** The stage's platform has used this image, or something else from elsewhere. */
WCOW_NODISCARD int wcow_build_note_image(struct wcow_build *b, const struct wcow_stage_state *s,
                                         const struct wcow_local_image *image,
                                         struct wcow_error *err);
WCOW_NODISCARD int wcow_build_note_material(struct wcow_build *b, const struct wcow_stage_state *s,
                                            const char *uri, const char *digest,
                                            struct wcow_error *err);

#endif
