/* SPDX-License-Identifier: Apache-2.0 */
/** @file tar_file.h
 *  A tar that libarchive writes, on its way out: to a file, which stands there only when it is
 *  whole, or straight to standard output, a pipe or a device. Writing ends with the build, though
 *  nobody reads what is written. */
#ifndef WCOW_BUILDER_TAR_FILE_H
#define WCOW_BUILDER_TAR_FILE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/cleanup.h"
#include "base/error.h"

struct archive;

/** Zero-initialise, with fd -1; stays where it is until it is done. */
struct wcow_tar_file {
    struct archive *archive; /**< to write entries to: pax, no padding at the end */
    const char *name;        /**< for messages */
    const char *dest;
    char *path; /**< what the file is called until it is whole; NULL: written as it stands */
    int fd;
    bool is_plain; /**< never blocks */
    const atomic_bool *cancel;
    bool was_cancelled;
    bool is_over; /**< nothing more is written */
};

/** @param dest    "-" is standard output; borrowed
 *  @param cancel  borrowed; may be NULL */
WCOW_NODISCARD int wcow_tar_file_open(struct wcow_tar_file *f, const char *dest,
                                      const atomic_bool *cancel, struct wcow_error *err);
/** Write the tar's end; the file gets its name. */
WCOW_NODISCARD int wcow_tar_file_finish(struct wcow_tar_file *f, struct wcow_error *err);
/** What libarchive has just failed at, about @p what. */
int wcow_tar_file_failed(const struct wcow_tar_file *f, const char *what, struct wcow_error *err);
/** Without wcow_tar_file_finish() nothing of the file stays. */
void wcow_tar_file_done(struct wcow_tar_file *f);

#endif
