/* SPDX-License-Identifier: Apache-2.0 */
/** @file run_task.h
 *  A containerd task from beginning to end: its container record, its output as lines of progress,
 *  its end by itself, by a signal, by time or for want of room. Nothing of it stays. Its input has
 *  nothing in it and ends with this process: whoever is to end with the builder may wait for that.
 */
#ifndef WCOW_BUILDER_RUN_TASK_H
#define WCOW_BUILDER_RUN_TASK_H

#include "base/bytes.h"
#include "builder/backend.h"
#include "builder/run_cgroup.h"
#include "containerd/snapshots.h"

struct wcow_run_task {
    const char *id;      /**< of container and task */
    const char *runtime; /**< "io.containerd.runc.v2" */
    const char *spec_json;
    const struct wcow_mounts *rootfs; /**< zero mounts: root.path of the spec */
    const char *folder;               /**< private, for the FIFOs of its input and output */
    const char *disk;                 /**< the folder that the command fills; NULL: not watched */
    int64_t disk_bytes;               /**< that it may hold; 0: as much as there is */
    unsigned timeout_s;               /**< 0: none */
    const struct wcow_run_cgroup *cgroup; /**< NULL: nobody asks whether memory was short */
    unsigned step;
    struct wcow_buf *capture; /**< takes the output instead of the progress; or NULL */
    /** Sees each line before; true: it is not shown. NULL: all are. */
    bool (*take_line)(const char *line, struct wcow_buf *arg);
    struct wcow_buf *take_line_arg;
};

/** @param ret_exit_status of the first process
 *  @return WCOW_E_CANCELLED, WCOW_E_DEADLINE, WCOW_E_LIMIT (disk, memory): then it was killed;
 *          errors of containerd */
WCOW_NODISCARD int wcow_run_task(struct wcow_backend *backend, const struct wcow_run_task *task,
                                 uint32_t *ret_exit_status, struct wcow_error *err);

#endif
