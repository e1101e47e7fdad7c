/* SPDX-License-Identifier: Apache-2.0 */
/** @file git.h
 *  ADD of a git repository: a commit of it, checked out by the git command into a folder that is
 *  gone with the build. */
#ifndef WCOW_BUILDER_GIT_H
#define WCOW_BUILDER_GIT_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/bytes.h"
#include "builder/instructions.h"

/** "https://host/app.git#v1:sub", or "https://host/app.git?tag=v1&subdir=sub"; "git@host:app",
 *  "ssh://…", "git://…". Zero-initialise. */
struct wcow_git_url {
    char *repository; /**< as git takes it */
    char *ref;        /**< branch, tag or commit; NULL: what HEAD is */
    char *folder;     /**< of the repository; NULL: all */
    char *commit;     /**< what it must be, or its beginning; NULL: any */
    enum wcow_tristate keep_git_dir;
    enum wcow_tristate submodules; /**< WCOW_UNSET: they are fetched */
};
void wcow_git_url_done(struct wcow_git_url *url);
/** Whether a source of ADD names a repository: git@…, git://, ssh://, or http(s) with a path that
 *  ends with ".git". */
bool wcow_git_is_url(const char *source);
/** The query is BuildKit's: ref, tag, branch, subdir, checksum (or commit), keep-git-dir,
 * submodules, fetch-by-commit and mtime, which changes nothing.
 *  @return WCOW_E_INVALID where a part could be taken for an option, leads out of the repository,
 * is unknown or contradicts another. */
WCOW_NODISCARD int wcow_git_url_parse(const char *source, struct wcow_git_url *ret,
                                      struct wcow_error *err);

struct wcow_git_checkout {
    char *path;      /**< of the folder; removed by wcow_git_checkout_free() */
    char commit[65]; /**< in hexadecimal */
    int64_t time_s;  /**< the commit's, Unix seconds */
};
/** Check @p url out, submodules too unless it says otherwise. All files have the commit's time.
 *  @param commit  what --checksum says: the commit, or its beginning; NULL: what @p url says
 *  @return WCOW_E_INVALID where @p url says another, WCOW_E_UNSUPPORTED where git is not installed,
 * WCOW_E_IO with git's own words, WCOW_E_DATA_LOSS where it is another commit, WCOW_E_CANCELLED */
WCOW_NODISCARD int wcow_git_clone(const struct wcow_git_url *url, const char *commit,
                                  const atomic_bool *cancel, struct wcow_git_checkout **ret,
                                  struct wcow_error *err);
/** The commit that @p url names now, as its repository says; nothing is fetched.
 *  @return 1; 0 where it has no branch or tag of that name (it may be a commit's); WCOW_E_IO and so
 *          on as wcow_git_clone() */
WCOW_NODISCARD int wcow_git_resolve(const struct wcow_git_url *url, const atomic_bool *cancel,
                                    char ret[static 65], struct wcow_error *err);
/** Remove it. NULL allowed. */
void wcow_git_checkout_free(struct wcow_git_checkout *checkout);
WCOW_DEFINE_CLEANUP(struct wcow_git_checkout, wcow_git_checkout_free)

#endif
