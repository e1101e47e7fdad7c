/* SPDX-License-Identifier: Apache-2.0 */
/** @file context_source.h
 *  Where a build context comes from: a folder, a git repository, an archive behind an HTTP address
 * or on standard input. What is no folder becomes a temporary one, which is gone with the source.
 */
#ifndef WCOW_BUILDER_CONTEXT_SOURCE_H
#define WCOW_BUILDER_CONTEXT_SOURCE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "builder/progress.h"

struct wcow_build_options;
struct wcow_git_checkout;

struct wcow_context_fetch {
    /** A folder; "-"; "https://…", "http://…"; what wcow_git_is_url() takes. */
    const char *from;
    bool takes_text; /**< what is no archive is a Dockerfile, with nothing beside it */
    struct wcow_progress *progress; /**< NULL allowed */
    const atomic_bool *cancel;      /**< NULL allowed */
    /** As given: BUILDKIT_CONTEXT_KEEP_GIT_DIR=1 keeps a repository's .git. NULL allowed. */
    const struct wcow_str_list *build_args;
};

/** Zero-initialise; release with wcow_context_source_done(). */
struct wcow_context_source {
    char *folder;     /**< the context's root */
    char *name;       /**< what messages call it; NULL: as the folder is called */
    char *dockerfile; /**< the text that stood in a context's place; NULL where there was none */
    bool is_fetched;  /**< the folder is none of the user's: paths in it are foreign */
    char *temporary;  /**< removed in the end; NULL: none */
    int64_t time_s;   /**< of the commit, or the server's Last-Modified; 0: not known */
    struct wcow_git_checkout *checkout;
};

/** Whether @p from is something else than a folder. */
bool wcow_context_source_is_remote(const char *from);
/** WCOW_E_CORRUPT for a broken archive, WCOW_E_INVALID for what is none where text is not taken;
 *  what git and HTTP servers say (git.h, remote.h). */
WCOW_NODISCARD int wcow_context_source_open(const struct wcow_context_fetch *fetch,
                                            struct wcow_context_source *ret,
                                            struct wcow_error *err);
void wcow_context_source_done(struct wcow_context_source *source);

/** Let @p options build from it: its context becomes the folder, its time is told, and its
 * Dockerfile one of a fetched context: below its folder, through no link; or the text itself.
 *  @param ret_dockerfile  for the caller to free, after the build; may be NULL then */
WCOW_NODISCARD int wcow_context_source_apply(const struct wcow_context_source *source,
                                             struct wcow_build_options *options,
                                             char **ret_dockerfile, struct wcow_error *err);

#endif
