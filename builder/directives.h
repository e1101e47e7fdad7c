/* SPDX-License-Identifier: Apache-2.0 */
/** @file directives.h
 *  Parser directives: `# syntax=…`, `# escape=…`, `# check=…` lines at the top of a Dockerfile,
 * before any other line. */
#ifndef WCOW_BUILDER_DIRECTIVES_H
#define WCOW_BUILDER_DIRECTIVES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "builder/diagnostic.h"
#include "builder/dockerfile_arena.h"

struct wcow_directive {
    const char *name; /**< lower case */
    const char *value;
    struct wcow_line_range where;
};

/** Take one line (without its line break) while the directives' zone lasts.
 *  @param ret_found  whether the line is a directive; where it is not, the zone has ended
 *  @param ret        filled where found; its strings belong to @p arena */
WCOW_NODISCARD int wcow_directive_parse(struct wcow_arena *arena, const char *line, size_t len,
                                        unsigned line_number, bool *ret_found,
                                        struct wcow_directive *ret, struct wcow_error *err);

#endif
