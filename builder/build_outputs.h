/* SPDX-License-Identifier: Apache-2.0 */
/** @file build_outputs.h
 *  What a build is to give: outputs, names, annotations, attestations. */
#ifndef WCOW_BUILDER_BUILD_OUTPUTS_H
#define WCOW_BUILDER_BUILD_OUTPUTS_H

#include "builder/annotations.h"
#include "builder/attest.h"
#include "builder/build.h"
#include "builder/output.h"

/** Zero-initialise; release with wcow_build_asked_done(). */
struct wcow_build_asked {
    struct wcow_output *outputs;
    size_t n_outputs;
    struct wcow_str_list names; /**< normalised */
    struct wcow_annotations annotations;
    struct wcow_attest attest;
    bool is_index; /**< several platforms, or something to be attested */
};
void wcow_build_asked_done(struct wcow_build_asked *asked);
/** From the options. What makes no sense for these platforms is said before anything is built. */
WCOW_NODISCARD int wcow_build_asked_take(const struct wcow_build_options *options,
                                         const struct wcow_platform *platforms, size_t n_platforms,
                                         struct wcow_build_asked *ret, struct wcow_error *err);
/** Whether an output goes to standard output. */
bool wcow_build_asked_stdout(const struct wcow_build_asked *asked);

#endif
