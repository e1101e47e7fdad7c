/* SPDX-License-Identifier: Apache-2.0 */
/** @file wine_spec.h
 *  config.json of the Linux container in which Wine runs a RUN: the C: drive is an overlay that the
 *  container's own mount namespace mounts, so that nothing of it is mounted on the host; no
 *  capability, a read-only root of a few KB, limits. Source: OCI runtime-spec, config-linux.md. */
#ifndef WCOW_BUILDER_WINE_SPEC_H
#define WCOW_BUILDER_WINE_SPEC_H

#include "base/bytes.h"
#include "builder/run.h"

/** A place on this host, in the container. */
struct wcow_wine_bind {
    const char *source; /**< NULL: tmpfs */
    const char *target; /**< absolute, in the container */
    bool read_only;
    int64_t size_bytes; /**< of a tmpfs; 0: 64 MiB */
};

/** Borrowed. */
struct wcow_wine_spec {
    const char *root;        /**< the root folder, on this host */
    const char *usr;         /**< shown as /usr */
    const char *const *args; /**< ended by NULL */
    const char *overrides;   /**< WINEDLLOVERRIDES */
    const char *lower;       /**< overlay's lowerdir, "a:b:c"; NULL: no C: drive yet */
    const char *upper;       /**< and upperdir */
    const char *work;        /**< and workdir */
    const struct wcow_wine_bind *binds;
    size_t n_binds;
    enum wcow_run_network network;
    const char *cgroup;    /**< "/wcow/x" */
    int64_t memory_bytes;  /**< 0: no limit */
    int64_t max_processes; /**< 0: no limit */
};

enum { WCOW_OVERLAY_OPTIONS_MAX = 4000 }; /**< bytes: the kernel takes one page */

/** Append the JSON. WCOW_E_LIMIT: more layers than an overlay's options can name. */
WCOW_NODISCARD int wcow_wine_spec_write(const struct wcow_wine_spec *spec, struct wcow_buf *out,
                                        struct wcow_error *err);

#endif
