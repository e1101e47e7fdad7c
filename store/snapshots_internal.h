/* SPDX-License-Identifier: Apache-2.0 */
/** @file snapshots_internal.h
 *  Shared by the reading and the writing half of store/snapshots.h. */
#ifndef WCOW_STORE_SNAPSHOTS_INTERNAL_H
#define WCOW_STORE_SNAPSHOTS_INTERNAL_H

#include "store/db_internal.h"
#include "store/snapshots.h"

/** Read the labels of row->id into @p row, which has none yet. */
WCOW_NODISCARD int wcow_labels_read(struct wcow_db *db, struct wcow_row *row,
                                    struct wcow_error *err);

#endif
