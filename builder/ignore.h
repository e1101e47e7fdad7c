/* SPDX-License-Identifier: Apache-2.0 */
/** @file ignore.h
 *  .dockerignore and COPY --exclude: which paths of a tree are left out. The same rules as
 *  moby/patternmatcher: the last pattern that matches a path or one of its parents decides; `!`
 * negates; `**` spans directories. Paths are relative, with '/', without "./" and without a
 * trailing '/'. */
#ifndef WCOW_BUILDER_IGNORE_H
#define WCOW_BUILDER_IGNORE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "base/error.h"

enum {
    WCOW_IGNORE_MAX_BYTES = 4 << 20,
    WCOW_IGNORE_MAX_PATTERNS = 10000,
};

/** Compiled patterns. Immutable: may be shared by threads. */
struct wcow_ignore;

/** Read a .dockerignore file: BOM, comments and empty lines dropped, patterns cleaned.
 *  WCOW_E_INVALID names the line and the pattern that is wrong. */
WCOW_NODISCARD int wcow_ignore_parse(const void *data, size_t len, struct wcow_ignore **ret,
                                     struct wcow_error *err);
/** From patterns (COPY --exclude). */
WCOW_NODISCARD int wcow_ignore_new(const char *const *patterns, size_t count,
                                   struct wcow_ignore **ret, struct wcow_error *err);
void wcow_ignore_free(struct wcow_ignore *ignore);
WCOW_DEFINE_CLEANUP(struct wcow_ignore, wcow_ignore_free)

/** How many patterns there are, and each as it was understood ("!keep/me"). */
size_t wcow_ignore_count(const struct wcow_ignore *ignore);
const char *wcow_ignore_pattern(const struct wcow_ignore *ignore, size_t index);

/** Whether @p path is left out, its parents taken into account. Slow: for single questions. */
bool wcow_ignore_matches(const struct wcow_ignore *ignore, const char *path);

/** Which patterns a directory matched; needed to ask about what is in it. */
struct wcow_ignore_dir;

/** Ask about one entry while walking a tree.
 *  @param parent  of the directory that holds it; NULL at the top
 *  @param path    the entry's whole path
 *  @param ret_dir  NULL for what is no directory; else set to what its own entries need, for the
 * caller to free
 *  @param ret_excluded  whether it is left out. An excluded directory is to be entered still where
 *                       wcow_ignore_may_contain() says so */
WCOW_NODISCARD int wcow_ignore_enter(const struct wcow_ignore *ignore,
                                     const struct wcow_ignore_dir *parent, const char *path,
                                     struct wcow_ignore_dir **ret_dir, bool *ret_excluded,
                                     struct wcow_error *err);
/** The same for an entry that is no directory; cannot fail, allocates nothing. */
bool wcow_ignore_excludes(const struct wcow_ignore *ignore, const struct wcow_ignore_dir *parent,
                          const char *path);
/** Whether some negated pattern may bring back something below the excluded directory @p path. */
bool wcow_ignore_may_contain(const struct wcow_ignore *ignore, const char *path);
void wcow_ignore_dir_free(struct wcow_ignore_dir *dir);
WCOW_DEFINE_CLEANUP(struct wcow_ignore_dir, wcow_ignore_dir_free)

#endif
