/* SPDX-License-Identifier: Apache-2.0 */
/* Words and quotes of the filter language. */
#include <ctype.h>
#include <string.h>

#include "base/utf.h"
#include "snapshotter/filter_internal.h"

static bool is_field_char(char c)
{
    return c == '_' || isalnum((unsigned char)c);
}

static bool is_operator_char(char c)
{
    return c == '=' || c == '!' || c == '~';
}

/* To the closing quote; false where there is none. */
static bool scan_quoted(struct wcow_filter_scanner *s, char quote)
{
    for (;;) {
        char c = s->input[s->pos];
        if (c == '\0' || c == '\n')
            return false;
        s->pos++;
        if (c == quote)
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
    while (isspace((unsigned char)s->input[s->pos]))
        s->pos++;
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
    if (s->wants_value) {
        while ((unsigned char)s->input[s->pos] > ' ' && s->input[s->pos] != ',' &&
               s->input[s->pos] != 0x7f)
            s->pos++;
        s->wants_value = false;
        return s->pos > *ret_start ? WCOW_TOKEN_VALUE : WCOW_TOKEN_ILLEGAL;
    }
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
    uint8_t utf8[4];
    bool is_surrogate = value >= 0xd800 && value < 0xe000;
    size_t n = value == 0 || is_surrogate ? 0 : wcow_wtf8_encode(value, utf8);
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
