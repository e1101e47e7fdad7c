/* SPDX-License-Identifier: Apache-2.0 */
/** @file writeback.h
 *  Written files on their way to the disk while others are still being made: who has nothing else
 *  to do starts their writeback and closes them. It makes nothing durable; the sync at Commit does,
 *  and finds most of its work done. The first 64 MiB of a layer stay in the page cache, and so do
 *  small files; the rest leaves it once it is written. */
#ifndef WCOW_DIFFER_WRITEBACK_H
#define WCOW_DIFFER_WRITEBACK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"

struct wcow_writeback;

WCOW_NODISCARD int wcow_writeback_new(struct wcow_writeback **ret, struct wcow_error *err);
/** Give away @p fd, to which @p size_bytes were written. Where many wait to be sent off the giver
 *  sends off one itself, unless the disk cannot keep up: then the file is closed without, and left
 *  to the sync. One giver. */
void wcow_writeback_give(struct wcow_writeback *w, int fd, uint64_t size_bytes);
/** Send the next one off, on any thread; false where there is none, or somebody is at one. */
bool wcow_writeback_help(struct wcow_writeback *w);
/** Close all, once nobody helps any more. What went wrong with the first that did is the error. */
WCOW_NODISCARD int wcow_writeback_finish(struct wcow_writeback *w, struct wcow_error *err);
/** NULL allowed. */
void wcow_writeback_free(struct wcow_writeback *w);
WCOW_DEFINE_CLEANUP(struct wcow_writeback, wcow_writeback_free)

#endif
