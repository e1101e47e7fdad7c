/* SPDX-License-Identifier: Apache-2.0 */
/** @file paged_table.h
 *  Hash tables in paged memory (base/paged.h), of which a layer may have one a directory: open
 *  addressing, of items that the caller has and compares. Nothing is taken out, and items stay
 * where they are. What one table outgrows serves the next one of the same memory. One thread at a
 * time adds; looking is any thread's as long as nobody adds. */
#ifndef WCOW_BASE_PAGED_TABLE_H
#define WCOW_BASE_PAGED_TABLE_H

#include "base/paged.h"

#include <stdint.h>

enum { WCOW_PAGED_TABLE_MAX_LOG2 = 31 };

struct wcow_paged_slot {
    void *item; /**< NULL: free */
    uint32_t hash;
};

/** Zeroed: an empty one. */
struct wcow_paged_table {
    struct wcow_paged_slot *slots; /**< NULL: none yet */
    uint32_t n;
    uint32_t cap_log2;
};

struct wcow_paged_spare;

/** What tables are made of. */
struct wcow_paged_slots {
    struct wcow_paged *memory; /**< borrowed; its owner frees the tables with it */
    struct wcow_paged_spare *spare[WCOW_PAGED_TABLE_MAX_LOG2 + 1]; /**< by cap_log2 */
};

/** Room for one more item. WCOW_E_LIMIT beyond some 1.6 thousand million; what base/paged.h says.
 */
WCOW_NODISCARD int wcow_paged_table_reserve(struct wcow_paged_slots *from,
                                            struct wcow_paged_table *table, struct wcow_error *err);

/** Put in an item that is not NULL, for which there is room. Others may have the same hash. */
void wcow_paged_table_add(struct wcow_paged_table *table, void *item, uint32_t hash);

/** The next item of this hash; @p at is the hash at first, and what the call before left there for
 *  those that follow. NULL after the last. */
void *wcow_paged_table_next(const struct wcow_paged_table *table, uint32_t hash, uint32_t *at);

#endif
