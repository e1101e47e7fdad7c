/* SPDX-License-Identifier: Apache-2.0 */
/** @file outline.h
 *  `wcow build --call=outline` and `--call=targets`: what a target takes (arguments with their
 * defaults and descriptions, secrets, SSH agents), and which targets a Dockerfile has. */
#ifndef WCOW_BUILDER_OUTLINE_H
#define WCOW_BUILDER_OUTLINE_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/error.h"
#include "builder/instructions.h"

struct wcow_outline_input {
    const char *target;                /**< NULL: the last stage */
    const struct wcow_env *build_args; /**< NULL allowed */
    const struct wcow_env *predefined; /**< TARGETPLATFORM and the like; NULL allowed */
    const struct wcow_buf *source;     /**< the Dockerfile, which the JSON repeats; NULL allowed */
    bool json;                         /**< JSON instead of tables */
};

/** @param ret  text with a line break at its end, for the caller to free */
WCOW_NODISCARD int wcow_outline_print(const struct wcow_build_file *file,
                                      const struct wcow_outline_input *input, char **ret,
                                      struct wcow_error *err);
/** The list of stages: name, default mark, description.
 *  @param input  its source and json count */
WCOW_NODISCARD int wcow_outline_targets(const struct wcow_build_file *file,
                                        const struct wcow_outline_input *input, char **ret,
                                        struct wcow_error *err);

#endif
