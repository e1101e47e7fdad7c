/* SPDX-License-Identifier: Apache-2.0 */
/** @file annotations.h
 *  --annotation: notes on manifests, indexes, and the descriptors that name them, in the words of
 *  `docker buildx build`: "[LEVEL[[PLATFORM]][,LEVEL…]:]KEY=VALUE". */
#ifndef WCOW_BUILDER_ANNOTATIONS_H
#define WCOW_BUILDER_ANNOTATIONS_H

#include <stdbool.h>

#include "image/platform.h"
#include "image/strings.h"

enum wcow_annotation_level {
    WCOW_ANNOTATION_MANIFEST,
    WCOW_ANNOTATION_MANIFEST_DESCRIPTOR,
    WCOW_ANNOTATION_INDEX,
    WCOW_ANNOTATION_INDEX_DESCRIPTOR,
};

struct wcow_annotation {
    enum wcow_annotation_level level;
    bool has_platform;
    struct wcow_platform platform; /**< of the manifests that it is for */
    char *text;                    /**< as given */
    char *key;
    char *value;
};

/** Zero-initialise; release with wcow_annotations_done(). */
struct wcow_annotations {
    struct wcow_annotation *items;
    size_t n;
};
void wcow_annotations_done(struct wcow_annotations *annotations);

/** Add one, for each level that it names; the manifest where it names none. WCOW_E_INVALID. */
WCOW_NODISCARD int wcow_annotations_add(struct wcow_annotations *annotations, const char *text,
                                        struct wcow_error *err);
/** Set in @p ret what is for this level and, for manifests, the image of @p platform. */
WCOW_NODISCARD int wcow_annotations_select(const struct wcow_annotations *annotations,
                                           enum wcow_annotation_level level,
                                           const struct wcow_platform *platform,
                                           struct wcow_str_map *ret, struct wcow_error *err);
/** That the build makes what each is for. @p is_index: it makes one.
 *  WCOW_E_INVALID, WCOW_E_UNSUPPORTED. */
WCOW_NODISCARD int wcow_annotations_check(const struct wcow_annotations *annotations, bool is_index,
                                          const struct wcow_platform *platforms, size_t n,
                                          struct wcow_error *err);

#endif
