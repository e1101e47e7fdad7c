/* SPDX-License-Identifier: Apache-2.0 */
/** @file sd.h
 *  Self-relative security descriptors ([MS-DTYP] 2.4.6), their text form (SDDL, [MS-DTYP] 2.5.1)
 * and inheritance ([MS-DTYP] 2.5.3.4). */
#ifndef WCOW_LAYER_SD_H
#define WCOW_LAYER_SD_H

#include <stdbool.h>

#include "base/bytes.h"

/** WCOW_E_INVALID where the bytes are no well-formed self-relative descriptor; names the fault. */
WCOW_NODISCARD int wcow_sd_check(const void *sd, size_t len, struct wcow_error *err);

/** Text form, appended. */
WCOW_NODISCARD int wcow_sd_to_sddl(const void *sd, size_t len, struct wcow_buf *out,
                                   struct wcow_error *err);
/** Bytes from the text form, appended. WCOW_E_INVALID names the part, WCOW_E_UNSUPPORTED where it
 *  needs a domain. */
WCOW_NODISCARD int wcow_sd_of_sddl(const char *sddl, struct wcow_buf *out, struct wcow_error *err);

/** Binary SID of "S-1-5-32-544" or of an SDDL alias such as "BA", appended. */
WCOW_NODISCARD int wcow_sid_parse(const char *text, struct wcow_buf *out, struct wcow_error *err);

/** The descriptor that Windows gives a new object.
 *  @param parent  descriptor of the parent directory
 *  @param owner, group  SIDs of the creator's token (binary); an empty one: the parent's
 *  @param is_dir  the new object is a directory
 *  @param out     the new descriptor, appended */
WCOW_NODISCARD int wcow_sd_inherit(struct wcow_bytes parent, struct wcow_bytes owner,
                                   struct wcow_bytes group, bool is_dir, struct wcow_buf *out,
                                   struct wcow_error *err);

/** Descriptors of what has no parent to inherit from: those of C:\ in a Server Core image for
 *  directories and what a file directly below it gets. Static. */
struct wcow_bytes wcow_sd_default(bool is_dir);

#endif
