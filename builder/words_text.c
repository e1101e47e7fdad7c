/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/words_text.h"

#include "base/utf.h"

enum { NO_UNICODE = 0x110000 };

struct range {
    uint32_t first;
    uint32_t last;
};

static const struct range spaces[] = {
    {0x09, 0x0d},     {0x20, 0x20},     {0x85, 0x85},     {0xa0, 0xa0},     {0x1680, 0x1680},
    {0x2000, 0x200a}, {0x2028, 0x2029}, {0x202f, 0x202f}, {0x205f, 0x205f}, {0x3000, 0x3000},
};

/* Punctuation, symbols and marks beyond ASCII that people put behind a variable's name. */
static const struct range no_letters[] = {
    {0x80, 0xa9},     {0xab, 0xb4},       {0xb6, 0xb9},        {0xbb, 0xbf},     {0xd7, 0xd7},
    {0xf7, 0xf7},     {0x300, 0x36f},     {0x2000, 0x2070},    {0x2074, 0x207e}, {0x2080, 0x208f},
    {0x20a0, 0x2101}, {0x2190, 0x2bff},   {0x2e00, 0x2e7f},    {0x3000, 0x3004}, {0x3007, 0x3030},
    {0xe000, 0xf8ff}, {0xfe00, 0xfe6f},   {0xfeff, 0xff20},    {0xff3b, 0xff40}, {0xff5b, 0xff65},
    {0xffe0, 0xffff}, {0x1f000, 0x1faff}, {0xe0000, 0x10ffff},
};

static bool in_ranges(uint32_t c, const struct range *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (c >= ranges[i].first && c <= ranges[i].last)
            return true;
    }
    return false;
}

size_t wcow_text_decode(const char *text, size_t len, uint32_t *ret)
{
    size_t n = wcow_wtf8_decode(text, len, ret);
    if (n > 0)
        return n;
    *ret = NO_UNICODE + (unsigned char)text[0];
    return 1;
}

bool wcow_text_is_space(uint32_t code_point)
{
    return in_ranges(code_point, spaces, sizeof spaces / sizeof *spaces);
}

bool wcow_text_is_digit(uint32_t code_point)
{
    return code_point >= '0' && code_point <= '9';
}

bool wcow_text_is_letter(uint32_t code_point)
{
    if (code_point < 0x80)
        return (code_point >= 'a' && code_point <= 'z') || (code_point >= 'A' && code_point <= 'Z');
    return code_point < NO_UNICODE && !wcow_text_is_space(code_point) &&
           !in_ranges(code_point, no_letters, sizeof no_letters / sizeof *no_letters);
}

bool wcow_text_is_blank(char c)
{
    return c == '\t' || c == '\v' || c == '\f' || c == '\r' || c == ' ';
}

void wcow_text_trim_left(const char **text, size_t *len)
{
    while (*len > 0) {
        uint32_t c = 0;
        size_t n = wcow_text_decode(*text, *len, &c);
        if (!wcow_text_is_space(c))
            return;
        *text += n;
        *len -= n;
    }
}

void wcow_text_trim(const char **text, size_t *len)
{
    wcow_text_trim_left(text, len);
    /* the end of the last thing that is no white space */
    size_t end = 0;
    for (size_t pos = 0; pos < *len;) {
        uint32_t c = 0;
        pos += wcow_text_decode(*text + pos, *len - pos, &c);
        if (!wcow_text_is_space(c))
            end = pos;
    }
    *len = end;
}

char wcow_text_lower(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (char)(c - 'A' + 'a');
    return c;
}

char wcow_text_upper(char c)
{
    if (c >= 'a' && c <= 'z')
        return (char)(c - 'a' + 'A');
    return c;
}

int wcow_text_casecmp(const char *a, const char *b)
{
    for (;; a++, b++) {
        unsigned char x = (unsigned char)wcow_text_lower(*a);
        unsigned char y = (unsigned char)wcow_text_lower(*b);
        if (x != y)
            return x < y ? -1 : 1;
        if (x == 0)
            return 0;
    }
}
