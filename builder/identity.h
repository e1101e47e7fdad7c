/* SPDX-License-Identifier: Apache-2.0 */
/** @file identity.h
 *  Who owns what a step makes: USER's value, or --chown's, as a security identifier. */
#ifndef WCOW_BUILDER_IDENTITY_H
#define WCOW_BUILDER_IDENTITY_H

#include <stdbool.h>

#include "base/bytes.h"

/** Append the SID of @p user: an account as wcow_sid_of_account() knows it, or "S-1-5-…".
 *  ContainerAdministrator's is that of "" and of users that only the image knows, too.
 *  @param ret_known  false for the last; NULL allowed
 *  @return WCOW_E_INVALID for a SID that is none */
WCOW_NODISCARD int wcow_identity_sid(const char *user, struct wcow_buf *out, bool *ret_known,
                                     struct wcow_error *err);

#endif
