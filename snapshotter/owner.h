/* SPDX-License-Identifier: Apache-2.0 */
/** @file owner.h
 *  One containerd for one root. Which containerd a peer is shows in the database that it holds open
 *  (<its root>/io.containerd.metadata.v1.bolt/meta.db). The first that comes is recorded; another
 *  one is refused. Peers that hold none (ctr, tests, other clients) are nobody's garbage collector
 *  and may pass. */
#ifndef WCOW_SNAPSHOTTER_OWNER_H
#define WCOW_SNAPSHOTTER_OWNER_H

#include <sys/types.h>

#include "store/db.h"

/** Who may call, for wcow_rpc_admit; one thread at a time. */
struct wcow_owner_guard {
    struct wcow_store *store; /**< borrowed */
    const char *proc;         /**< "/proc", or a test's */
    pid_t pid;                /**< the owner that was last let in; 0: none yet */
};

/** @return WCOW_OK; WCOW_E_UNAVAILABLE: a containerd that has not opened its database yet;
 *          WCOW_E_PRECONDITION: another containerd; names both, and what to do */
WCOW_NODISCARD int wcow_owner_admit(struct wcow_owner_guard *guard, pid_t pid,
                                    struct wcow_error *err);
/** The next containerd that comes becomes the owner. */
WCOW_NODISCARD int wcow_owner_release(struct wcow_store *store, struct wcow_error *err);

#endif
