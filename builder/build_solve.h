/* SPDX-License-Identifier: Apache-2.0 */
/** @file build_solve.h
 *  Private to build*.c: what runs the stages, from the beginning of a build to its end. */
#ifndef WCOW_BUILDER_BUILD_SOLVE_H
#define WCOW_BUILDER_BUILD_SOLVE_H

#include "builder/build_internal.h"

struct wcow_solver;

WCOW_NODISCARD int wcow_solver_new(const struct wcow_build_options *options,
                                   struct wcow_solver **ret, struct wcow_error *err);
/** No stage may be running. NULL allowed. */
void wcow_solver_free(struct wcow_solver *s);
WCOW_DEFINE_CLEANUP(struct wcow_solver, wcow_solver_free)

/** What the parts of a build poll: true when the user wants it to end, or a stage failed. */
const atomic_bool *wcow_solver_stop(const struct wcow_solver *s);

#endif
