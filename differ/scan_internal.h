/* SPDX-License-Identifier: Apache-2.0 */
/** @file scan_internal.h
 *  Shared by scan.c and scan_*.c: a walk over a changed folder. */
#ifndef WCOW_DIFFER_SCAN_INTERNAL_H
#define WCOW_DIFFER_SCAN_INTERNAL_H

#include "differ/scan.h"
#include "differ/scan_dir.h"
#include "differ/scan_entry.h"
#include "differ/scan_out.h"
#include "store/bytes_map.h"

struct wcow_scan {
    const struct wcow_scan_options *o;
    struct wcow_chain below;
    struct wcow_scan_out out;
    struct wcow_bytes_map inodes;
    struct wcow_bytes_map files; /**< of the parents, by inode; filled when first needed */
    bool has_files;
    unsigned depth;
};

/** A directory being walked. Borrowed throughout. */
struct wcow_scan_place {
    struct wcow_scan_place *up;
    int fd;                /**< -1: nothing in it was touched, all of it comes from `origin` */
    const char *host_path; /**< NULL where fd is -1 */
    const char *name;      /**< in the tar */
    const struct wcow_entry *entry;
    struct wcow_bytes sd; /**< that what is new in it inherits from; empty: none is known */
    bool is_told;         /**< its entry was written */
    const char *origin;   /**< path in the parents of what shows in it; NULL: nothing of theirs */
    bool is_moved;        /**< origin is another path than name: what is in it must be written */
    bool shows; /**< the parents have a directory of this name, whose content Windows would
                     show unless it is whited out */
};

/* ---- scan_tell.c: what is written ---- */

/** Write an entry behind those of the directories it is in. @param dirfd the folder that
 *  row->host_path is in */
WCOW_NODISCARD int wcow_scan_add(struct wcow_scan *s, struct wcow_scan_place *at, int dirfd,
                                 const struct wcow_index_row *row, struct wcow_error *err);
/** Write a directory's entry if it was not. */
WCOW_NODISCARD int wcow_scan_tell(struct wcow_scan *s, struct wcow_scan_place *at,
                                  struct wcow_error *err);
/** What is gone from a directory. */
WCOW_NODISCARD int wcow_scan_whiteouts(struct wcow_scan *s, struct wcow_scan_place *at,
                                       const struct wcow_dir_names *names, struct wcow_error *err);
/** 1 where the file is another name of one given before, and was written as that.
 *  @param is_unchanged it need not be written, only remembered */
WCOW_NODISCARD int wcow_scan_add_link(struct wcow_scan *s, struct wcow_scan_place *at,
                                      const struct stat *st, struct wcow_entry *e,
                                      const char *host_path, bool is_unchanged,
                                      struct wcow_error *err);

/* ---- scan_origin.c: what the parents have ---- */

/** The tar's name of a name on the host, which may be a shortened one. Caller frees. */
WCOW_NODISCARD int wcow_scan_real_leaf(struct wcow_scan *s, const struct wcow_scan_place *at,
                                       const char *leaf, char **ret, struct wcow_error *err);
/** 1 where the parents' file @p base (of @p origin in @p layer) has the same data as the host's. */
WCOW_NODISCARD int wcow_scan_is_same_data(struct wcow_scan *s, const char *origin, int dirfd,
                                          const char *leaf, const struct stat *st,
                                          struct wcow_error *err);
/** Streams of the parents' file @p origin, written as those of the file @p name. */
WCOW_NODISCARD int wcow_scan_add_streams(struct wcow_scan *s, struct wcow_scan_place *at,
                                         const char *name, const char *origin, size_t layer,
                                         struct wcow_error *err);
/** Write what the parents have at @p origin as @p name, a file or a link; a directory is the
 *  caller's. */
WCOW_NODISCARD int wcow_scan_add_moved(struct wcow_scan *s, struct wcow_scan_place *at,
                                       const char *name, const char *origin,
                                       struct wcow_error *err);
/** Whether a link's target is a directory, in the folder or in the parents. */
WCOW_NODISCARD int wcow_scan_target_is_dir(struct wcow_scan *s, const struct wcow_scan_place *at,
                                           const char *target, bool *ret, struct wcow_error *err);

/* ---- scan_moved.c ---- */

/** Where the parents have the file that @p leaf was before somebody renamed it. @p base_path what
 *  they have at its present name, or NULL; @p ret caller frees. 1, or 0 where it was not renamed.
 */
WCOW_NODISCARD int wcow_scan_moved_from(struct wcow_scan *s, int dirfd, const char *leaf,
                                        const char *base_path, char **ret, struct wcow_error *err);
void wcow_scan_moved_done(struct wcow_scan *s);

/* ---- scan_walk.c ---- */

/** All that is in a directory and was changed. */
WCOW_NODISCARD int wcow_scan_walk(struct wcow_scan *s, struct wcow_scan_place *at,
                                  struct wcow_error *err);
/** Set place->sd: the entry's descriptor, else what the parents have for the directory it comes
 * from.
 *  @param store holds what was looked up, as long as the place */
WCOW_NODISCARD int wcow_scan_place_sd(const struct wcow_scan *s, struct wcow_scan_place *place,
                                      struct wcow_buf *store, struct wcow_error *err);
/** "dir/leaf". Caller frees. */
WCOW_NODISCARD int wcow_scan_join(const char *dir, const char *leaf, char **ret,
                                  struct wcow_error *err);
const char *wcow_scan_base_name(const char *path);

#endif
