/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/links.h"

#include <ctype.h>
#include <string.h>

#include "base/bytes.h"

static bool is_separator(char c)
{
    return c == '\\' || c == '/';
}

/* Take back the last component, but never "Files" itself. */
static void drop_last(struct wcow_buf *path)
{
    size_t root = strlen("Files");
    while (path->len > root && path->data[path->len - 1] != '/')
        path->len--;
    if (path->len > root)
        path->len--;
    path->data[path->len] = '\0';
}

static int add_components(struct wcow_buf *path, const char *text, struct wcow_error *err)
{
    while (*text) {
        size_t n = strcspn(text, "\\/");
        if (n == 2 && strncmp(text, "..", 2) == 0) {
            drop_last(path);
        } else if (n > 0 && !(n == 1 && *text == '.')) {
            int r = wcow_buf_add(path, "/", 1, err);
            if (r == WCOW_OK)
                r = wcow_buf_add(path, text, n, err);
            if (r < 0)
                return r;
        }
        text += n;
        text += strspn(text, "\\/");
    }
    return WCOW_OK;
}

/* What of a target follows the drive: *ret_absolute where it counts from the root. */
static int cut_drive(const char *name, const char *target, const char **ret, bool *ret_absolute,
                     struct wcow_error *err)
{
    const char *rest = target;
    /* The NT and the long-path prefix name the same drive. */
    bool has_prefix = strncmp(rest, "\\??\\", 4) == 0 || strncmp(rest, "\\\\?\\", 4) == 0;
    if (has_prefix)
        rest += 4;
    bool has_drive = isalpha((unsigned char)rest[0]) && rest[1] == ':';
    if (has_drive &&
        (tolower((unsigned char)rest[0]) != 'c' || (rest[2] && !is_separator(rest[2]))))
        return WCOW_FAIL(err, WCOW_E_INVALID, "the link %s leads to \"%s\", not to drive C:", name,
                         target);
    bool is_unc = is_separator(rest[0]) && is_separator(rest[1]);
    if (!has_drive && (has_prefix || is_unc))
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "the link %s leads to \"%s\", which is outside the image", name, target);
    *ret_absolute = has_drive || is_separator(rest[0]);
    *ret = has_drive ? rest + 2 : rest;
    return WCOW_OK;
}

int wcow_link_resolve(const char *name, const char *target, char **ret, struct wcow_error *err)
{
    const char *rest = NULL;
    bool absolute = false;
    wcow_autobuf path = {0};
    int r = cut_drive(name, target, &rest, &absolute, err);
    if (r == WCOW_OK)
        r = wcow_buf_add_str(&path, absolute ? "Files" : name, err);
    if (r == WCOW_OK && !absolute)
        drop_last(&path);
    if (r == WCOW_OK)
        r = add_components(&path, rest, err);
    if (r < 0)
        return r;
    *ret = wcow_buf_take_str(&path);
    return *ret ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a link's target");
}
