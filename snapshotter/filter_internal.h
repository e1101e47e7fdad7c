/* SPDX-License-Identifier: Apache-2.0 */
/** @file filter_internal.h
 *  The words of the filter language, for its parser. */
#ifndef WCOW_SNAPSHOTTER_FILTER_INTERNAL_H
#define WCOW_SNAPSHOTTER_FILTER_INTERNAL_H

#include "base/bytes.h"

enum wcow_filter_token {
    WCOW_TOKEN_END,
    WCOW_TOKEN_FIELD,
    WCOW_TOKEN_VALUE,
    WCOW_TOKEN_QUOTED,
    WCOW_TOKEN_SEPARATOR,
    WCOW_TOKEN_OPERATOR,
    WCOW_TOKEN_ILLEGAL,
};

struct wcow_filter_scanner {
    const char *input;
    size_t pos;
    bool wants_value; /**< right behind an operator */
};

/** The next word: [*ret_start, pos). */
enum wcow_filter_token wcow_filter_scan(struct wcow_filter_scanner *s, size_t *ret_start);

/** What a quoted word stands for, with Go's escapes. WCOW_E_INVALID. */
WCOW_NODISCARD int wcow_filter_unquote(const char *quoted, size_t len, struct wcow_buf *out,
                                       struct wcow_error *err);

#endif
