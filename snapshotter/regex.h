/* SPDX-License-Identifier: Apache-2.0 */
/** @file regex.h
 *  Regular expressions as containerd's filters have them: RE2's syntax (github.com/google/re2,
 *  doc/syntax.txt) in the dialect of Go's regexp, without Unicode classes (\pL), and (?i) for ASCII
 *  letters alone. They are matched in time linear in the text: no expression is slow. */
#ifndef WCOW_SNAPSHOTTER_REGEX_H
#define WCOW_SNAPSHOTTER_REGEX_H

#include <stdbool.h>

#include "base/cleanup.h"
#include "base/error.h"

enum {
    WCOW_REGEX_MAX_BYTES = 1024,  /**< of an expression */
    WCOW_REGEX_MAX_REPEATS = 1000 /**< of nested ones multiplied; RE2's own limit */
};

struct wcow_regex;

/** WCOW_E_INVALID says what is wrong. @param expression valid UTF-8 */
WCOW_NODISCARD int wcow_regex_compile(const char *expression, struct wcow_regex **ret,
                                      struct wcow_error *err);
/** Whether it matches anywhere in @p text. One thread at a time. */
bool wcow_regex_matches(const struct wcow_regex *regex, const char *text);
void wcow_regex_free(struct wcow_regex *regex);
WCOW_DEFINE_CLEANUP(struct wcow_regex, wcow_regex_free)

#endif
