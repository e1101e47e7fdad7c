/* SPDX-License-Identifier: Apache-2.0 */
#include "layer/reparse.h"

#include <string.h>
#include <strings.h>

#include "layer/utf16.h"

enum { HEADER = 8, NAMES = 8, SYMLINK_FLAGS = 4, FLAG_RELATIVE = 1 };

/* ---- decoding ---- */

static bool has_prefix(const char *s, const char *prefix)
{
    return strncasecmp(s, prefix, strlen(prefix)) == 0;
}

/* A name of the object manager as people write it. */
static int add_shown(struct wcow_buf *out, const char *substitute, struct wcow_error *err)
{
    if (!has_prefix(substitute, "\\??\\"))
        return wcow_buf_add_str(out, substitute, err);
    const char *rest = substitute + 4;
    if (has_prefix(rest, "UNC\\"))
        return wcow_buf_addf(out, err, "\\\\%s", rest + 4);
    if (has_prefix(rest, "Volume{") || has_prefix(rest, "GLOBALROOT\\"))
        return wcow_buf_addf(out, err, "\\\\?\\%s", rest);
    return wcow_buf_add_str(out, rest, err);
}

static int take_name(struct wcow_bytes path, size_t offset, size_t len, const char *what,
                     struct wcow_bytes *ret, struct wcow_error *err)
{
    if (offset > path.len || len > path.len - offset || len % 2 || offset % 2)
        return WCOW_FAIL(err, WCOW_E_INVALID, "a reparse point's %s name: %zu bytes at %zu of %zu",
                         what, len, offset, path.len);
    *ret = (struct wcow_bytes){.data = path.data + offset, .len = len};
    return WCOW_OK;
}

static int decode_names(struct wcow_cursor *c, uint32_t tag, struct wcow_buf *out,
                        struct wcow_error *err)
{
    size_t subst_at = wcow_cursor_le16(c);
    size_t subst_len = wcow_cursor_le16(c);
    size_t print_at = wcow_cursor_le16(c);
    size_t print_len = wcow_cursor_le16(c);
    if (tag == WCOW_REPARSE_SYMLINK)
        (void)wcow_cursor_le32(c);
    if (c->overrun)
        return WCOW_FAIL(err, WCOW_E_INVALID, "a reparse point without room for its names");
    struct wcow_bytes path = {.data = c->data + c->pos, .len = wcow_cursor_left(c)};
    struct wcow_bytes subst = {0};
    struct wcow_bytes print = {0};
    int r = take_name(path, subst_at, subst_len, "substitute", &subst, err);
    if (r == WCOW_OK)
        r = take_name(path, print_at, print_len, "print", &print, err);
    if (r < 0 || print.len)
        return r < 0 ? r : wcow_utf16_to_wtf8(out, print, err);
    wcow_autobuf text = {0};
    r = wcow_utf16_to_wtf8(&text, subst, err);
    if (r == WCOW_OK)
        r = add_shown(out, text.data ? (const char *)text.data : "", err);
    return r;
}

int wcow_reparse_decode(const void *data, size_t len, uint32_t *ret_tag, char **ret_target,
                        struct wcow_error *err)
{
    struct wcow_cursor c = wcow_cursor_of(data, len);
    uint32_t tag = wcow_cursor_le32(&c);
    size_t body = wcow_cursor_le16(&c);
    (void)wcow_cursor_le16(&c);
    if (c.overrun || body > wcow_cursor_left(&c) || len > WCOW_REPARSE_MAX_BYTES)
        return WCOW_FAIL(err, WCOW_E_INVALID, "%zu bytes that are no reparse point", len);
    if (tag != WCOW_REPARSE_MOUNT_POINT && tag != WCOW_REPARSE_SYMLINK)
        return WCOW_FAIL(err, WCOW_E_UNSUPPORTED,
                         "a reparse point of tag 0x%08lx, which layers cannot hold; only symbolic "
                         "links and mount points",
                         (unsigned long)tag);
    c.len = c.pos + body;
    wcow_autobuf target = {0};
    int r = decode_names(&c, tag, &target, err);
    if (r < 0)
        return r;
    char *text = wcow_buf_take_str(&target);
    if (!text)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a target");
    *ret_tag = tag;
    *ret_target = text;
    return WCOW_OK;
}

/* ---- encoding ---- */

static bool has_drive(const char *s)
{
    char c = (char)(s[0] | 0x20); /* lower case, of letters */
    return c >= 'a' && c <= 'z' && s[1] == ':';
}

/* The object manager's name of a target. */
static int add_substitute(struct wcow_buf *out, const char *target, bool *ret_relative,
                          struct wcow_error *err)
{
    *ret_relative = false;
    if (strncmp(target, "\\\\?\\", 4) == 0)
        return wcow_buf_addf(out, err, "\\??\\%s", target + 4);
    if (strncmp(target, "\\\\", 2) == 0)
        return wcow_buf_addf(out, err, "\\??\\UNC\\%s", target + 2);
    if (has_drive(target))
        return wcow_buf_addf(out, err, "\\??\\%s", target);
    *ret_relative = true;
    return wcow_buf_add_str(out, target, err);
}

