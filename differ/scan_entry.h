/* SPDX-License-Identifier: Apache-2.0 */
/** @file scan_entry.h
 *  The metadata that Windows would give what was found on disk. Private to differ/. */
#ifndef WCOW_DIFFER_SCAN_ENTRY_H
#define WCOW_DIFFER_SCAN_ENTRY_H

#include <sys/stat.h>

#include "layer/view.h"

/** What is known of an object before its entry is made. Borrowed. */
struct wcow_found {
    const char *name; /**< as the tar will have it */
    const struct stat *st;
    const char *target;            /**< of a symbolic link, else NULL */
    const struct wcow_entry *base; /**< what the parents have of that name, or NULL */
    struct wcow_bytes dir_sd;      /**< descriptor of its directory; empty: none is known */
    const struct wcow_chain *below;
    const uint64_t *latest;  /**< no time is later; or NULL */
    struct wcow_bytes owner; /**< of new objects; may be empty */
    struct wcow_bytes group;
    bool target_is_dir; /**< of a symbolic link */
    bool same_data;     /**< a file's data is still the base's */
    int dirfd;          /**< where the host notes attributes of files, with ... */
    const char *leaf;   /**< ... or NULL: nowhere */
    bool has_notes;     /**< there are any */
};

/** The entry of a directory, a plain file or a symbolic link. Into a zeroed @p ret. */
WCOW_NODISCARD int wcow_scan_entry(const struct wcow_found *found, struct wcow_entry *ret,
                                   struct wcow_error *err);
/** 1 where the link on disk is the one that stands for the base's reparse point. */
WCOW_NODISCARD int wcow_scan_is_same_link(const struct wcow_found *found, struct wcow_error *err);
void wcow_scan_clamp(struct wcow_entry *entry, const uint64_t *latest);

#endif
