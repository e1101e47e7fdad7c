/* SPDX-License-Identifier: Apache-2.0 */
/* Paths as people write them, and names as a terminal can take them. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/utf.h"
#include "cli/target.h"

static bool is_separator(char c)
{
    return c == '/' || c == '\\';
}

static bool begins_with(const char *text, const char *root)
{
    size_t n = strlen(root);
    return strncasecmp(text, root, n) == 0 && (!text[n] || is_separator(text[n]));
}

/* Append the components of @p text, with "/" between them. */
static int add_components(struct wcow_buf *path, const char *text, struct wcow_error *err)
{
    int r = WCOW_OK;
    for (const char *p = text; r == WCOW_OK && *p;) {
        size_t n = strcspn(p, "/\\");
        if (n == 2 && strncmp(p, "..", 2) == 0)
            return WCOW_FAIL(err, WCOW_E_INVALID, "\"%s\": a path may have no \"..\"", text);
        if (n && !(n == 1 && *p == '.')) {
            if (path->len)
                r = wcow_buf_add(path, "/", 1, err);
            if (r == WCOW_OK)
                r = wcow_buf_add(path, p, n, err);
        }
        p += n;
        p += is_separator(*p);
    }
    return r;
}

/* Step over a root that @p rest begins with, and append it. @return whether there was one */
static int take_root(struct wcow_buf *path, const char **rest, struct wcow_error *err)
{
    static const char *const roots[] = {"Files", "Hives", "UtilityVM"};
    for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++) {
        if (!begins_with(*rest, roots[i]))
            continue;
        *rest += strlen(roots[i]);
        int r = wcow_buf_add_str(path, roots[i], err);
        return r < 0 ? r : 1;
    }
    return 0;
}

static bool is_drive(const char *text)
{
    return isalpha((unsigned char)text[0]) && text[1] == ':' && (!text[2] || is_separator(text[2]));
}

int wcow_target_path(const char *text, char **ret, struct wcow_error *err)
{
    wcow_autobuf path = {0};
    bool has_drive = is_drive(text);
    if (has_drive && tolower((unsigned char)text[0]) != 'c')
        return WCOW_FAIL(err, WCOW_E_INVALID, "\"%s\": a layer has only the drive C:", text);
    const char *rest = text + (has_drive ? 2 : is_separator(*text));
    int is_rooted = has_drive ? 0 : take_root(&path, &rest, err);
    int r = is_rooted < 0 ? is_rooted : WCOW_OK;
    bool is_all = !has_drive && strspn(rest, "/\\.") == strlen(rest) && !strstr(rest, "..");
    if (r == WCOW_OK && !is_rooted && !is_all)
        r = wcow_buf_add_str(&path, "Files", err);
    if (r == WCOW_OK)
        r = add_components(&path, rest, err);
    if (r < 0)
        return r;
    *ret = wcow_buf_take_str(&path);
    return *ret ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a path");
}

int wcow_target_escape(struct wcow_buf *out, const char *text, struct wcow_error *err)
{
    size_t len = strlen(text);
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < len;) {
        uint32_t c = 0;
        size_t n = wcow_wtf8_decode(text + i, len - i, &c);
        bool is_plain = n && c >= 0x20 && !(c >= 0x7f && c < 0xa0) &&
                        !(c >= 0xd800 && c < 0xe000) && !(c >= 0x202a && c <= 0x202e) &&
                        !(c >= 0x2066 && c <= 0x2069);
        n = n ? n : 1;
        if (is_plain)
            r = wcow_buf_add(out, text + i, n, err);
        for (size_t k = 0; !is_plain && r == WCOW_OK && k < n; k++)
            r = wcow_buf_addf(out, err, "\\x%02x", (unsigned char)text[i + k]);
        i += n;
    }
    return r;
}
