/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/json_text.h"

#include <string.h>

#include "base/utf.h"

static int add_character(struct wcow_buf *out, const char *text, size_t n, struct wcow_error *err)
{
    unsigned char c = (unsigned char)*text;
    if (c == '"' || c == '\\')
        return wcow_buf_addf(out, err, "\\%c", c);
    if (c == '\n')
        return wcow_buf_add_str(out, "\\n", err);
    if (c < 0x20 || c == 0x7f)
        return wcow_buf_addf(out, err, "\\u%04x", c);
    return wcow_buf_add(out, text, n, err);
}

int wcow_json_text_add(struct wcow_buf *out, const char *text, struct wcow_error *err)
{
    size_t left = strlen(text);
    int r = wcow_buf_add_str(out, "\"", err);
    while (r == WCOW_OK && left > 0) {
        uint32_t code_point = 0;
        size_t n = wcow_wtf8_decode(text, left, &code_point);
        if (n == 0 || (code_point >= 0xD800 && code_point <= 0xDFFF)) {
            r = wcow_buf_add_str(out, "\xEF\xBF\xBD", err);
            n = n ? n : 1;
        } else {
            r = add_character(out, text, n, err);
        }
        text += n;
        left -= n;
    }
    return r < 0 ? r : wcow_buf_add_str(out, "\"", err);
}

/* ---- reading ---- */

static int hex4(const char *p, uint32_t *ret)
{
    *ret = 0;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        uint32_t digit = 0;
        if (c >= '0' && c <= '9')
            digit = (uint32_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            digit = (uint32_t)(c - 'a' + 10);
        else if (c >= 'A' && c <= 'F')
            digit = (uint32_t)(c - 'A' + 10);
        else
            return 0;
        *ret = *ret << 4 | digit;
    }
    return 4;
}

/* What follows a backslash; @return bytes read, 0 where it is no escape. */
static int add_escaped(const char *p, struct wcow_buf *out)
{
    static const char from[] = "\"\\/bfnrt";
    static const char to[] = "\"\\/\b\f\n\r\t";
    const char *at = *p ? strchr(from, *p) : NULL;
    if (at)
        return wcow_buf_add(out, &to[at - from], 1, NULL) == WCOW_OK ? 1 : 0;
    uint32_t unit = 0;
    uint8_t utf8[4];
    if (*p != 'u' || !hex4(p + 1, &unit))
        return 0;
    size_t n = wcow_wtf8_encode(unit, utf8);
    return wcow_buf_add(out, utf8, n, NULL) == WCOW_OK ? 5 : 0;
}

/* A string from its opening quote on; @return what follows, or NULL. */
static const char *read_string(const char *p, struct wcow_buf *out)
{
    if (*p++ != '"')
        return NULL;
    while (*p != '"') {
        if (*p == '\0')
            return NULL;
        if (*p == '\\') {
            int n = add_escaped(p + 1, out);
            if (n == 0)
                return NULL;
            p += 1 + n;
        } else if (wcow_buf_add(out, p++, 1, NULL) < 0) {
            return NULL;
        }
    }
    return p + 1;
}

int wcow_json_text_list(const char *text, struct wcow_str_list *ret, struct wcow_error *err)
{
    const char *p = text;
    bool ok = *p++ == '[';
    bool first = true;
    while (ok && *p != ']') {
        wcow_autobuf item = {0};
        if (!first && *p++ != ',')
            ok = false;
        const char *next = ok ? read_string(p, &item) : NULL;
        ok = next != NULL;
        if (!ok)
            break;
        p = next;
        first = false;
        int r = wcow_str_list_add(ret, item.len ? (const char *)item.data : "", err);
        if (r < 0)
            return r;
    }
    if (!ok || p[1] != '\0')
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "not a JSON list of strings: %.200s", text);
    return WCOW_OK;
}
