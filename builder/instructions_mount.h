/* SPDX-License-Identifier: Apache-2.0 */
/** @file instructions_mount.h
 *  The value of `RUN --mount=`: comma-separated fields, as encoding/csv reads them. */
#ifndef WCOW_BUILDER_INSTRUCTIONS_MOUNT_H
#define WCOW_BUILDER_INSTRUCTIONS_MOUNT_H

#include "builder/instructions.h"

/** Read and check one mount; each value is expanded by @p lexer first. */
WCOW_NODISCARD int wcow_mount_parse(const char *text, const struct wcow_lexer *lexer,
                                    struct wcow_arena *arena, struct wcow_run_mount *ret,
                                    struct wcow_error *err);
/** What can be said before variables are known: `from` holds none, and a mount that has none at all
 * is right altogether. */
WCOW_NODISCARD int wcow_mount_check(const char *text, char escape, struct wcow_arena *arena,
                                    struct wcow_error *err);

#endif
