/* SPDX-License-Identifier: Apache-2.0 */
/** @file csv_field.h
 *  Fields between commas, as Go's encoding/csv reads them: one that has a comma or a quote in it
 *  stands in quotes as a whole ("src=a,b"), its own quotes doubled. */
#ifndef WCOW_BUILDER_CSV_FIELD_H
#define WCOW_BUILDER_CSV_FIELD_H

#include "base/bytes.h"

/** One field, in place of what @p out held; *text moves behind its comma, and becomes NULL at the
 *  end. WCOW_E_INVALID */
WCOW_NODISCARD int wcow_csv_field(const char **text, struct wcow_buf *out, struct wcow_error *err);

#endif
