/* SPDX-License-Identifier: Apache-2.0 */
/** @file output_files.h
 *  The files of a stage as plain files of this system: --output type=local and type=tar. What only
 *  Windows has (descriptors, attributes, streams) stays behind; links lead where they led. */
#ifndef WCOW_BUILDER_OUTPUT_FILES_H
#define WCOW_BUILDER_OUTPUT_FILES_H

#include <stdatomic.h>

#include "builder/layers.h"

/** Takes the files: parents first. @p path is from C:\ on with '/' between, @p name its end. */
struct wcow_files_sink {
    int (*enter)(void *ctx, const char *path, const char *name, const struct wcow_entry *entry,
                 struct wcow_error *err);
    int (*leave)(void *ctx, const struct wcow_entry *entry, struct wcow_error *err);
    int (*file)(void *ctx, const char *path, const char *name, const struct wcow_entry *entry,
                const struct wcow_payload *payload, struct wcow_error *err);
    /** @p target is as a symbolic link here has it. */
    int (*link)(void *ctx, const char *path, const char *name, const struct wcow_entry *entry,
                const char *target, struct wcow_error *err);
    void *ctx;
};

/** All files of @p layers.
 *  @param latest  FILETIME that no file's time is beyond; NULL: they are as they are
 *  @param cancel  may be NULL */
WCOW_NODISCARD int wcow_files_each(const struct wcow_layers *layers, const uint64_t *latest,
                                   const struct wcow_files_sink *sink, const atomic_bool *cancel,
                                   struct wcow_error *err);

/** The files of one platform. */
struct wcow_files_part {
    char *folder;   /**< that they go into, below the destination; NULL: none */
    int64_t time_s; /**< of that folder */
    const struct wcow_layers *layers;
    char *extra_name; /**< of a file besides; NULL: none */
    struct wcow_bytes extra;
};
struct wcow_files_parts {
    struct wcow_files_part *items;
    size_t n;
    const uint64_t *latest; /**< as wcow_files_each() takes it */
};
/** That no two parts have a file of the same name. WCOW_E_INVALID names it. */
WCOW_NODISCARD int wcow_files_check(const struct wcow_files_parts *parts, const atomic_bool *cancel,
                                    struct wcow_error *err);

/** Into the folder @p dest, made where it is missing; files there are replaced, others stay. No
 * link in it is followed. */
WCOW_NODISCARD int wcow_files_to_folder(const struct wcow_files_parts *parts, const char *dest,
                                        const atomic_bool *cancel, struct wcow_error *err);
/** As a tar; the same files give the same bytes. @p dest "-" is standard output; a file appears
 * only when it is complete. */
WCOW_NODISCARD int wcow_files_to_tar(const struct wcow_files_parts *parts, const char *dest,
                                     const atomic_bool *cancel, struct wcow_error *err);

#endif
