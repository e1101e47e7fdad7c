/* SPDX-License-Identifier: Apache-2.0 */
/** @file regex.h
 *  Regular expressions of containerd's filters: RE2's syntax (github.com/google/re2,
 * doc/syntax.txt), which PCRE2 has but for rarities, and more (docs/decisions/0014). How many steps
 * a match may take is limited: nobody's expression keeps a thread. */
#ifndef WCOW_SNAPSHOTTER_REGEX_H
#define WCOW_SNAPSHOTTER_REGEX_H

#include <stdbool.h>

#include "base/cleanup.h"
#include "base/error.h"

enum {
    WCOW_REGEX_MAX_BYTES = 1024,    /**< of an expression */
    WCOW_REGEX_MAX_STEPS = 1000000, /**< of a match; some milliseconds */
    WCOW_REGEX_MAX_KIB = 4096       /**< of memory for a match */
};

struct wcow_regex;

/** WCOW_E_INVALID says what is wrong, and where. @param expression valid UTF-8 */
WCOW_NODISCARD int wcow_regex_compile(const char *expression, struct wcow_regex **ret,
                                      struct wcow_error *err);
/** Whether it matches anywhere in @p text (valid UTF-8). One thread at a time. WCOW_E_INVALID: it
 *  takes more than the limits above. */
WCOW_NODISCARD int wcow_regex_match(const struct wcow_regex *regex, const char *text, bool *ret,
                                    struct wcow_error *err);
void wcow_regex_free(struct wcow_regex *regex);
WCOW_DEFINE_CLEANUP(struct wcow_regex, wcow_regex_free)

#endif
