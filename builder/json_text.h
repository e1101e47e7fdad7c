/* SPDX-License-Identifier: Apache-2.0 */
/** @file json_text.h
 *  Strings of JSON, for the lines and files that are written as they go. */
#ifndef WCOW_BUILDER_JSON_TEXT_H
#define WCOW_BUILDER_JSON_TEXT_H

#include "base/bytes.h"

/** Append @p text quoted and escaped. Bytes that are no UTF-8 become U+FFFD. */
WCOW_NODISCARD int wcow_json_text_add(struct wcow_buf *out, const char *text,
                                      struct wcow_error *err);

#endif
