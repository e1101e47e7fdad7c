/* SPDX-License-Identifier: Apache-2.0 */
/* A chain of blocks; what is larger than a block gets one of its own. */
#include "builder/dockerfile_arena.h"

#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_BYTES = 8192, STRINGS_STEP = 8 };

struct wcow_arena_block {
    struct wcow_arena_block *next;
    size_t used;
    size_t size;
    alignas(max_align_t) unsigned char data[];
};

static struct wcow_arena_block *new_block(size_t size_bytes)
{
    if (size_bytes > SIZE_MAX - sizeof(struct wcow_arena_block))
        return NULL;
    struct wcow_arena_block *block = calloc(1, sizeof *block + size_bytes);
    if (block)
        block->size = size_bytes;
    return block;
}

void *wcow_arena_alloc(struct wcow_arena *arena, size_t size_bytes)
{
    const size_t align = alignof(max_align_t);
    if (size_bytes > SIZE_MAX - align)
        return NULL;
    size_t want = (size_bytes + align - 1) / align * align;
    if (want == 0)
        want = align;
    struct wcow_arena_block *block = arena->blocks;
    if (!block || block->size - block->used < want) {
        block = new_block(want > BLOCK_BYTES ? want : BLOCK_BYTES);
        if (!block)
            return NULL;
        block->next = arena->blocks;
        arena->blocks = block;
    }
    void *p = block->data + block->used;
    block->used += want;
    return p;
}

char *wcow_arena_strndup(struct wcow_arena *arena, const char *text, size_t len)
{
    if (len == SIZE_MAX)
        return NULL;
    char *copy = wcow_arena_alloc(arena, len + 1);
    if (copy && len > 0)
        memcpy(copy, text, len);
    return copy;
}

char *wcow_arena_strdup(struct wcow_arena *arena, const char *text)
{
    return wcow_arena_strndup(arena, text, strlen(text));
}

void wcow_arena_done(struct wcow_arena *arena)
{
    while (arena->blocks) {
        struct wcow_arena_block *next = arena->blocks->next;
        free(arena->blocks);
        arena->blocks = next;
    }
}

/* The list is full when its count and the NULL fill whole doublings of STRINGS_STEP. */
static bool is_full(size_t count)
{
    if (count + 1 < STRINGS_STEP)
        return false;
    size_t slots = count + 1;
    return (slots & (slots - 1)) == 0;
}

int wcow_strings_add(struct wcow_arena *arena, struct wcow_strings *list, const char *text,
                     struct wcow_error *err)
{
    if (!text)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory reading the Dockerfile");
    if (list->count == 0 || is_full(list->count)) {
        size_t slots = list->count == 0 ? STRINGS_STEP : (list->count + 1) * 2;
        const char **items = wcow_arena_alloc(arena, slots * sizeof *items);
        if (!items)
            return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory reading the Dockerfile");
        if (list->count > 0)
            memcpy(items, list->items, list->count * sizeof *items);
        list->items = items;
    }
    list->items[list->count++] = text;
    list->items[list->count] = NULL;
    return WCOW_OK;
}
