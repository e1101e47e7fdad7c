/* SPDX-License-Identifier: Apache-2.0 */
/* Words and quotes of the filter language. */
#include <string.h>

#include "base/utf.h"
#include "snapshotter/filter_internal.h"

static bool is_field_char(char c)
{
    return c == '_' || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool is_operator_char(char c)
{
    return c == '=' || c == '!' || c == '~';
}

struct range {
    uint32_t first, last;
};

static bool is_in(uint32_t c, const struct range *ranges, size_t n)
{
    size_t i = 0;
    while (i < n && c > ranges[i].last)
        i++;
    return i < n && c >= ranges[i].first;
}

/* Unicode's White_Space. */
static bool is_space(uint32_t c)
{
    static const struct range spaces[] = {
        {'\t', '\r'},     {' ', ' '},       {0x85, 0x85},     {0xa0, 0xa0},     {0x1680, 0x1680},
        {0x2000, 0x200a}, {0x2028, 0x2029}, {0x202f, 0x202f}, {0x205f, 0x205f}, {0x3000, 0x3000},
    };
    return is_in(c, spaces, sizeof(spaces) / sizeof(spaces[0]));
}

/* Letters, marks, numbers, punctuation and symbols: all but spaces, controls, formats (Cf, as of
 * Unicode 15) and what is private. What is not assigned yet passes, for some day it may be a
 * letter. */
static bool is_value_char(uint32_t c)
{
    static const struct range others[] = {
        {0x00, 0x1f},        {0x7f, 0x9f},       {0xad, 0xad},       {0x600, 0x605},
        {0x61c, 0x61c},      {0x6dd, 0x6dd},     {0x70f, 0x70f},     {0x890, 0x891},
        {0x8e2, 0x8e2},      {0x180e, 0x180e},   {0x200b, 0x200f},   {0x202a, 0x202e},
        {0x2060, 0x2064},    {0x2066, 0x206f},   {0xe000, 0xf8ff},   {0xfeff, 0xfeff},
        {0xfff9, 0xfffb},    {0x110bd, 0x110bd}, {0x110cd, 0x110cd}, {0x13430, 0x1343f},
        {0x1bca0, 0x1bca3},  {0x1d173, 0x1d17a}, {0xe0001, 0xe0001}, {0xe0020, 0xe007f},
        {0xf0000, 0x10ffff},
    };
    return c != ',' && !is_space(c) && !is_in(c, others, sizeof(others) / sizeof(others[0]));
}

/* How many bytes the character at the scanner has; 0 at the end, and where it is U+FFFD, which
 * containerd takes for a broken one. */
static size_t peek(const struct wcow_filter_scanner *s, uint32_t *ret)
{
    const char *at = s->input + s->pos;
    size_t len = strnlen(at, 4);
    size_t n = len ? wcow_wtf8_decode(at, len, ret) : 0;
    return n && *ret == 0xfffd ? 0 : n;
}

static void skip_spaces(struct wcow_filter_scanner *s)
{
    uint32_t c = 0;
    for (size_t n = peek(s, &c); n && is_space(c); n = peek(s, &c))
        s->pos += n;
}

/* As containerd has it, its first character may be any. */
static enum wcow_filter_token scan_value(struct wcow_filter_scanner *s)
{
    uint32_t c = 0;
    size_t n = peek(s, &c);
    s->wants_value = false;
    if (n == 0)
        return WCOW_TOKEN_ILLEGAL;
    do {
        s->pos += n;
        n = peek(s, &c);
    } while (n && is_value_char(c));
    return WCOW_TOKEN_VALUE;
}

/* To the closing quote; false where there is none. */
static bool scan_quoted(struct wcow_filter_scanner *s, char quote)
{
    for (;;) {
        uint32_t c = 0;
        size_t n = peek(s, &c);
        if (n == 0 || c == '\n')
            return false;
        s->pos += n;
        if (c == (unsigned char)quote)
            return true;
        if (c == '\\') {
            if (s->input[s->pos] == '\0')
                return false;
            s->pos++;
        }
    }
}

enum wcow_filter_token wcow_filter_scan(struct wcow_filter_scanner *s, size_t *ret_start)
{
    skip_spaces(s);
    *ret_start = s->pos;
    char c = s->input[s->pos];
    if (c == '\0')
        return WCOW_TOKEN_END;
    if (strchr("/|\"", c)) {
        s->pos++;
        s->wants_value = false;
        return scan_quoted(s, c) ? WCOW_TOKEN_QUOTED : WCOW_TOKEN_ILLEGAL;
    }
    if (c == ',' || c == '.') {
        s->pos++;
        s->wants_value = false;
        return WCOW_TOKEN_SEPARATOR;
    }
    if (is_operator_char(c)) {
        while (is_operator_char(s->input[s->pos]))
            s->pos++;
        s->wants_value = true;
        return WCOW_TOKEN_OPERATOR;
    }
    if (s->wants_value)
        return scan_value(s);
    while (is_field_char(s->input[s->pos]))
        s->pos++;
    return s->pos > *ret_start ? WCOW_TOKEN_FIELD : WCOW_TOKEN_ILLEGAL;
}

/* ---- quotes ---- */

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Exactly @p n digits of @p base. */
static bool read_number(struct wcow_cursor *c, unsigned n, unsigned base, uint32_t *ret)
{
    uint32_t value = 0;
    for (unsigned i = 0; i < n; i++) {
        int digit = digit_of((char)wcow_cursor_u8(c));
        if (c->overrun || digit < 0 || (unsigned)digit >= base)
            return false;
        value = value * base + (uint32_t)digit;
    }
    *ret = value;
    return true;
}

static int add_byte(struct wcow_buf *out, uint32_t value, struct wcow_error *err)
{
    if (value == 0 || value > 0xff)
        return WCOW_FAIL(err, WCOW_E_INVALID, "escape of an impossible byte");
    uint8_t byte = (uint8_t)value;
    return wcow_buf_add(out, &byte, 1, err);
}

static int add_code_point(struct wcow_buf *out, uint32_t value, struct wcow_error *err)
{
    enum { REPLACEMENT = 0xfffd };
    uint8_t utf8[4];
    bool is_surrogate = value >= 0xd800 && value < 0xe000;
    size_t n = value == 0 ? 0 : wcow_wtf8_encode(is_surrogate ? REPLACEMENT : value, utf8);
    if (n == 0)
        return WCOW_FAIL(err, WCOW_E_INVALID, "escape of an impossible code point");
    return wcow_buf_add(out, utf8, n, err);
}

/* Behind a backslash. */
static int unescape(struct wcow_cursor *c, char quote, struct wcow_buf *out, struct wcow_error *err)
{
    static const char letters[] = "abfnrtv\\";
    static const char meanings[] = "\a\b\f\n\r\t\v\\";
    char kind = (char)wcow_cursor_u8(c);
    const char *letter = kind ? strchr(letters, kind) : NULL;
    uint32_t value = 0;
    if (letter)
        return wcow_buf_add(out, &meanings[letter - letters], 1, err);
    if (kind == quote)
        return wcow_buf_add(out, &quote, 1, err);
    if (kind == 'x' && read_number(c, 2, 16, &value))
        return add_byte(out, value, err);
    if (kind == 'u' && read_number(c, 4, 16, &value))
        return add_code_point(out, value, err);
    if (kind == 'U' && read_number(c, 8, 16, &value))
        return add_code_point(out, value, err);
    if (kind >= '0' && kind <= '7') {
        c->pos--;
        if (read_number(c, 3, 8, &value))
            return add_byte(out, value, err);
    }
    return WCOW_FAIL(err, WCOW_E_INVALID, "bad escape behind a backslash");
}

int wcow_filter_unquote(const char *quoted, size_t len, struct wcow_buf *out,
                        struct wcow_error *err)
{
    char quote = quoted[0];
    struct wcow_cursor c = wcow_cursor_of(quoted + 1, len - 2);
    while (wcow_cursor_left(&c) > 0) {
        char next = (char)wcow_cursor_u8(&c);
        int r = next == '\\' ? unescape(&c, quote, out, err) : wcow_buf_add(out, &next, 1, err);
        if (r < 0)
            return r;
    }
    return WCOW_OK;
}
