/* SPDX-License-Identifier: Apache-2.0 */
/** @file attest.h
 *  --attest, --provenance and --sbom, in the words of `docker buildx build`. */
#ifndef WCOW_BUILDER_ATTEST_H
#define WCOW_BUILDER_ATTEST_H

#include <stdbool.h>

#include "image/strings.h"

/** Zero-initialise: nothing is attested. Release with wcow_attest_done(). */
struct wcow_attest {
    bool provenance;
    bool is_max;
    bool is_reproducible;
    char *builder_id; /**< NULL: none */
};
void wcow_attest_done(struct wcow_attest *attest);

/** "type=provenance[,mode=min|max][,builder-id=ID][,reproducible=true][,disabled=true]" and
 *  "type=sbom,disabled=true"; the last of a type counts. WCOW_E_INVALID; WCOW_E_UNSUPPORTED for
 *  what is not made here. */
WCOW_NODISCARD int wcow_attest_parse(const struct wcow_str_list *texts, struct wcow_attest *ret,
                                     struct wcow_error *err);
/** The text of --provenance=@p value or --sbom=@p value as --attest has it: "true", "false", or
 *  fields. Appended to @p texts. */
WCOW_NODISCARD int wcow_attest_add(struct wcow_str_list *texts, const char *type, const char *value,
                                   struct wcow_error *err);

#endif
