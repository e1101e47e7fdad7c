/* SPDX-License-Identifier: Apache-2.0 */
/** @file runtime_spec.h
 *  config.json of a Windows container, as containerd's runhcs shim takes it.
 *  Source: OCI runtime-spec, config-windows.md; what `ctr run` writes on Windows. */
#ifndef WCOW_IMAGE_RUNTIME_SPEC_H
#define WCOW_IMAGE_RUNTIME_SPEC_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

struct wcow_spec_strings {
    const char *const *items;
    size_t n;
};

/** Everything is borrowed. */
struct wcow_runtime_spec {
    struct wcow_spec_strings
        layer_folders;             /**< nearest parent first, base, then the scratch: at least 2 */
    struct wcow_spec_strings args; /**< the command, where command_line is NULL */
    const char *command_line;      /**< taken verbatim (an image with ArgsEscaped), or NULL */
    struct wcow_spec_strings env;  /**< "NAME=value" */
    const char *cwd;               /**< NULL: C:\ */
    const char *username;          /**< NULL: the image's default */
    bool hyperv;                   /**< run in a utility VM instead of a job object */
};

/** Append the JSON, indented, with a newline at its end.
 *  WCOW_E_INVALID: no command, too few layer folders, or text that is no UTF-8. */
WCOW_NODISCARD int wcow_runtime_spec_write(const struct wcow_runtime_spec *spec,
                                           struct wcow_buf *out, struct wcow_error *err);

#endif
