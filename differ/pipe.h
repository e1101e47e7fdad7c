/* SPDX-License-Identifier: Apache-2.0 */
/** @file pipe.h
 *  Something that is read on a thread of its own, its chunks handed to several readers that each
 * see all of them. Memory is bounded: the thread waits for the slowest reader. */
#ifndef WCOW_DIFFER_PIPE_H
#define WCOW_DIFFER_PIPE_H

#include <stdatomic.h>

#include "base/cleanup.h"
#include "base/stream.h"

struct wcow_pipe;

enum { WCOW_PIPE_READERS = 2 };

/** Reads up to @p cap bytes; *ret_len is 0 at the end only. */
typedef int (*wcow_pipe_read_fn)(void *ctx, uint8_t *out, size_t cap, size_t *ret_len,
                                 struct wcow_error *err);

/** Start reading by @p read, with @p ctx, on the pipe's thread, until the pipe is freed.
 *  @param cancel polled at each chunk: WCOW_E_CANCELLED for the readers; may be NULL */
WCOW_NODISCARD int wcow_pipe_new(wcow_pipe_read_fn read, void *ctx, const atomic_bool *cancel,
                                 struct wcow_pipe **ret, struct wcow_error *err);

/** Reader @p i, 0 to WCOW_PIPE_READERS - 1; one thread each. An error of the source comes to each
 *  reader behind the last good chunk. */
struct wcow_source wcow_pipe_reader(struct wcow_pipe *pipe, unsigned i);

/** Every reader's next chunk is WCOW_E_CANCELLED; the thread ends with the chunk it is at. */
void wcow_pipe_stop(struct wcow_pipe *pipe);

/** Stops the thread (it ends with the chunk it is at) and waits for it. NULL allowed. */
void wcow_pipe_free(struct wcow_pipe *pipe);
WCOW_DEFINE_CLEANUP(struct wcow_pipe, wcow_pipe_free)

#endif
