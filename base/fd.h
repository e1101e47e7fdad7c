/* SPDX-License-Identifier: Apache-2.0 */
/** @file fd.h
 *  Writing to file descriptors: short writes and EINTR are seen to. Waiting for those that may
 *  never be ready. */
#ifndef WCOW_BASE_FD_H
#define WCOW_BASE_FD_H

#include <stdatomic.h>
#include <stddef.h>

#include "base/error.h"
#include "base/stream.h"

/** Of a program, before all else: where it was begun without standard input, output or error, put
 *  there what cannot be read or written, or the next file that is opened takes the place, and gets
 *  the program's messages. */
void wcow_fd_hold_standard(void);

/** Write all of it at the descriptor's position.
 *  @param what  what is written, for the message
 *  @return WCOW_OK, or as wcow_code_of_errno() has it (WCOW_E_LIMIT: disk full) */
WCOW_NODISCARD int wcow_fd_write(int fd, const void *data, size_t len, const char *what,
                                 struct wcow_error *err);

/** Wait until @p fd can be read (@p events POLLIN) or written (POLLOUT) without blocking, or is at
 *  its end. A signal may go to any thread, so the one that waits looks at *cancel ten times a
 *  second. @param cancel  may be NULL. WCOW_E_CANCELLED. */
WCOW_NODISCARD int wcow_fd_wait(int fd, short events, const atomic_bool *cancel,
                                struct wcow_error *err);

/** Write all that the source gives. */
WCOW_NODISCARD int wcow_fd_take(int fd, const struct wcow_source *source, const char *what,
                                struct wcow_error *err);

/** A sink that writes to *fd, which must outlive it; who uses it says in the error what it was. */
struct wcow_sink wcow_fd_sink(int *fd);

#endif
