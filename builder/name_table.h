/* SPDX-License-Identifier: Apache-2.0 */
/** @file name_table.h
 *  Values by name: a hash table with open addressing. Names are borrowed and must outlive their
 *  place in the table. Nothing is ever taken out. One thread at a time. */
#ifndef WCOW_BUILDER_NAME_TABLE_H
#define WCOW_BUILDER_NAME_TABLE_H

#include <stddef.h>

#include "base/error.h"

struct wcow_name_slot {
    const char *name; /**< NULL: free */
    void *value;
};

/** Zero-initialise; walk slots[0..cap). */
struct wcow_name_table {
    struct wcow_name_slot *slots;
    size_t n;
    size_t cap; /**< a power of two */
};

/** NULL where it is not there. */
void *wcow_name_table_get(const struct wcow_name_table *table, const char *name);
/** Add a name that is not there yet. */
WCOW_NODISCARD int wcow_name_table_add(struct wcow_name_table *table, const char *name, void *value,
                                       struct wcow_error *err);
/** Frees the table, not the values. */
void wcow_name_table_done(struct wcow_name_table *table);

#endif
