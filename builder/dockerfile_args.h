/* SPDX-License-Identifier: Apache-2.0 */
/** @file dockerfile_args.h
 *  One logical line to a node: keyword, flags, and the arguments cut as the keyword wants it. */
#ifndef WCOW_BUILDER_DOCKERFILE_ARGS_H
#define WCOW_BUILDER_DOCKERFILE_ARGS_H

#include "builder/dockerfile.h"

/** Fill keyword, name, original, rest, flags, form, args, json_failed and child of @p ret. */
WCOW_NODISCARD int wcow_dockerfile_read_line(struct wcow_arena *arena, const char *line,
                                             char escape, struct wcow_node *ret,
                                             struct wcow_error *err);

#endif
