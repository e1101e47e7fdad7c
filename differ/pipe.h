/* SPDX-License-Identifier: Apache-2.0 */
/** @file pipe.h
 *  Something that is read on a thread of its own and handed to a reader, chunk by chunk, while each
 *  chunk is also looked at (hashed), once and in order, by the reader while it keeps up, else by
 *  whichever of the two would wait otherwise; see docs/decisions/0022. Memory is bounded: who is
 *  ahead waits for the slowest. */
#ifndef WCOW_DIFFER_PIPE_H
#define WCOW_DIFFER_PIPE_H

#include <stdatomic.h>

#include "base/cleanup.h"
#include "base/stream.h"

struct wcow_pipe;

/** What a pipe does with what comes through it. */
struct wcow_pipe_work {
    /** Reads up to @p cap bytes; *ret_len is 0 at the end only. On the pipe's thread. */
    int (*read)(void *ctx, uint8_t *out, size_t cap, size_t *ret_len, struct wcow_error *err);
    void *read_ctx;
    /** Does a piece of what `read` will need; false where there is nothing to do. On any of the
     *  pipe's threads and the reader's, several at once; NULL allowed. */
    bool (*supply)(void *ctx);
    void *supply_ctx;
    /** Looks at the next bytes. One call at a time, each on any of the threads. */
    void (*look)(void *ctx, const uint8_t *data, size_t len);
    void *look_ctx;
    /** Polled at each chunk: WCOW_E_CANCELLED for the reader; NULL allowed. */
    const atomic_bool *cancel;
    /** A thread that does nothing but look, for machines where it has a processor of its own. */
    bool own_looker;
};

/** Start reading, until the pipe is freed.
 *  @param work copied; its contexts are borrowed */
WCOW_NODISCARD int wcow_pipe_new(const struct wcow_pipe_work *work, struct wcow_pipe **ret,
                                 struct wcow_error *err);

/** What was read; one thread uses it. An error of the source comes behind the last good chunk. */
struct wcow_source wcow_pipe_reader(struct wcow_pipe *pipe);

/** Have @p help called by each thread that would wait otherwise: it does a piece of other work,
 * which should be small, and returns false where there is none. Several may call it at once, on the
 *  pipe's threads and the reader's, until the pipe is freed. */
void wcow_pipe_help(struct wcow_pipe *pipe, bool (*help)(void *ctx), void *ctx);

/** There is such work: wakes those who wait. */
void wcow_pipe_call(struct wcow_pipe *pipe);

/** Wait, or rather help, until all that was read has been looked at. By the reader's thread, once
 *  it has come to the end: all that the source gave has been looked at then. */
void wcow_pipe_settle(struct wcow_pipe *pipe);

/** Stops the threads (they end with the chunk they are at) and waits for them. NULL allowed. */
void wcow_pipe_free(struct wcow_pipe *pipe);
WCOW_DEFINE_CLEANUP(struct wcow_pipe, wcow_pipe_free)

#endif
