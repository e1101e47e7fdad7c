/* SPDX-License-Identifier: Apache-2.0 */
/** @file run_folder.h
 *  A RUN's private folders on this host, of what is shown to the command: copies on disk, secrets
 * in memory. They belong to this process, so that the next build finds those of one that was
 * killed. */
#ifndef WCOW_BUILDER_RUN_FOLDER_H
#define WCOW_BUILDER_RUN_FOLDER_H

#include "builder/backend.h"

enum wcow_run_folder_kind {
    WCOW_RUN_FOLDER_DISK,   /**< in /var/tmp */
    WCOW_RUN_FOLDER_MEMORY, /**< in /run or /dev/shm, where that is a tmpfs; else as on disk */
};

/** Zero-initialise. */
struct wcow_run_folder {
    char *path; /**< NULL: not made */
    int fd;
};

/** Make it, unless that was done. */
WCOW_NODISCARD int wcow_run_folder_make(struct wcow_run_folder *folder,
                                        enum wcow_run_folder_kind kind,
                                        struct wcow_backend *backend, struct wcow_error *err);
/** With all that is in it. */
void wcow_run_folder_done(struct wcow_run_folder *folder);

/** Write the file @p name, which must not exist, for root alone to read; @p ret_path is its path,
 *  caller frees. */
WCOW_NODISCARD int wcow_run_folder_write(const struct wcow_run_folder *folder, const char *name,
                                         const void *data, size_t len, char **ret_path,
                                         struct wcow_error *err);

/** Remove those of builds that have ended without doing so. */
void wcow_run_folders_sweep(void);

#endif
