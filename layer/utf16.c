/* SPDX-License-Identifier: Apache-2.0 */
#include "layer/utf16.h"

#include <string.h>

#include "base/utf.h"

int wcow_utf16_add(struct wcow_buf *out, const char *text, struct wcow_error *err)
{
    size_t len = strlen(text);
    for (size_t i = 0; i < len;) {
        uint32_t cp = 0;
        size_t n = wcow_wtf8_decode(text + i, len - i, &cp);
        if (!n)
            return WCOW_FAIL(err, WCOW_E_INVALID, "\"%.200s\" is not UTF-8", text);
        uint8_t unit[4];
        size_t unit_len = 2;
        if (cp > 0xffff) {
            wcow_store_le16(unit, (uint16_t)(0xd800 + ((cp - 0x10000) >> 10)));
            wcow_store_le16(unit + 2, (uint16_t)(0xdc00 + ((cp - 0x10000) & 0x3ff)));
            unit_len = 4;
        } else {
            wcow_store_le16(unit, (uint16_t)cp);
        }
        int r = wcow_buf_add(out, unit, unit_len, err);
        if (r < 0)
            return r;
        i += n;
    }
    return WCOW_OK;
}

int wcow_utf16_to_wtf8(struct wcow_buf *out, struct wcow_bytes utf16, struct wcow_error *err)
{
    for (size_t i = 0; i + 2 <= utf16.len; i += 2) {
        uint32_t cp = wcow_load_le16(utf16.data + i);
        if (cp == 0)
            return WCOW_FAIL(err, WCOW_E_INVALID, "a name has a NUL in it");
        if (cp >= 0xd800 && cp < 0xdc00 && i + 4 <= utf16.len) {
            uint32_t low = wcow_load_le16(utf16.data + i + 2);
            if (low >= 0xdc00 && low < 0xe000) {
                cp = 0x10000 + ((cp - 0xd800) << 10) + (low - 0xdc00);
                i += 2;
            }
        }
        uint8_t bytes[4];
        size_t n = wcow_wtf8_encode(cp, bytes);
        int r = wcow_buf_add(out, bytes, n, err);
        if (r < 0)
            return r;
    }
    return WCOW_OK;
}
