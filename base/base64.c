/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base64.h"

/* The 64 digits, and the padding behind them. */
static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
enum { PAD = 64 };

static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+')
        return 62;
    return c == '/' ? 63 : -1;
}

/* How many '=' end the last group of four: 0, 1 or 2. */
static size_t padding_of(const char *text, size_t len)
{
    if (!len || text[len - 1] != '=')
        return 0;
    return text[len - 2] == '=' ? 2 : 1;
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

    size_t n = 0;
    for (size_t i = 0; i < len; i += 4) {
        size_t digits = i + 4 == len ? 4 - pad : 4;
        uint32_t group = 0;
        for (size_t k = 0; k < digits; k++) {
            int v = value_of(text[i + k]);
            if (v < 0)
                return WCOW_FAIL(err, WCOW_E_INVALID, "bad base64 at offset %zu", i + k);
            group |= (uint32_t)v << (18 - 6 * k);
        }
        if (group & (digits == 2 ? 0xffffU : digits == 3 ? 0xffU : 0))
            return WCOW_FAIL(err, WCOW_E_INVALID, "bad base64: stray bits at offset %zu", i);
        for (size_t k = 0; k + 1 < digits; k++)
            p[n++] = (uint8_t)(group >> (16 - 8 * k));
    }
    out->len += n;
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
