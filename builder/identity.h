/* SPDX-License-Identifier: Apache-2.0 */
/** @file identity.h
 *  Who owns what a step makes: USER's value, or --chown's, as a security identifier. */
#ifndef WCOW_BUILDER_IDENTITY_H
#define WCOW_BUILDER_IDENTITY_H

#include <stdbool.h>

#include "base/bytes.h"

/** Append the SID of @p user: "ContainerAdministrator" (also of "" and of users that only the image
 *  knows), "ContainerUser", names with a "User Manager\" before them, well-known names
 *  ("NT AUTHORITY\SYSTEM", "Administrators"), SDDL's two letters, "S-1-5-…". Letter case does not
 *  count. @p ret_known false where the name was none of them; NULL allowed. */
WCOW_NODISCARD int wcow_identity_sid(const char *user, struct wcow_buf *out, bool *ret_known,
                                     struct wcow_error *err);

#endif
