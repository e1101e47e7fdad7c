/* SPDX-License-Identifier: Apache-2.0 */
/** @file build_check.h
 *  What can be said to be wrong before anything is fetched or built. */
#ifndef WCOW_BUILDER_BUILD_CHECK_H
#define WCOW_BUILDER_BUILD_CHECK_H

#include "builder/build_internal.h"

/** All stages: their bases, --from, flags whose values hold no variables. On failure b->where is
 * the instruction's. WCOW_E_INVALID. */
WCOW_NODISCARD int wcow_build_check(struct wcow_build *b, struct wcow_error *err);

/** The sources of a COPY or ADD against its flags. */
WCOW_NODISCARD int wcow_build_check_copy(const struct wcow_copy *copy, bool is_add,
                                         struct wcow_error *err);

#endif
