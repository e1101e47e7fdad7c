/* SPDX-License-Identifier: Apache-2.0 */
/** @file git_run.h
 *  Private to git*.c: the git command, run in a folder, without anybody who could be asked for a
 *  password, and untouched by a repository of the caller's. */
#ifndef WCOW_BUILDER_GIT_RUN_H
#define WCOW_BUILDER_GIT_RUN_H

#include <stdatomic.h>

#include "base/bytes.h"
#include "builder/git_login.h"

/** Zero-initialise, but for the folder and whom to listen to. */
struct wcow_git_run {
    const char *folder;
    const atomic_bool *cancel;
    bool is_git_dir; /**< the folder is a repository's .git, and not what lies around it */
    char **env;
    struct wcow_git_login login;
};
/** @param address  of the repository, for its login; login.repository is that which git is to be
 *                  given. As wcow_git_login_take() */
WCOW_NODISCARD int wcow_git_run_begin(struct wcow_git_run *git, const char *address,
                                      struct wcow_error *err);
void wcow_git_run_done(struct wcow_git_run *git);

/** Run it; @p out gets what it says.
 *  @param args  the command and its arguments, then NULL
 *  @return WCOW_E_UNSUPPORTED where git is not installed, WCOW_E_IO with its own words where it
 *          fails, WCOW_E_CANCELLED */
WCOW_NODISCARD int wcow_git_run(const struct wcow_git_run *git, const char *const *args,
                                struct wcow_buf *out, struct wcow_error *err);
/** The same where nobody wants to know what it says. */
WCOW_NODISCARD int wcow_git_run_quietly(const struct wcow_git_run *git, const char *const *args,
                                        struct wcow_error *err);

#endif
