/* SPDX-License-Identifier: Apache-2.0 */
/** @file sid.h
 *  Security identifiers ([MS-DTYP] 2.4.2): their text form, the two-letter names of SDDL ([MS-DTYP]
 *  2.5.1.1), and the account names that Windows containers know. */
#ifndef WCOW_LAYER_SID_H
#define WCOW_LAYER_SID_H

#include "base/bytes.h"

enum {
    WCOW_SID_MIN_BYTES = 8,
    WCOW_SID_MAX_SUB = 15,
    WCOW_SID_MAX_BYTES = WCOW_SID_MIN_BYTES + 4 * WCOW_SID_MAX_SUB,
};

/** Bytes of the SID that @p data begins with, or 0 where there is none. */
size_t wcow_sid_size(const void *data, size_t len);

/** "S-1-5-32-544", appended. WCOW_E_INVALID where @p sid is not one SID. */
WCOW_NODISCARD int wcow_sid_to_text(struct wcow_bytes sid, struct wcow_buf *out,
                                    struct wcow_error *err);

/** "BA", or NULL where SDDL has no short name. Static. */
const char *wcow_sid_alias(struct wcow_bytes sid);

/** SID of an account as commands and Dockerfiles name it, letter case ignored, with or without its
 *  domain: "ContainerAdministrator", "BUILTIN\Users", "NT AUTHORITY\SYSTEM"; "S-1-…" is itself.
 *  Appended. WCOW_E_NOT_FOUND where only the container's own registry could tell, WCOW_E_INVALID
 *  for a SID that is none. */
WCOW_NODISCARD int wcow_sid_of_account(const char *name, struct wcow_buf *out,
                                       struct wcow_error *err);

/** "BUILTIN\Administrators", or NULL where the account is not well known. Static. */
const char *wcow_sid_account(struct wcow_bytes sid);

#endif
