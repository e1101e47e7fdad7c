/* SPDX-License-Identifier: Apache-2.0 */
/** @file check_bases.h
 *  What --check knows of the images that stages begin with: their registries' word, where it is to
 *  be had at once. Without it the Dockerfile is checked by itself. */
#ifndef WCOW_BUILDER_CHECK_BASES_H
#define WCOW_BUILDER_CHECK_BASES_H

#include "builder/build_internal.h"
#include "builder/lint.h"

struct wcow_check_bases;

/** Ask for the images of all stages: one attempt each, and none for a registry that did not answer.
 *  What cannot be had is no error. */
WCOW_NODISCARD int wcow_check_bases_ask(struct wcow_build *b, struct wcow_check_bases **ret,
                                        struct wcow_error *err);
void wcow_check_bases_free(struct wcow_check_bases *bases);
WCOW_DEFINE_CLEANUP(struct wcow_check_bases, wcow_check_bases_free)

/** Let the rules ask for them: @p input borrows @p bases. */
void wcow_check_bases_give(struct wcow_check_bases *bases, struct wcow_lint_input *input);

#endif
