/* SPDX-License-Identifier: Apache-2.0 */
/** @file read_ahead.h
 *  A file read chunk by chunk, from its beginning, and each chunk looked at (hashed), once and in
 *  order: by the thread that uses the chunks or, ahead of it, by others that have nothing else to
 *  do, or by a thread for that alone. */
#ifndef WCOW_BASE_READ_AHEAD_H
#define WCOW_BASE_READ_AHEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"

struct wcow_read_ahead;

/** @param fd borrowed; its position counts for nothing and stays
 *  @param look one call at a time, each on any of the threads; NULL: nothing is looked at */
WCOW_NODISCARD int wcow_read_ahead_new(int fd,
                                       void (*look)(void *ctx, const uint8_t *data, size_t len),
                                       void *look_ctx, struct wcow_read_ahead **ret,
                                       struct wcow_error *err);
/** Have a thread that helps. Where there is none to be had who uses the chunks does it all. */
void wcow_read_ahead_start(struct wcow_read_ahead *a);
/** The next chunk, of 256 KiB except for the last; of 0 bytes at the end. It stays valid until the
 *  call after the next one. By one thread at a time. */
WCOW_NODISCARD int wcow_read_ahead_next(struct wcow_read_ahead *a, const uint8_t **ret_data,
                                        size_t *ret_len, struct wcow_error *err);
/** Read a chunk that will be asked for, or look at one, on any thread; false where that is done, as
 *  far as there is room, or somebody is at it. */
bool wcow_read_ahead_help(struct wcow_read_ahead *a);
/** Wait, or rather help, until all that was given has been looked at. */
void wcow_read_ahead_settle(struct wcow_read_ahead *a);
/** NULL allowed. Once nobody else helps any more. */
void wcow_read_ahead_free(struct wcow_read_ahead *a);
WCOW_DEFINE_CLEANUP(struct wcow_read_ahead, wcow_read_ahead_free)

#endif
