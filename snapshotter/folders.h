/* SPDX-License-Identifier: Apache-2.0 */
/** @file folders.h
 *  The folder of one snapshot: <root>/snapshots/<id>/ with Files/, and work/ for overlay mounts.
 *  All take the descriptor of <root>/snapshots. */
#ifndef WCOW_SNAPSHOTTER_FOLDERS_H
#define WCOW_SNAPSHOTTER_FOLDERS_H

#include <stdbool.h>
#include <stdint.h>

#include "snapshotter/chores.h"
#include "store/snapshots.h"

enum { WCOW_FOLDER_NAME = 64 }; /**< room for a folder's name */

/** Make it: mode 0700, within it what the kind and the mount type need. Files/ of an overlay takes
 *  the parent's mode and owner, for it is the root directory that the mount shows. A folder that
 *  stands there already is a leftover (no row had the id) and set aside. On error nothing is left.
 *  @param chores who may have one ready; NULL allowed */
WCOW_NODISCARD int wcow_folder_make(int folders_fd, struct wcow_chores *chores,
                                    const struct wcow_row *row, struct wcow_error *err);
/** Delete it where nothing was put into it; @return whether it is gone. */
bool wcow_folder_unmake(int folders_fd, int64_t id);
/** Rename it to "rm-<id>...". WCOW_E_NOT_FOUND. */
WCOW_NODISCARD int wcow_folder_set_aside(int folders_fd, int64_t id,
                                         char ret_name[WCOW_FOLDER_NAME], struct wcow_error *err);
bool wcow_folder_exists(int folders_fd, int64_t id);
/** Whether the folder holds nothing but what wcow_folder_make() made. False in doubt. */
bool wcow_folder_is_bare(int folders_fd, int64_t id);
/** Size, and how many files and directories beyond those that wcow_folder_make() made.
 *  @param ret_entries 0 for a snapshot that nobody touched
 *  @return WCOW_E_NOT_FOUND where the folder is missing */
WCOW_NODISCARD int wcow_folder_measure(int folders_fd, int64_t id, uint64_t *ret_size_bytes,
                                       uint64_t *ret_entries, struct wcow_error *err);
/** Copy the base's UtilityVM/SystemTemplate.vhdx to vm/sandbox.vhdx, sharing blocks where the file
 *  system can. WCOW_E_PRECONDITION where the base has no such file. */
WCOW_NODISCARD int wcow_folder_vm_scratch(int folders_fd, int64_t base_id, int64_t id,
                                          struct wcow_error *err);

#endif
