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
/** What can be said before variables are known: a mount that has none is right altogether; of
 *  another @p ret has only `from`, which may hold none. */
WCOW_NODISCARD int wcow_mount_check(const char *text, char escape, struct wcow_arena *arena,
                                    struct wcow_run_mount *ret, struct wcow_error *err);

#endif
