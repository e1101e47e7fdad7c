/* SPDX-License-Identifier: Apache-2.0 */
/** @file progress.h
 *  What a build shows while it goes on, in the forms of `docker buildx build`: a live region on a
 *  terminal, lines elsewhere, one digest, or JSON. Written to standard error. Thread-safe. */
#ifndef WCOW_BUILDER_PROGRESS_H
#define WCOW_BUILDER_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"

enum wcow_progress_mode {
    WCOW_PROGRESS_PLAIN,
    WCOW_PROGRESS_TTY,
    WCOW_PROGRESS_QUIET,
    WCOW_PROGRESS_RAWJSON,
};

struct wcow_progress;

/** "auto" (tty where @p fd is a terminal that can move its cursor), "plain", "tty", "quiet",
 * "none", "rawjson". */
WCOW_NODISCARD int wcow_progress_parse(const char *text, int fd, enum wcow_progress_mode *ret,
                                       struct wcow_error *err);

/** @param fd  borrowed */
WCOW_NODISCARD int wcow_progress_new(enum wcow_progress_mode mode, int fd,
                                     struct wcow_progress **ret, struct wcow_error *err);
/** Draw the last state and end. */
void wcow_progress_free(struct wcow_progress *p);
WCOW_DEFINE_CLEANUP(struct wcow_progress, wcow_progress_free)

/** A step begins: "[2/4] COPY hello.txt C:/". @return its number, from 1. */
unsigned wcow_progress_start(struct wcow_progress *p, const char *name);
/** Something measured in the step, known by @p id ("sha256:…", "transferring context"). @p total 0:
 *  unknown. @p done: it is complete. */
void wcow_progress_status(struct wcow_progress *p, unsigned number, const char *id,
                          uint64_t current, uint64_t total, bool done);

/** Something that grows for a while, in bytes: told from a MB on, and then for each. */
struct wcow_progress_bytes {
    struct wcow_progress *progress;
    unsigned number; /**< of the step */
    const char *id;
    uint64_t told; /**< 0: nothing yet */
};
/** @param ctx  a struct wcow_progress_bytes: for what wants a function that takes @p done */
void wcow_progress_bytes_grown(void *ctx, uint64_t done);

/** A line of text that the step prints. */
void wcow_progress_log(struct wcow_progress *p, unsigned number, const char *line);

enum wcow_progress_end {
    WCOW_PROGRESS_DONE,
    WCOW_PROGRESS_CACHED,
    WCOW_PROGRESS_CANCELED,
    WCOW_PROGRESS_ERROR,
};
/** How a step ended that came to @p code. */
enum wcow_progress_end wcow_progress_end_of(int code, bool is_cached);
/** The step ends. @p message: with ERROR, what went wrong. */
void wcow_progress_end(struct wcow_progress *p, unsigned number, enum wcow_progress_end how,
                       const char *message);

/** "1.23MB", "512B", decimal as docker prints sizes. */
void wcow_progress_size(uint64_t bytes, char out[16]);

#endif
