/* SPDX-License-Identifier: Apache-2.0 */
/** @file plain.h
 *  The files of a target without what only Windows knows of them, for Linux: into a folder, or as
 *  an ordinary tar. */
#ifndef WCOW_CLI_PLAIN_H
#define WCOW_CLI_PLAIN_H

#include "cli/tar_output.h"
#include "cli/target.h"

/** Where they go. Names are relative ("Windows/win.ini"); a directory comes before what is in it.
 */
struct wcow_plain_ops {
    int (*dir)(void *ctx, const char *name, const struct wcow_entry *entry, struct wcow_error *err);
    int (*file)(void *ctx, const char *name, const struct wcow_entry *entry,
                const struct wcow_source *data, struct wcow_error *err);
    /** @p target relative, as POSIX has it */
    int (*link)(void *ctx, const char *name, const char *target, const struct wcow_entry *entry,
                struct wcow_error *err);
    /** Another name of @p first, which came before. */
    int (*hard_link)(void *ctx, const char *name, const char *first, const struct wcow_entry *entry,
                     struct wcow_error *err);
    /** A directory's content is complete; NULL allowed. */
    int (*dir_done)(void *ctx, const char *name, const struct wcow_entry *entry,
                    struct wcow_error *err);
};

struct wcow_plain_count {
    uint64_t n_files;
    uint64_t n_dirs;
    uint64_t n_links;
    uint64_t n_skipped_links; /**< that lead out of the drive */
    uint64_t n_streams;       /**< left out */
    uint64_t n_eas;           /**< left out */
};

/** Everything below directory @p path ("Files"; "" is all of the layer).
 *  WCOW_E_INVALID names an entry that has no place in a layer. */
WCOW_NODISCARD int wcow_plain_walk(const struct wcow_target *target, const char *path,
                                   const struct wcow_plain_ops *ops, void *ctx,
                                   struct wcow_plain_count *ret, struct wcow_error *err);

/** Into the folder @p folder, which is made, or is empty. Nothing is written outside it. */
WCOW_NODISCARD int wcow_plain_extract(const struct wcow_target *target, const char *path,
                                      const char *folder, struct wcow_plain_count *ret,
                                      struct wcow_error *err);
/** As a tar, its end included. */
WCOW_NODISCARD int wcow_plain_write(const struct wcow_target *target, const char *path,
                                    struct wcow_tar_output *out, struct wcow_plain_count *ret,
                                    struct wcow_error *err);

#endif
