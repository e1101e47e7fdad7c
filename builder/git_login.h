/* SPDX-License-Identifier: Apache-2.0 */
/** @file git_login.h
 *  The login in the address of a repository over HTTP. git gets the address without it, and asks a
 *  credential helper for it, which has it from git's environment: it stands on no command line, in
 *  no message of git's and in no .git that is kept. It goes to the server that the address names,
 *  with submodules that lie there, too, and to no other. */
#ifndef WCOW_BUILDER_GIT_LOGIN_H
#define WCOW_BUILDER_GIT_LOGIN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

enum { WCOW_GIT_LOGIN_SETTINGS = 2, WCOW_GIT_LOGIN_VARIABLES = 5 };

/** Zero-initialise. */
struct wcow_git_login {
    char *repository; /**< the address without its login */
    /** Of git's command line (-c); NULL: no more of them */
    char *settings[WCOW_GIT_LOGIN_SETTINGS];
    /** Of its environment, in place of those of the same names; NULL: no more of them */
    char *variables[WCOW_GIT_LOGIN_VARIABLES];
};
void wcow_git_login_done(struct wcow_git_login *login);

/** Take the login out of @p address; another than HTTP's stays as it is. Where there is a name and
 *  no password, the caller's own credential helpers are asked for one first.
 *  @return WCOW_E_INVALID where the login has characters that no helper could hand over, or the
 *          address is one whose protocol knows no password */
WCOW_NODISCARD int wcow_git_login_take(const char *address, struct wcow_git_login *ret,
                                       struct wcow_error *err);
/** Whether the variable "NAME=…" is replaced by one of the login's. */
bool wcow_git_login_replaces(const struct wcow_git_login *login, const char *variable);

#endif