int wcow_reparse_encode(uint32_t tag, const char *target, struct wcow_buf *out,
                        struct wcow_error *err)
{
    wcow_autobuf text = {0};
    wcow_autobuf subst = {0};
    wcow_autobuf print = {0};
    bool is_relative = false;
    int r = add_substitute(&text, target, &is_relative, err);
    if (r == WCOW_OK)
        r = wcow_utf16_add(&subst, text.data ? (const char *)text.data : "", err);
    if (r == WCOW_OK)
        r = wcow_utf16_add(&print, target, err);
    if (r < 0)
        return r;
    bool is_symlink = tag == WCOW_REPARSE_SYMLINK;
    size_t flags = is_symlink ? SYMLINK_FLAGS : 0;
    size_t body = NAMES + flags + subst.len + print.len + 4; /* a NUL behind both */
    if (HEADER + body > WCOW_REPARSE_MAX_BYTES)
        return WCOW_FAIL(err, WCOW_E_LIMIT, "the target \"%.100s...\" is too long for Windows",
                         target);
    uint8_t *p = NULL;
    r = wcow_buf_reserve(out, HEADER + body, &p, err);
    if (r < 0)
        return r;
    memset(p, 0, HEADER + body + 1);
    wcow_store_le32(p, tag);
    wcow_store_le16(p + 4, (uint16_t)body);
    wcow_store_le16(p + 10, (uint16_t)subst.len);
    wcow_store_le16(p + 12, (uint16_t)(subst.len + 2));
    wcow_store_le16(p + 14, (uint16_t)print.len);
    if (is_symlink && is_relative)
        wcow_store_le32(p + 16, FLAG_RELATIVE);
    uint8_t *names = p + HEADER + NAMES + flags;
    if (subst.len)
        memcpy(names, subst.data, subst.len);
    if (print.len)
        memcpy(names + subst.len + 2, print.data, print.len);
    out->len += HEADER + body;
    return WCOW_OK;
}

/* ---- as a POSIX link ---- */

static bool is_separator(char c)
{
    return c == '\\' || c == '/';
}

/* Drop "\\?\" and the like and "C:". @return the rest, NULL where it is another drive or no file.
 * @param ret_rooted the rest counts from the top of the drive */
static const char *strip_drive(const char *target, bool *ret_rooted)
{
    if (has_prefix(target, "\\\\?\\") || has_prefix(target, "\\??\\"))
        target += 4;
    else if (is_separator(target[0]) && is_separator(target[1]))
        return NULL; /* a share */
    if (has_drive(target)) {
        if ((target[0] | 0x20) != 'c' || !is_separator(target[2]))
            return NULL;
        target += 2;
    }
    *ret_rooted = is_separator(target[0]);
    return target;
}

/* Append the components of @p path to @p out ("/a/b"), ".." resolved.
 * @return false where it leaves the top or has what no name has */
static bool resolve(struct wcow_buf *out, const char *path, int *r, struct wcow_error *err)
{
    while (*r == WCOW_OK && *path) {
        size_t len = strcspn(path, "\\/");
        if (len == 2 && strncmp(path, "..", 2) == 0) {
            if (!out->len)
                return false;
            while (out->data[--out->len] != '/') {
            }
        } else if (len && !(len == 1 && path[0] == '.')) {
            if (memchr(path, ':', len))
                return false;
            *r = wcow_buf_addf(out, err, "/%.*s", (int)len, path);
        }
        path += len;
        path += is_separator(*path);
    }
    return true;
}

static size_t root_length(const char *name)
{
    if (strncmp(name, "Files/", 6) == 0)
        return 5;
    if (strncmp(name, "UtilityVM/Files/", 16) == 0)
        return 15;
    return 0;
}

/* From directory @p from to @p to, both "/a/b" below one top. */
static int add_relative(struct wcow_buf *out, const char *from, const char *to,
                        struct wcow_error *err)
{
    size_t common = 0;
    for (size_t i = 0;; i++) {
        bool from_ends = from[i] == '\0' || from[i] == '/';
        bool to_ends = to[i] == '\0' || to[i] == '/';
        if (from_ends && to_ends)
            common = i;
        if (from[i] != to[i] || from[i] == '\0')
            break;
    }
    int r = WCOW_OK;
    for (const char *p = from + common; r == WCOW_OK && *p; p++)
        if (*p == '/')
            r = wcow_buf_add_str(out, out->len ? "/.." : "..", err);
    to += common;
    to += *to == '/';
    if (r == WCOW_OK && *to)
        r = wcow_buf_addf(out, err, "%s%s", out->len ? "/" : "", to);
    if (r == WCOW_OK && !out->len)
        r = wcow_buf_add_str(out, ".", err);
    return r;
}

int wcow_reparse_posix_target(const char *name, const char *target, char **ret,
                              struct wcow_error *err)
{
    *ret = NULL;
    size_t root = root_length(name);
    bool is_rooted = false;
    const char *rest = root ? strip_drive(target, &is_rooted) : NULL;
    if (!rest || !*rest)
        return WCOW_OK;
    const char *last = strrchr(name, '/');
    wcow_autobuf from = {0};
    wcow_autobuf to = {0};
    wcow_autobuf out = {0};
    int r = wcow_buf_addf(&from, err, "%.*s", (int)(last - (name + root)), name + root);
    if (r == WCOW_OK && !is_rooted)
        r = wcow_buf_add(&to, from.data, from.len, err);
    bool stays = r == WCOW_OK && resolve(&to, rest, &r, err);
    if (r == WCOW_OK && stays)
        r = wcow_buf_add_str(&to, "", err); /* its NUL where ".." cut it */
    if (r == WCOW_OK && stays)
        r = add_relative(&out, from.data ? (const char *)from.data : "",
                         to.data ? (const char *)to.data : "", err);
    if (r < 0 || !stays)
        return r;
    *ret = wcow_buf_take_str(&out);
    return *ret ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a target");
}
