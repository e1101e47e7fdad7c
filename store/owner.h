/* SPDX-License-Identifier: Apache-2.0 */
/** @file owner.h
 *  Whose snapshots a root holds: one containerd's. It removes every snapshot it does not know, so
 *  a second one must not get at them. */
#ifndef WCOW_STORE_OWNER_H
#define WCOW_STORE_OWNER_H

#include <limits.h>

#include "store/db.h"

/** containerd's own database, which tells one containerd from another. */
struct wcow_owner {
    char path[PATH_MAX];
    uint64_t device;
    uint64_t inode;
};

/** WCOW_E_NOT_FOUND where nobody is recorded. */
WCOW_NODISCARD int wcow_owner_get(struct wcow_db *db, struct wcow_owner *ret,
                                  struct wcow_error *err);
WCOW_NODISCARD int wcow_owner_set(struct wcow_db *db, const struct wcow_owner *owner,
                                  struct wcow_error *err);
WCOW_NODISCARD int wcow_owner_forget(struct wcow_db *db, struct wcow_error *err);

#endif
