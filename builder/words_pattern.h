/* SPDX-License-Identifier: Apache-2.0 */
/** @file words_pattern.h
 *  Shell patterns of ${v#p} and its kin: '*' is any text, '?' any character, the escape character
 * makes '*',
 *  '?' and itself plain; nothing matches a line break. */
#ifndef WCOW_BUILDER_WORDS_PATTERN_H
#define WCOW_BUILDER_WORDS_PATTERN_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/error.h"

/** A pattern and how it is written. */
struct wcow_words_pattern {
    const char *text;
    char escape;
};

/** Append @p value without the shortest (or longest) beginning that matches. */
WCOW_NODISCARD int wcow_words_cut_prefix(const struct wcow_words_pattern *pattern,
                                         const char *value, bool longest, struct wcow_buf *out,
                                         struct wcow_error *err);
/** Append @p value without the shortest (or longest) end that matches. */
WCOW_NODISCARD int wcow_words_cut_suffix(const struct wcow_words_pattern *pattern,
                                         const char *value, bool longest, struct wcow_buf *out,
                                         struct wcow_error *err);
/** Append @p value with the first (or each) match, the longest at its place, replaced. */
WCOW_NODISCARD int wcow_words_replace(const struct wcow_words_pattern *pattern, const char *value,
                                      const char *replacement, bool all, struct wcow_buf *out,
                                      struct wcow_error *err);

#endif
