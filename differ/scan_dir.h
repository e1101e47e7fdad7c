/* SPDX-License-Identifier: Apache-2.0 */
/** @file scan_dir.h
 *  The names in a directory, sorted, with their search keys. Private to differ/. */
#ifndef WCOW_DIFFER_SCAN_DIR_H
#define WCOW_DIFFER_SCAN_DIR_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "base/error.h"

struct wcow_dir_name {
    char *name;
    char *key; /**< of the name alone */
    bool is_whiteout;
};
struct wcow_dir_names {
    struct wcow_dir_name *items; /**< by key */
    size_t n;
    const struct wcow_dir_name **by_name; /**< the same, bytewise by name */
};
void wcow_dir_names_done(struct wcow_dir_names *names);

/** @param fd of the directory, borrowed. WCOW_E_INVALID names two names that are one to Windows,
 *  and a name that Windows cannot have. A whiteout beside another casing of its name is left out.
 */
WCOW_NODISCARD int wcow_dir_names_read(int fd, const char *path, struct wcow_dir_names *ret,
                                       struct wcow_error *err);
/** The name of this key, or NULL. */
const struct wcow_dir_name *wcow_dir_names_find(const struct wcow_dir_names *names,
                                                const char *key);

#endif
