/* SPDX-License-Identifier: Apache-2.0 */
/** @file entry_diff.h
 *  In what two entries of the same name differ, their bytes apart. */
#ifndef WCOW_CLI_ENTRY_DIFF_H
#define WCOW_CLI_ENTRY_DIFF_H

#include "layer/entry.h"

/* Fields, as a set of bits; their names are those of `wcow diff --ignore`. */
enum {
    WCOW_DIFF_TYPE = 1 << 0,
    WCOW_DIFF_CASE = 1 << 1, /**< letter case of the name */
    WCOW_DIFF_CONTENT = 1 << 2,
    WCOW_DIFF_TARGET = 1 << 3,
    WCOW_DIFF_ATTRIBUTES = 1 << 4,
    WCOW_DIFF_SECURITY = 1 << 5,
    WCOW_DIFF_EAS = 1 << 6,
    WCOW_DIFF_MODIFIED = 1 << 7,
    WCOW_DIFF_CREATED = 1 << 8,
    WCOW_DIFF_ACCESSED = 1 << 9,
    WCOW_DIFF_CHANGED = 1 << 10,
    WCOW_DIFF_TIMES =
        WCOW_DIFF_MODIFIED | WCOW_DIFF_CREATED | WCOW_DIFF_ACCESSED | WCOW_DIFF_CHANGED,
    WCOW_DIFF_N_FIELDS = 11,
};

/** Everything but WCOW_DIFF_CONTENT, which is set only where the sizes of files differ. */
unsigned wcow_entry_diff(const struct wcow_entry *a, const struct wcow_entry *b);

/** "attributes" for WCOW_DIFF_ATTRIBUTES. */
const char *wcow_entry_diff_name(unsigned field);
/** A field, or "times" for all four. WCOW_E_INVALID lists what there is. */
WCOW_NODISCARD int wcow_entry_diff_parse(const char *text, unsigned *ret, struct wcow_error *err);

#endif
