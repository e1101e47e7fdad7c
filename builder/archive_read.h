/* SPDX-License-Identifier: Apache-2.0 */
/** @file archive_read.h
 *  Private to archive*.c: what counts as an archive. */
#ifndef WCOW_BUILDER_ARCHIVE_READ_H
#define WCOW_BUILDER_ARCHIVE_READ_H

#include "base/error.h"

struct archive;
struct archive_entry;

/** Begin to read @p fd: *ret_member is the first member, NULL where it is no archive. */
WCOW_NODISCARD int wcow_archive_begin(struct archive *a, int fd, const char *name,
                                      struct archive_entry **ret_member, struct wcow_error *err);
/** "@p folder/member", the member's path cleaned; NULL where that is the folder itself. */
WCOW_NODISCARD int wcow_archive_place(const char *folder, const char *member, char **ret,
                                      struct wcow_error *err);

#endif
