/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf.h"

#include <string.h>

size_t wcow_wtf8_decode(const void *data, size_t len, uint32_t *ret)
{
    const uint8_t *b = data;
    if (b[0] < 0x80) {
        *ret = b[0];
        return 1;
    }
    size_t n = b[0] >= 0xf0 ? 4 : b[0] >= 0xe0 ? 3 : 2;
    if (b[0] < 0xc2 || b[0] > 0xf4 || len < n)
        return 0;
    static const uint8_t mask[] = {0, 0, 0x1f, 0x0f, 0x07};
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint32_t cp = b[0] & mask[n];
    for (size_t i = 1; i < n; i++) {
        if ((b[i] & 0xc0) != 0x80)
            return 0;
        cp = cp << 6 | (b[i] & 0x3f);
    }
    if (cp < least[n] || cp > 0x10ffff)
        return 0;
    *ret = cp;
    return n;
}

size_t wcow_wtf8_encode(uint32_t cp, uint8_t out[4])
{
    if (cp < 0x80) {
        out[0] = (uint8_t)cp;
        return 1;
    }
    if (cp < 0x800) {
        out[0] = (uint8_t)(0xc0 | cp >> 6);
        out[1] = (uint8_t)(0x80 | (cp & 0x3f));
        return 2;
    }
    if (cp < 0x10000) {
        out[0] = (uint8_t)(0xe0 | cp >> 12);
        out[1] = (uint8_t)(0x80 | (cp >> 6 & 0x3f));
        out[2] = (uint8_t)(0x80 | (cp & 0x3f));
        return 3;
    }
    if (cp > 0x10ffff)
        return 0;
    out[0] = (uint8_t)(0xf0 | cp >> 18);
    out[1] = (uint8_t)(0x80 | (cp >> 12 & 0x3f));
    out[2] = (uint8_t)(0x80 | (cp >> 6 & 0x3f));
    out[3] = (uint8_t)(0x80 | (cp & 0x3f));
    return 4;
}

/* Most text is ASCII, which eight bytes at a time tell. @return how many bytes are, at least */
static size_t skip_ascii(const uint8_t *b, size_t len)
{
    size_t n = 0;
    for (uint64_t word = 0; len - n >= sizeof(word); n += sizeof(word)) {
        memcpy(&word, b + n, sizeof(word));
        if (word & UINT64_C(0x8080808080808080))
            break;
    }
    return n;
}

bool wcow_utf8_is_valid(const void *data, size_t len)
{
    const uint8_t *b = data;
    while (len) {
        size_t ascii = skip_ascii(b, len);
        b += ascii;
        len -= ascii;
        if (!len)
            break;
        uint32_t cp = 0;
        size_t n = wcow_wtf8_decode(b, len, &cp);
        if (!n || (cp >= 0xd800 && cp <= 0xdfff))
            return false;
        b += n;
        len -= n;
    }
    return true;
}

void wcow_utf8_tame(char *text, size_t len)
{
    unsigned char *b = (unsigned char *)text;
    for (size_t i = 0; i < len; i++) {
        bool is_c1 = b[i] == 0xc2 && i + 1 < len && b[i + 1] >= 0x80 && b[i + 1] < 0xa0;
        if (is_c1)
            b[i++] = '?';
        if (is_c1 || (b[i] < 0x20 && b[i] != '\n' && b[i] != '\t') || b[i] == 0x7f)
            b[i] = '?';
    }
}
