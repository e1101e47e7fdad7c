/* SPDX-License-Identifier: Apache-2.0 */
/** @file scan_overlay.h
 *  What overlayfs (and Wine and Samba, in user.DOSATTRIB) note at a file in an upper directory.
 *  Source: the kernel's Documentation/filesystems/overlayfs.rst. Private to differ/. */
#ifndef WCOW_DIFFER_SCAN_OVERLAY_H
#define WCOW_DIFFER_SCAN_OVERLAY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/error.h"

/** Whether anything at all is noted at a file or directory: most have nothing, and one question is
 *  cheaper than those below. */
bool wcow_overlay_has_notes(int dirfd, const char *name);
/** A character device 0/0: the parents' object of that name is gone. */
bool wcow_overlay_is_whiteout(const struct stat *st);
/** The directory shows nothing of the parents. */
bool wcow_overlay_is_opaque(int dirfd, const char *name);
/** The file is metadata only; its data is in a parent. */
bool wcow_overlay_is_metacopy(int dirfd, const char *name);
/** Where a renamed directory was: "/path" from the mount's root, or "name" in the same directory.
 *  @param ret caller frees. 1, or 0 where it was not renamed. */
WCOW_NODISCARD int wcow_overlay_redirect(int dirfd, const char *name, char **ret,
                                         struct wcow_error *err);

/** The parents' file that this one was copied up from, which overlayfs notes for files of one name.
 *  @param near any descriptor on the parents' file system, no O_PATH
 *  @return whether it is known and still there */
bool wcow_overlay_origin(int dirfd, const char *name, int near, struct stat *ret);

/** Attributes as the host has them over @p attributes, which are the base's or a new object's:
 *  Hidden and System as user.DOSATTRIB says where it is there; ReadOnly where it says so or nobody
 *  may write. */
uint32_t wcow_overlay_attributes(int dirfd, const char *name, const struct stat *st, bool has_notes,
                                 uint32_t attributes);

#endif
