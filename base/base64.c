/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base64.h"

/* The 64 digits, and the padding behind them. */
static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
enum { PAD = 64 };

/* One more than the value of each digit; 0: no digit. */
static const uint8_t values[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,
    ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
    ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
    ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
    ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
    ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
    ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
    ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63, ['/'] = 64,
};

/* How many '=' end the last group of four: 0, 1 or 2. */
static size_t padding_of(const char *text, size_t len)
{
    if (!len || text[len - 1] != '=')
        return 0;
    return text[len - 2] == '=' ? 2 : 1;
}

/* Up to four digits, the first one in bits 18 to 23. @return how many are right */
static size_t read_group(const char *text, size_t n, uint32_t *ret)
{
    *ret = 0;
    for (size_t k = 0; k < n; k++) {
        uint32_t v = values[(uint8_t)text[k]];
        if (!v)
            return k;
        *ret |= (v - 1) << (18 - 6 * k);
    }
    return n;
}

/* @p n digits from 2 to 4 are a byte less than that. */
static int decode_group(const char *text, size_t at, size_t n, uint8_t *out, struct wcow_error *err)
{
    static const uint32_t stray[] = {[2] = 0xffff, [3] = 0xff, [4] = 0};
    uint32_t group = 0;
    size_t n_right = read_group(text + at, n, &group);
    if (n_right < n)
        return WCOW_FAIL(err, WCOW_E_INVALID, "bad base64 at offset %zu", at + n_right);
    if (group & stray[n])
        return WCOW_FAIL(err, WCOW_E_INVALID, "bad base64: stray bits at offset %zu", at);
    for (size_t k = 0; k + 1 < n; k++)
        out[k] = (uint8_t)(group >> (16 - 8 * k));
    return WCOW_OK;
}

/* Nearly all of a text: four digits after each other. @return the characters that are done */
static size_t decode_fours(const char *text, size_t len, uint8_t *out)
{
    size_t i = 0;
    for (; i + 4 <= len; i += 4) {
        uint32_t a = values[(uint8_t)text[i]] - 1U;
        uint32_t b = values[(uint8_t)text[i + 1]] - 1U;
        uint32_t c = values[(uint8_t)text[i + 2]] - 1U;
        uint32_t d = values[(uint8_t)text[i + 3]] - 1U;
        if ((a | b | c | d) > 63)
            break;
        *out++ = (uint8_t)(a << 2 | b >> 4);
        *out++ = (uint8_t)(b << 4 | c >> 2);
        *out++ = (uint8_t)(c << 6 | d);
    }
    return i;
}

int wcow_base64_decode(const char *text, size_t len, struct wcow_buf *out, struct wcow_error *err)
{
    if (len % 4)
        return WCOW_FAIL(err, WCOW_E_INVALID, "bad base64: %zu characters, not a multiple of 4",
                         len);
    size_t pad = padding_of(text, len);
    uint8_t *p = NULL;
    int r = wcow_buf_reserve(out, len / 4 * 3, &p, err);
    if (r < 0)
        return r;
    for (size_t i = decode_fours(text, len, p); r == WCOW_OK && i < len; i += 4)
        r = decode_group(text, i, i + 4 == len ? 4 - pad : 4, p + i / 4 * 3, err);
    if (r < 0)
        return r;
    out->len += len / 4 * 3 - pad;
    out->data[out->len] = '\0';
    return WCOW_OK;
}

int wcow_base64_encode(const void *data, size_t len, struct wcow_buf *out, struct wcow_error *err)
{
    const uint8_t *in = data;
    char *p = NULL;
    uint8_t *room = NULL;
    int r = wcow_buf_reserve(out, (len + 2) / 3 * 4, &room, err);
    if (r < 0)
        return r;
    p = (char *)room;
    for (size_t i = 0; i < len; i += 3) {
        size_t have = len - i < 3 ? len - i : 3;
        uint32_t group = (uint32_t)in[i] << 16;
        if (have > 1)
            group |= (uint32_t)in[i + 1] << 8;
        if (have > 2)
            group |= in[i + 2];
        *p++ = alphabet[group >> 18 & 63];
        *p++ = alphabet[group >> 12 & 63];
        *p++ = alphabet[have > 1 ? group >> 6 & 63 : PAD];
        *p++ = alphabet[have > 2 ? group & 63 : PAD];
    }
    out->len += (len + 2) / 3 * 4;
    out->data[out->len] = '\0';
    return WCOW_OK;
}
