/* SPDX-License-Identifier: Apache-2.0 */
/** @file challenge.h
 *  What a server wants to be shown: the WWW-Authenticate header (RFC 9110 section 11.6.1), as
 *  registries use it (Basic, and Bearer with realm, service and scope). */
#ifndef WCOW_IMAGE_CHALLENGE_H
#define WCOW_IMAGE_CHALLENGE_H

#include "image/strings.h"

enum wcow_challenge_scheme { WCOW_CHALLENGE_NONE, WCOW_CHALLENGE_BASIC, WCOW_CHALLENGE_BEARER };

/** Owned strings, NULL when absent. */
struct wcow_challenge {
    enum wcow_challenge_scheme scheme;
    char *realm;
    char *service;
    char *scope;
};
void wcow_challenge_done(struct wcow_challenge *c);
#define wcow_auto_challenge WCOW_CLEANUP(wcow_challenge_done) struct wcow_challenge

/** Choose among the challenges of all @p headers: Bearer before Basic; scheme NONE when there is
 *  neither (malformed ones are passed over). @p ret must be zeroed. Fails for memory alone. */
WCOW_NODISCARD int wcow_challenge_choose(const struct wcow_str_list *headers,
                                         struct wcow_challenge *ret, struct wcow_error *err);

#endif
