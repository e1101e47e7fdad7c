/* SPDX-License-Identifier: Apache-2.0 */
/** @file codec_blocks.h
 *  Compression on several threads whose bytes do not depend on their number: the input is cut into
 *  blocks of a fixed size, each is compressed on its own by whichever thread is free, and what they
 *  gave is written in their order. The caller's own thread is one of them: it compresses where it
 *  would wait otherwise (docs/decisions/0022). Private to differ/codec*.c. */
#ifndef WCOW_DIFFER_CODEC_BLOCKS_H
#define WCOW_DIFFER_CODEC_BLOCKS_H

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/stream.h"

/** How one block is compressed. */
struct wcow_block_codec {
    size_t block_bytes;
    size_t before_bytes; /**< of what stood before it a block is shown as many, at most */
    size_t out_bytes;    /**< what a block can become, at most */
    unsigned n_waiting;  /**< blocks in memory besides one for each thread; 1 or more */
    unsigned n_max;      /**< blocks in memory at most, which bounds the threads to one less */
    /** What a thread needs; its own. */
    int (*begin)(void **ret, struct wcow_error *err);
    /** @return the bytes written to @p out, or an error */
    long (*run)(void *state, struct wcow_bytes before, struct wcow_bytes in, uint8_t *out,
                size_t cap, struct wcow_error *err);
    void (*end)(void *state); /**< NULL allowed */
};

/** One thread uses it; after an error there is nothing to do with it but free. */
struct wcow_blocks;
/** @param codec borrowed, static @param output borrowed; called on the caller's thread
 *  @param n_threads 1 or more, the caller's among them; WCOW_E_NOMEM, WCOW_E_LIMIT where no thread
 * is to be had */
WCOW_NODISCARD int wcow_blocks_new(const struct wcow_block_codec *codec,
                                   const struct wcow_sink *output, unsigned n_threads,
                                   struct wcow_blocks **ret, struct wcow_error *err);
WCOW_NODISCARD int wcow_blocks_write(struct wcow_blocks *b, const void *data, size_t len,
                                     struct wcow_error *err);
/** As a sink's: where the next write's bytes may be put already. */
uint8_t *wcow_blocks_room(struct wcow_blocks *b, size_t *ret_len);
/** Write all that is left. Once, before free. */
WCOW_NODISCARD int wcow_blocks_finish(struct wcow_blocks *b, struct wcow_error *err);
/** What was not written out is lost. NULL allowed. */
void wcow_blocks_free(struct wcow_blocks *b);
WCOW_DEFINE_CLEANUP(struct wcow_blocks, wcow_blocks_free)

#endif
