/* SPDX-License-Identifier: Apache-2.0 */
/** @file archive.h
 *  ADD of a local archive: a tar, plain or compressed (gzip, bzip2, xz, zstd), told by its content,
 *  is unpacked into the destination. libarchive is seen in
 *  archive*.c, oci_archive.c and output_tar.c only. */
#ifndef WCOW_BUILDER_ARCHIVE_H
#define WCOW_BUILDER_ARCHIVE_H

#include "builder/context.h"
#include "builder/tree.h"

enum {
    WCOW_ARCHIVE_MAX_MEMBERS = 4000000,
};
/** What an archive may unpack to. */
#define WCOW_ARCHIVE_MAX_BYTES (UINT64_C(256) << 30)

struct wcow_archive_unpack {
    struct wcow_tree *tree;
    const char *dest; /**< "Files/app" */
    uint64_t now;     /**< FILETIME of members without a time */
    /** Whether a member is taken, by its path below the destination; NULL: all are. */
    int (*wants)(void *ctx, const char *path, bool *ret, struct wcow_error *err);
    /** Told of members that Windows cannot hold; NULL: they are errors. */
    void (*left_out)(void *ctx, const char *path);
    void *ctx;
};

/** Unpack @p file; *ret_unpacked is false, and nothing was done, where it is no archive. Members'
 *  paths stay below the destination whatever ".." they hold. The data waits in an unnamed temporary
 *  file until the layer is written.
 *  WCOW_E_CORRUPT for a broken archive, WCOW_E_INVALID names a member that Windows cannot hold. */
WCOW_NODISCARD int wcow_archive_unpack_file(struct wcow_context *context,
                                            const struct wcow_context_item *file,
                                            const struct wcow_archive_unpack *unpack,
                                            bool *ret_unpacked, struct wcow_error *err);

/** The same of an open file, from its beginning on. @p name is for messages. */
WCOW_NODISCARD int wcow_archive_unpack_fd(int fd, const char *name, const atomic_bool *cancel,
                                          const struct wcow_archive_unpack *unpack,
                                          bool *ret_unpacked, struct wcow_error *err);

/** Unpack an archive into a folder of this system: a build context. Members stay below it, through
 * no link that another member made; what is no file, directory or link is passed over.
 * *ret_unpacked is false where it is no archive. */
WCOW_NODISCARD int wcow_archive_extract_fd(int fd, const char *name, const atomic_bool *cancel,
                                           const char *folder, bool *ret_unpacked,
                                           struct wcow_error *err);

#endif
