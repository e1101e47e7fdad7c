/* SPDX-License-Identifier: Apache-2.0 */
/** @file dockerfile_arena.h
 *  Memory of one Dockerfile: its tree, its typed instructions and their expanded forms live and die
 *  together, so that none of them has an owner of its own. One thread at a time. */
#ifndef WCOW_BUILDER_DOCKERFILE_ARENA_H
#define WCOW_BUILDER_DOCKERFILE_ARENA_H

#include <stddef.h>

#include "base/error.h"

struct wcow_arena_block;

/** Zero-initialise; release with wcow_arena_done(). */
struct wcow_arena {
    struct wcow_arena_block *blocks;
};

/** Zeroed memory, aligned for any type; NULL when memory is out. */
void *wcow_arena_alloc(struct wcow_arena *arena, size_t size_bytes);
/** A copy with a NUL behind it; NULL when memory is out. */
char *wcow_arena_strndup(struct wcow_arena *arena, const char *text, size_t len);
char *wcow_arena_strdup(struct wcow_arena *arena, const char *text);
void wcow_arena_done(struct wcow_arena *arena);

/** A list of strings. `items[count]` is NULL where count > 0. */
struct wcow_strings {
    const char **items;
    size_t count;
};

/** Append @p text (not copied) to @p list. */
WCOW_NODISCARD int wcow_strings_add(struct wcow_arena *arena, struct wcow_strings *list,
                                    const char *text, struct wcow_error *err);

#endif
