/* SPDX-License-Identifier: Apache-2.0 */
/** @file pattern.h
 *  Glob patterns, in the two dialects a Dockerfile has: Go's path.Match for the sources of COPY and
 * ADD
 *  (`*` `?` `[a-z]` `\x`, none of them crossing '/'), and moby/patternmatcher's, which adds `**`.
 */
#ifndef WCOW_BUILDER_PATTERN_H
#define WCOW_BUILDER_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "base/error.h"

/** Whether @p text holds any of `*?[` (or a backslash). Then it wants matching. */
bool wcow_pattern_has_glob(const char *text);
/** Go's path.Match: the whole of @p name. WCOW_E_INVALID for a malformed pattern, whatever the
 * name. */
WCOW_NODISCARD int wcow_pattern_glob(const char *pattern, const char *name, bool *ret_matches,
                                     struct wcow_error *err);
/** Go's path.Clean: no empty, "." or inner ".." components, no trailing slash; "" gives ".". The
 * result is written over @p path, which needs room for two bytes. */
void wcow_pattern_clean(char *path);

/** One pattern of patternmatcher, compiled. Immutable. */
struct wcow_pattern;

/** @param text  cleaned, without `!` */
WCOW_NODISCARD int wcow_pattern_new(const char *text, struct wcow_pattern **ret,
                                    struct wcow_error *err);
/** Whether it matches the whole of @p path[0..len); time is O(pattern x path), always. */
bool wcow_pattern_matches(const struct wcow_pattern *pattern, const char *path, size_t len);
void wcow_pattern_free(struct wcow_pattern *pattern);
WCOW_DEFINE_CLEANUP(struct wcow_pattern, wcow_pattern_free)

#endif
