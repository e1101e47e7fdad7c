/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/directives.h"

#include <string.h>

#include "builder/words_text.h"

static const char *const known[] = {"syntax", "escape", "check"};

static bool is_alnum(char c)
{
    return wcow_text_is_letter((unsigned char)c) || wcow_text_is_digit((unsigned char)c);
}

/* `name = value`; false where the text has another form. */
static bool cut(const char *text, size_t len, size_t *ret_name_len, const char **ret_value,
                size_t *ret_value_len)
{
    size_t n = 0;
    while (n < len && (unsigned char)text[n] < 0x80 && is_alnum(text[n]))
        n++;
    if (n == 0 || wcow_text_is_digit((unsigned char)text[0]))
        return false;
    size_t pos = n;
    while (pos < len && wcow_text_is_blank(text[pos]))
        pos++;
    if (pos == len || text[pos] != '=')
        return false;
    *ret_name_len = n;
    *ret_value = text + pos + 1;
    *ret_value_len = len - pos - 1;
    wcow_text_trim(ret_value, ret_value_len);
    return *ret_value_len > 0;
}

int wcow_directive_parse(struct wcow_arena *arena, const char *line, size_t len,
                         unsigned line_number, bool *ret_found, struct wcow_directive *ret,
                         struct wcow_error *err)
{
    *ret_found = false;
    if (len == 0 || line[0] != '#')
        return WCOW_OK;
    const char *text = line + 1;
    size_t left = len - 1;
    wcow_text_trim_left(&text, &left);
    size_t name_len = 0;
    const char *value = NULL;
    size_t value_len = 0;
    if (!cut(text, left, &name_len, &value, &value_len))
        return WCOW_OK;
    char *name = wcow_arena_strndup(arena, text, name_len);
    if (!name)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory reading the Dockerfile");
    for (char *c = name; *c; c++)
        *c = wcow_text_lower(*c);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(name, known[i]) != 0)
            continue;
        const char *copy = wcow_arena_strndup(arena, value, value_len);
        if (!copy)
            return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory reading the Dockerfile");
        *ret = (struct wcow_directive){name, copy, {line_number, line_number}};
        *ret_found = true;
    }
    return WCOW_OK;
}
