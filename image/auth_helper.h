/* SPDX-License-Identifier: Apache-2.0 */
/** @file auth_helper.h
 *  Ask a docker-credential-<name> program (docker-credential-helpers' protocol: "get", the server
 *  on standard input, a JSON object back). */
#ifndef WCOW_IMAGE_AUTH_HELPER_H
#define WCOW_IMAGE_AUTH_HELPER_H

#include "image/auth.h"

/** *ret (zeroed) stays empty when the helper has nothing for @p server. WCOW_E_UNAVAILABLE names
 *  the helper and what it said; WCOW_E_INVALID for a name with a slash. */
WCOW_NODISCARD int wcow_auth_helper_get(const char *name, const char *server,
                                        const atomic_bool *cancelled, struct wcow_credentials *ret,
                                        struct wcow_error *err);

#endif
