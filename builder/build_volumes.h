/* SPDX-License-Identifier: Apache-2.0 */
/** @file build_volumes.h
 *  What `RUN --mount=…` asks for, as places on this host. */
#ifndef WCOW_BUILDER_BUILD_VOLUMES_H
#define WCOW_BUILDER_BUILD_VOLUMES_H

#include "builder/build_internal.h"
#include "builder/run_folder.h"

enum { WCOW_RUN_LOCKS_MAX = 16 };

/** Zero-initialise; release with wcow_build_volumes_done(), which removes what was copied. */
struct wcow_build_volumes {
    struct wcow_run_volume *items;
    size_t n;
    struct wcow_str_list keys;      /**< for the cache: digests of what is bound */
    struct wcow_str_list env;       /**< "NAME=value" of secrets */
    struct wcow_str_list paths;     /**< what the items point to */
    struct wcow_run_folder copies;  /**< of what is bound */
    struct wcow_run_folder secrets; /**< their files */
    struct wcow_str_list locked;    /**< folders of caches that one RUN has at a time */
    int locks[WCOW_RUN_LOCKS_MAX];
    size_t n_locks;
};
void wcow_build_volumes_done(struct wcow_build_volumes *v);

WCOW_NODISCARD int wcow_build_volumes_take(struct wcow_build *b, struct wcow_stage_state *s,
                                           const struct wcow_run *run, unsigned step,
                                           struct wcow_build_volumes *ret, struct wcow_error *err);

/** Waits until no other RUN, of this build or another, has one of these caches that are not shared;
 *  they are this RUN's until wcow_build_volumes_done(). Who has them is to wait for nothing else.
 */
WCOW_NODISCARD int wcow_build_volumes_lock(struct wcow_build_volumes *v,
                                           const struct wcow_backend *backend,
                                           struct wcow_error *err);

#endif
