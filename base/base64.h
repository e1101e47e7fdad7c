/* SPDX-License-Identifier: Apache-2.0 */
/** @file base64.h
 *  Strict standard base64 (RFC 4648 section 4, padding required, no white space, zero trailing
 *  bits), as Go's base64.StdEncoding reads and writes PAX records. */
#ifndef WCOW_BASE_BASE64_H
#define WCOW_BASE_BASE64_H

#include "base/bytes.h"

/** Decode and append to @p out. WCOW_E_INVALID names the offset of the bad character. */
WCOW_NODISCARD int wcow_base64_decode(const char *text, size_t len, struct wcow_buf *out,
                                      struct wcow_error *err);
/** Encode and append to @p out. */
WCOW_NODISCARD int wcow_base64_encode(const void *data, size_t len, struct wcow_buf *out,
                                      struct wcow_error *err);

#endif
