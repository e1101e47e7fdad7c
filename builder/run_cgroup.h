/* SPDX-License-Identifier: Apache-2.0 */
/** @file run_cgroup.h
 *  What the kernel enforces of a RUN's limits: memory of one and of all together, processes. By
 *  cgroups, v1 or v2, where the machine has their controllers. Sources: the kernel's
 *  cgroup-v1/memory.rst and cgroup-v2.rst. */
#ifndef WCOW_BUILDER_RUN_CGROUP_H
#define WCOW_BUILDER_RUN_CGROUP_H

#include "base/bytes.h"
#include "builder/run.h"

struct wcow_run_cgroup {
    struct wcow_buf path;     /**< as config.json names it, "/wcow/<installation>/<name>" */
    int64_t memory_bytes;     /**< 0: no controller */
    int64_t all_memory_bytes; /**< of all RUNs of this installation at once; 0: not enforced */
    int64_t processes;        /**< 0: no controller */
    struct wcow_buf all;      /**< the group of all RUNs, "/wcow/<installation>", held; or empty */
    int all_fd;               /**< of it, where it is held: under a shared lock */
};
/** When the RUN's own group is gone: the one of all RUNs is removed with the last of them. */
void wcow_run_cgroup_done(struct wcow_run_cgroup *cgroup);

/** The limits of the RUN @p name, and the group for it below that of all RUNs, whose limit is set
 *  and which is held until wcow_run_cgroup_done().
 *  @param folder  of the installation; names that group */
WCOW_NODISCARD int wcow_run_cgroup_prepare(const struct wcow_run_limits *limits, const char *folder,
                                           const char *name, struct wcow_run_cgroup *ret,
                                           struct wcow_error *err);

/** How many processes in the group the kernel has ended for want of memory. */
unsigned long wcow_run_cgroup_killed(const char *path);

#endif
