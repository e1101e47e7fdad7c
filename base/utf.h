/* SPDX-License-Identifier: Apache-2.0 */
/** @file utf.h
 *  UTF-8, WTF-8 (UTF-8 that may hold lone surrogates, as names on NTFS may) and UTF-16. */
#ifndef WCOW_BASE_UTF_H
#define WCOW_BASE_UTF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Whether the bytes are UTF-8 as Go and protobuf want it (no surrogates, no overlong forms). */
bool wcow_utf8_is_valid(const void *data, size_t len);

/** What is shown may quote names out of foreign layers and answers of foreign servers, and to a
 *  terminal control characters are commands: those of ASCII but newlines and tabs, and U+0080 to
 *  U+009F, become '?'. */
void wcow_utf8_tame(char *text, size_t len);

/** Decode one code point of WTF-8 from @p data (@p len > 0).
 *  @return bytes read (1 to 4), or 0 where the bytes are no WTF-8. Surrogates are given as they
 * are. */
size_t wcow_wtf8_decode(const void *data, size_t len, uint32_t *ret);

/** Encode code point @p cp (a lone surrogate too); @return bytes written, 1 to 4; 0 above U+10FFFF.
 */
size_t wcow_wtf8_encode(uint32_t cp, uint8_t out[4]);

#endif
