/* SPDX-License-Identifier: Apache-2.0 */
/** @file rights.h
 *  --chown and --chmod as Windows security descriptors ([MS-DTYP] 2.4.6). docs/dockerfile.md has
 *  the mapping of modes for users. */
#ifndef WCOW_BUILDER_RIGHTS_H
#define WCOW_BUILDER_RIGHTS_H

#include <stdbool.h>

#include "base/bytes.h"
#include "layer/entry.h"

/** Who --chown names: "OWNER", "OWNER:GROUP" (names as wcow_identity_sid() knows them, or SIDs) or
 *  SDDL, "O:BAG:SY". Binary SIDs are appended; @p group stays empty where none is named.
 *  WCOW_E_INVALID says which names there are. */
WCOW_NODISCARD int wcow_rights_chown(const char *text, struct wcow_buf *owner,
                                     struct wcow_buf *group, struct wcow_error *err);

/** What --chmod says. Zero-initialise; release with wcow_chmod_done(). */
struct wcow_chmod {
    bool is_sddl;
    unsigned mode[2]; /**< of a file [0], of a directory [1] */
    char *dacl[2];    /**< SDDL from "D:" on, likewise */
    /* The descriptor made last, [0] and [1] as above: files of a folder have all the same. */
    struct wcow_buf from[2];
    struct wcow_buf made[2];
};
void wcow_chmod_done(struct wcow_chmod *chmod);

/** "0755", "u=rwX,go=rX" (on top of 0644 and 0755, for a context has no Windows modes) or SDDL,
 *  "D:P(A;OICI;FA;;;BA)". WCOW_E_INVALID where it is none of them. */
WCOW_NODISCARD int wcow_chmod_parse(const char *text, struct wcow_chmod *ret,
                                    struct wcow_error *err);

/** Give the file or directory @p entry, which has a descriptor, the rights instead of those that it
 *  has; its owner and group stay.
 *  @param group  --chown's, for the mode's group bits; empty: they hold for BUILTIN\Users */
WCOW_NODISCARD int wcow_chmod_apply(struct wcow_chmod *chmod, struct wcow_bytes group,
                                    struct wcow_entry *entry, struct wcow_error *err);

#endif
