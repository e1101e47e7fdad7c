/* SPDX-License-Identifier: Apache-2.0 */
/** @file build_lint.h
 *  The checks of a Dockerfile that is built. */
#ifndef WCOW_BUILDER_BUILD_LINT_H
#define WCOW_BUILDER_BUILD_LINT_H

#include "builder/build_internal.h"
#include "builder/lint.h"

/** Run the checks with what is known by now: the variables of base images are once the stages are
 *  done. WCOW_E_PRECONDITION where there are warnings and the Dockerfile says that they are errors:
 *  b->where is the first one's then.
 *  @param out  the warnings, a line each below one that counts them, are appended; NULL: not wanted
 */
WCOW_NODISCARD int wcow_build_lint(struct wcow_build *b, struct wcow_buf *out,
                                   struct wcow_error *err);

/** Both platforms, where a base image's is another system or architecture than was asked for. */
bool wcow_build_platforms_differ(const struct wcow_platform *is, const struct wcow_platform *wanted,
                                 struct wcow_lint_platforms *ret);

#endif
