/* SPDX-License-Identifier: Apache-2.0 */
/** @file run_hcs.h
 *  The executor "runhcs", as far as it is the same everywhere: config.json of a RUN on Windows, and
 *  what is asked of containerd's tasks service for it. As `ctr run` and BuildKit do, the spec names
 *  no layer folders: the root file system travels with the request, one mount of type windows-layer
 *  without a target, and the shim makes layer folders of it. */
#ifndef WCOW_BUILDER_RUN_HCS_H
#define WCOW_BUILDER_RUN_HCS_H

#include "base/bytes.h"
#include "builder/run.h"

#define WCOW_HCS_RUNTIME "io.containerd.runhcs.v1"

/** Where a script is found in the container. */
#define WCOW_HCS_SCRIPT_FOLDER "C:\\run\\wcow"
#define WCOW_HCS_SCRIPT        "run.cmd"

struct wcow_hcs_options {
    const char *script_folder; /**< on the host, holds WCOW_HCS_SCRIPT; NULL where there is none */
};

/** Append config.json, indented. WCOW_E_UNSUPPORTED: a tmpfs, which Windows does not have.
 *  WCOW_E_PRECONDITION: a script without its folder. */
WCOW_NODISCARD int wcow_hcs_spec_write(const struct wcow_execution *execution,
                                       const struct wcow_hcs_options *options, struct wcow_buf *out,
                                       struct wcow_error *err);

/** Append what CreateTask is given, as JSON. WCOW_E_PRECONDITION: the
 *  mounts are not one windows-layer without a target. */
WCOW_NODISCARD int wcow_hcs_task_write(const struct wcow_execution *execution, const char *id,
                                       struct wcow_buf *out, struct wcow_error *err);

#endif
