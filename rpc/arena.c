/* SPDX-License-Identifier: Apache-2.0 */
#include "rpc/arena.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK_BYTES = 4096, ALIGN = _Alignof(max_align_t) };

struct wcow_rpc_arena_block {
    struct wcow_rpc_arena_block *next;
    size_t cap;
    _Alignas(max_align_t) unsigned char data[];
};

static struct wcow_rpc_arena_block *add_block(struct wcow_rpc_arena *arena, size_t size)
{
    size_t cap = size > BLOCK_BYTES ? size : BLOCK_BYTES;
    if (cap > WCOW_ARENA_MAX_BYTES - arena->total_bytes)
        return NULL;
    struct wcow_rpc_arena_block *block = malloc(sizeof(*block) + cap);
    if (!block)
        return NULL;
    block->cap = cap;
    block->next = arena->blocks;
    arena->blocks = block;
    arena->used_bytes = 0;
    arena->total_bytes += cap;
    return block;
}

void *wcow_rpc_arena_alloc(struct wcow_rpc_arena *arena, size_t size)
{
    if (size > WCOW_ARENA_MAX_BYTES)
        return NULL;
    size = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    struct wcow_rpc_arena_block *block = arena->blocks;
    if (!block || size > block->cap - arena->used_bytes)
        block = add_block(arena, size);
    if (!block)
        return NULL;
    void *p = block->data + arena->used_bytes;
    arena->used_bytes += size;
    return p;
}

char *wcow_rpc_arena_strndup(struct wcow_rpc_arena *arena, const void *s, size_t len)
{
    char *p = wcow_rpc_arena_alloc(arena, len + 1);
    if (p) {
        memcpy(p, s, len);
        p[len] = '\0';
    }
    return p;
}

static void drop_blocks(struct wcow_rpc_arena *arena, struct wcow_rpc_arena_block *keep)
{
    while (arena->blocks) {
        struct wcow_rpc_arena_block *next = arena->blocks->next;
        if (arena->blocks != keep)
            free(arena->blocks);
        arena->blocks = next;
    }
    if (keep)
        keep->next = NULL;
    arena->blocks = keep;
    arena->used_bytes = 0;
    arena->total_bytes = keep ? keep->cap : 0;
}

void wcow_rpc_arena_reset(struct wcow_rpc_arena *arena)
{
    struct wcow_rpc_arena_block *keep = arena->blocks;
    while (keep && keep->cap != BLOCK_BYTES)
        keep = keep->next;
    drop_blocks(arena, keep);
}

void wcow_rpc_arena_done(struct wcow_rpc_arena *arena)
{
    drop_blocks(arena, NULL);
}

static void *allocator_alloc(void *data, size_t size)
{
    return wcow_rpc_arena_alloc(data, size);
}

static void allocator_free(void *data, void *p)
{
    (void)data;
    (void)p;
}

ProtobufCAllocator wcow_rpc_arena_allocator(struct wcow_rpc_arena *arena)
{
    return (ProtobufCAllocator){allocator_alloc, allocator_free, arena};
}
