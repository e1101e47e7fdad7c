/* SPDX-License-Identifier: Apache-2.0 */
/** @file tasks.h
 *  containerd's tasks: a container's running process.
 *  The order is create, start, wait, delete; kill at any time between. */
#ifndef WCOW_CONTAINERD_TASKS_H
#define WCOW_CONTAINERD_TASKS_H

#include "containerd/client.h"
#include "containerd/snapshots.h"

/** Borrowed. Paths of FIFOs, or URIs ("file:///path"); NULL: none. */
struct wcow_task_io {
    const char *stdin_path;
    const char *stdout_path;
    const char *stderr_path;
};

/** Sets up the container's process without running it. @param rootfs its mounts
 *  @param ret_pid the process's id on the host */
WCOW_NODISCARD int wcow_task_create(const struct wcow_containerd_ctx *ctx, const char *container,
                                    const struct wcow_mounts *rootfs, const struct wcow_task_io *io,
                                    uint32_t *ret_pid, struct wcow_error *err);
WCOW_NODISCARD int wcow_task_start(const struct wcow_containerd_ctx *ctx, const char *container,
                                   struct wcow_error *err);
/** The shim holds the FIFO of the input open for writing, too, until it is told that others do. */
WCOW_NODISCARD int wcow_task_release_input(const struct wcow_containerd_ctx *ctx,
                                           const char *container, struct wcow_error *err);
/** Waits until the process ends, however long that takes (ctx's timeout doesn't count; its cancel
 *  flag does: WCOW_E_CANCELLED, and the task runs on). */
WCOW_NODISCARD int wcow_task_wait(const struct wcow_containerd_ctx *ctx, const char *container,
                                  uint32_t *ret_exit_status, struct wcow_error *err);
/** To every process of the task. One that has ended is fine. */
WCOW_NODISCARD int wcow_task_kill(const struct wcow_containerd_ctx *ctx, const char *container,
                                  uint32_t signal, struct wcow_error *err);
/** A task that has ended; WCOW_E_PRECONDITION while it runs. Absent is fine. */
WCOW_NODISCARD int wcow_task_delete(const struct wcow_containerd_ctx *ctx, const char *container,
                                    struct wcow_error *err);

#endif
