/* SPDX-License-Identifier: Apache-2.0 */
/** @file file_writer.h
 *  The data of a layer's files, written by a thread of its own while the tar is parsed further.
 *
 *  Data is not copied: it stays in the chunks of a pipe, of which the writer has a reader of its
 *  own, so that no chunk is filled anew before all of it that was put is written. One thread gives;
 *  files come one after another. */
#ifndef WCOW_DIFFER_FILE_WRITER_H
#define WCOW_DIFFER_FILE_WRITER_H

#include "base/stream.h"
#include "differ/writeback.h"

struct wcow_file_writer;

/** @param chunks the writer's reader of the pipe; not yet used
 *  @param writeback takes each file that is written; borrowed, and not used by others meanwhile */
WCOW_NODISCARD int wcow_file_writer_new(const struct wcow_source *chunks,
                                        struct wcow_writeback *writeback,
                                        struct wcow_file_writer **ret, struct wcow_error *err);

/** The giver has got the pipe's next chunk: all that is put from now on lies in it. */
WCOW_NODISCARD int wcow_file_writer_next_chunk(struct wcow_file_writer *w, struct wcow_error *err);

/* Each of these may wait for the writer, and gives the error of an earlier file that could not be
 * written, by its name (as wcow_fd_write() has it). */

/** Begin a file, open for writing and empty; *fd becomes -1 where the writer has taken it.
 *  @param name for messages */
WCOW_NODISCARD int wcow_file_writer_open(struct wcow_file_writer *w, int *fd, const char *name,
                                         struct wcow_error *err);
/** Its next bytes, from the giver's current chunk. */
WCOW_NODISCARD int wcow_file_writer_put(struct wcow_file_writer *w, const uint8_t *data, size_t len,
                                        struct wcow_error *err);
/** Its next bytes are zeros that take no room on disk. */
WCOW_NODISCARD int wcow_file_writer_skip(struct wcow_file_writer *w, size_t len,
                                         struct wcow_error *err);
/** It is whole, with @p size_bytes. */
WCOW_NODISCARD int wcow_file_writer_close(struct wcow_file_writer *w, uint64_t size_bytes,
                                          struct wcow_error *err);

/** Wait until all that was put can be read from its files. */
WCOW_NODISCARD int wcow_file_writer_settle(struct wcow_file_writer *w, struct wcow_error *err);

/** Settle, and end the thread: nothing may be put any more. */
WCOW_NODISCARD int wcow_file_writer_finish(struct wcow_file_writer *w, struct wcow_error *err);
/** Finishes first. NULL allowed. */
void wcow_file_writer_free(struct wcow_file_writer *w);
WCOW_DEFINE_CLEANUP(struct wcow_file_writer, wcow_file_writer_free)

#endif
