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
