/* SPDX-License-Identifier: Apache-2.0 */
/** @file diagnostic.h
 *  Where in a Dockerfile something is, the excerpt that shows it, and "did you mean". The excerpt
 *  has the form that `docker buildx build` prints: the file and line, a rule, up to four lines
 * around, the lines in question marked by >>>. */
#ifndef WCOW_BUILDER_DIAGNOSTIC_H
#define WCOW_BUILDER_DIAGNOSTIC_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "base/error.h"

/** Lines of a Dockerfile, from 1, both included. {0, 0}: no line is known. */
struct wcow_line_range {
    unsigned first;
    unsigned last;
};

/** Append the excerpt of @p source (the Dockerfile's bytes) around @p where:
 *      Dockerfile:5
 *      --------------------
 *         3 |     ENV A=b
 *         4 |
 *         5 | >>> COPI hello.txt C:/
 *         6 |     CMD ["cmd"]
 *      --------------------
 *  Nothing is appended where no line is known. */
WCOW_NODISCARD int wcow_diagnostic_excerpt(struct wcow_buf *out, const char *file_name,
                                           const void *source, size_t len,
                                           struct wcow_line_range where, struct wcow_error *err);

/** Of @p candidates the one that @p word may have been meant to be: at Levenshtein distance of at
 * most two and less than the word's length, letter case ignored. NULL where none is near. */
const char *wcow_diagnostic_suggest(const char *word, const char *const *candidates, size_t count);

#endif
