/* SPDX-License-Identifier: Apache-2.0 */
/** @file utf16.h
 *  UTF-16LE from and to WTF-8: how Windows' structures hold names. */
#ifndef WCOW_LAYER_UTF16_H
#define WCOW_LAYER_UTF16_H

#include "base/bytes.h"

/** @p text as UTF-16LE without a NUL, appended. WCOW_E_INVALID where it is not WTF-8. */
WCOW_NODISCARD int wcow_utf16_add(struct wcow_buf *out, const char *text, struct wcow_error *err);

/** UTF-16LE as WTF-8, appended; an odd last byte is ignored. WCOW_E_INVALID where it has a NUL. */
WCOW_NODISCARD int wcow_utf16_to_wtf8(struct wcow_buf *out, struct wcow_bytes utf16,
                                      struct wcow_error *err);

#endif
