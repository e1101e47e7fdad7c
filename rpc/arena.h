/* SPDX-License-Identifier: Apache-2.0 */
/** @file arena.h
 *  Memory that lives as long as a call and goes at once. One thread at a time. */
#ifndef WCOW_RPC_ARENA_H
#define WCOW_RPC_ARENA_H

#include <stddef.h>

#include <protobuf-c/protobuf-c.h>

/** Nothing larger in one call: a hostile request of 16 MiB of empty submessages ends here. */
enum { WCOW_ARENA_MAX_BYTES = 256 << 20 };

struct wcow_rpc_arena_block;

/** Zero-initialise. */
struct wcow_rpc_arena {
    struct wcow_rpc_arena_block *blocks;
    size_t used_bytes;  /**< of the newest block */
    size_t total_bytes; /**< of all blocks */
};

/** Aligned for any type, not zeroed; NULL when memory or the limit is out. */
void *wcow_rpc_arena_alloc(struct wcow_rpc_arena *arena, size_t size);
char *wcow_rpc_arena_strndup(struct wcow_rpc_arena *arena, const void *s, size_t len);
/** Everything back; a first small block is kept for the next call. */
void wcow_rpc_arena_reset(struct wcow_rpc_arena *arena);
void wcow_rpc_arena_done(struct wcow_rpc_arena *arena);
/** protobuf-c's view of it. */
ProtobufCAllocator wcow_rpc_arena_allocator(struct wcow_rpc_arena *arena);

#endif
