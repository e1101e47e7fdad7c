/* SPDX-License-Identifier: Apache-2.0 */
/** @file json_text.h
 *  Strings of JSON, for the lines and files that are written as they go, and the lists of paths in
 *  the options of mounts. */
#ifndef WCOW_BUILDER_JSON_TEXT_H
#define WCOW_BUILDER_JSON_TEXT_H

#include "base/bytes.h"
#include "image/strings.h"

/** Append @p text quoted and escaped. Bytes that are no UTF-8 become U+FFFD. */
WCOW_NODISCARD int wcow_json_text_add(struct wcow_buf *out, const char *text,
                                      struct wcow_error *err);

/** Add the strings of "[\"a\",\"b\"]" (as Go writes it, without white space) to @p ret.
 *  WCOW_E_CORRUPT for anything else. Surrogate pairs stay what they are in WTF-8. */
WCOW_NODISCARD int wcow_json_text_list(const char *text, struct wcow_str_list *ret,
                                       struct wcow_error *err);

#endif
