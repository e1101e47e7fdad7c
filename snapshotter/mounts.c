/* SPDX-License-Identifier: Apache-2.0 */
/* From a row to its mount. */
#include "snapshotter/mounts.h"

#include <string.h>

#include "base/bytes.h"
#include "base/number.h"

void wcow_layer_mount_done(struct wcow_layer_mount *mount)
{
    free(mount->source);
    for (size_t i = 0; i < mount->n_options; i++)
        free(mount->options[i]);
    *mount = (struct wcow_layer_mount){0};
}

static int add_option(struct wcow_layer_mount *m, struct wcow_buf *text, struct wcow_error *err)
{
    char *option = wcow_buf_take_str(text);
    if (!option)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a mount");
    m->options[m->n_options++] = option;
    return WCOW_OK;
}

static int add_fixed(struct wcow_layer_mount *m, const char *option, struct wcow_error *err)
{
    wcow_autobuf text = {0};
    int r = wcow_buf_add_str(&text, option, err);
    return r < 0 ? r : add_option(m, &text, err);
}

static bool is_line_separator(const char *c)
{
    return strncmp(c, "\xe2\x80\xa8", 3) == 0 || strncmp(c, "\xe2\x80\xa9", 3) == 0;
}

/* How many bytes of JSON stand for themselves. */
static size_t plain_bytes(const char *text)
{
    size_t n = 0;
    while ((unsigned char)text[n] >= ' ' && !strchr("\"\\<>&", text[n]) &&
           !is_line_separator(text + n))
        n++;
    return n;
}

/* What **at begins with does not; goes behind it. */
static int add_escape(struct wcow_buf *out, const char **at, struct wcow_error *err)
{
    static const char letters[] = "\"\\\n\r\t";
    static const char escapes[] = "\"\\nrt";
    const char *letter = strchr(letters, **at);
    bool is_separator = is_line_separator(*at);
    char text[2 + WCOW_NUMBER_BYTES] = "\\u";
    if (letter)
        text[1] = escapes[letter - letters];
    else
        (void)wcow_number_hex(is_separator ? 0x2028U + ((*at)[2] == '\xa9') : (unsigned char)**at,
                              4, text + 2);
    *at += is_separator ? 3 : 1;
    return wcow_buf_add_str(out, text, err);
}

/* As Go's encoding/json writes a string: <, > and & escaped too, U+2028 and U+2029. */
static int add_json(struct wcow_buf *out, const char *text, struct wcow_error *err)
{
    int r = wcow_buf_add_str(out, "\"", err);
    for (const char *c = text; r == WCOW_OK && *c;) {
        size_t n_plain = plain_bytes(c);
        r = n_plain ? wcow_buf_add(out, c, n_plain, err) : add_escape(out, &c, err);
        c += n_plain;
    }
    return r < 0 ? r : wcow_buf_add_str(out, "\"", err);
}

static uint8_t *put(uint8_t *at, const void *data, size_t len)
{
    memcpy(at, data, len);
    return at + len;
}

static uint8_t *put_id(uint8_t *at, int64_t id)
{
    char digits[WCOW_NUMBER_BYTES];
    return put(at, digits, wcow_number_decimal((uint64_t)id, digits));
}

/* Chains have up to hundreds of parents, and printf(3) takes its time. The folders' part of each
 * path is the same: it is escaped once. */
static int add_parents(struct wcow_layer_mount *m, const char *folders, const struct wcow_row *row,
                       struct wcow_error *err)
{
    static const char name[] = "parentLayerPaths=[";
    wcow_autobuf prefix = {0};
    wcow_autobuf text = {0};
    uint8_t *at = NULL;
    int r = add_json(&prefix, folders, err);
    if (r == WCOW_OK)
        r = wcow_buf_reserve(
            &text, sizeof(name) + 1 + row->n_ancestors * (prefix.len + WCOW_NUMBER_BYTES + 2), &at,
            err);
    if (r != WCOW_OK)
        return r;
    const uint8_t *begin = at;
    at = put(at, name, sizeof(name) - 1);
    for (size_t i = 0; i < row->n_ancestors; i++) {
        at = i ? put(at, ",", 1) : at;
        at = put(at, prefix.data, prefix.len - 1); /* without its quote */
        at = put(at, "/", 1);
        at = put_id(at, row->ancestors[i]);
        at = put(at, "\"", 1);
    }
    at = put(at, "]", 1);
    *at = '\0';
    text.len += (size_t)(at - begin);
    return add_option(m, &text, err);
}

/* "<folders>/<id>" and what follows. */
static int add_path(struct wcow_buf *text, const char *folders, int64_t id, const char *below,
                    struct wcow_error *err)
{
    char number[WCOW_NUMBER_BYTES + 1] = "/";
    size_t len = 1 + wcow_number_decimal((uint64_t)id, number + 1);
    int r = wcow_buf_add_str(text, folders, err);
    if (r == WCOW_OK)
        r = wcow_buf_add(text, number, len, err);
    return r < 0 ? r : wcow_buf_add_str(text, below, err);
}

static int set_source(struct wcow_layer_mount *m, const char *folders, int64_t id,
                      const char *below, struct wcow_error *err)
{
    wcow_autobuf text = {0};
    int r = add_path(&text, folders, id, below, err);
    if (r < 0)
        return r;
    m->source = wcow_buf_take_str(&text);
    return m->source ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a mount");
}

static int windows_layer(const char *folders, const struct wcow_row *row,
                         struct wcow_layer_mount *m, struct wcow_error *err)
{
    m->type = "windows-layer";
    int r = set_source(m, folders, row->id, "", err);
    if (r == WCOW_OK)
        r = add_fixed(m, row->kind == WCOW_KIND_VIEW ? "ro" : "rw", err);
    return r < 0 || row->n_ancestors == 0 ? r : add_parents(m, folders, row, err);
}

/* One folder alone needs no overlay, and overlayfs would not take it. */
static int bind_mount(const char *folders, int64_t id, const char *mode, struct wcow_layer_mount *m,
                      struct wcow_error *err)
{
    m->type = "bind";
    int r = set_source(m, folders, id, "/Files", err);
    if (r == WCOW_OK)
        r = add_fixed(m, mode, err);
    return r < 0 ? r : add_fixed(m, "rbind", err);
}

static int add_lower(const char *folders, const struct wcow_row *row, struct wcow_layer_mount *m,
                     struct wcow_error *err)
{
    wcow_autobuf text = {0};
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < row->n_ancestors; i++) {
        r = wcow_buf_add_str(&text, i ? ":" : "lowerdir=", err);
        if (r == WCOW_OK)
            r = add_path(&text, folders, row->ancestors[i], "/Files", err);
    }
    return r < 0 ? r : add_option(m, &text, err);
}

/* "<name>=<folders>/<id>/<below>" */
static int add_folder(struct wcow_layer_mount *m, const char *name, const char *folders, int64_t id,
                      const char *below, struct wcow_error *err)
{
    wcow_autobuf text = {0};
    int r = wcow_buf_add_str(&text, name, err);
    if (r == WCOW_OK)
        r = add_path(&text, folders, id, below, err);
    return r < 0 ? r : add_option(m, &text, err);
}

static int add_upper(const char *folders, int64_t id, struct wcow_layer_mount *m,
                     struct wcow_error *err)
{
    int r = add_folder(m, "workdir=", folders, id, "/work", err);
    return r < 0 ? r : add_folder(m, "upperdir=", folders, id, "/Files", err);
}

/* What ends a path among an overlay's options stands behind a backslash where it is part of one. */
static int escape_path(const char *path, struct wcow_buf *ret, struct wcow_error *err)
{
    int r = wcow_buf_add(ret, NULL, 0, err);
    for (const char *c = path; r == WCOW_OK && *c;) {
        size_t n_plain = strcspn(c, "\\:,");
        r = wcow_buf_add(ret, c, n_plain, err);
        c += n_plain;
        if (r < 0 || !*c)
            break;
        const char escaped[2] = {'\\', *c++};
        r = wcow_buf_add(ret, escaped, sizeof(escaped), err);
    }
    return r;
}

/* The order of options is that of containerd's overlayfs snapshotter; callers shorten a lowerdir
 * that is too long for mount(2) by the paths' common beginning. redirect_dir is not left to the
 * kernel's default: a directory of a lower layer can be renamed as on any other file system, and is
 * found again wherever the layer is mounted. */
static int overlay(const char *folders, const struct wcow_row *row, bool index_off,
                   struct wcow_layer_mount *m, struct wcow_error *err)
{
    bool is_view = row->kind == WCOW_KIND_VIEW;
    if (row->n_ancestors == 0)
        return bind_mount(folders, row->id, is_view ? "ro" : "rw", m, err);
    if (is_view && row->n_ancestors == 1)
        return bind_mount(folders, row->ancestors[0], "ro", m, err);
    m->type = "overlay";
    m->source = strdup("overlay");
    if (!m->source)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a mount");
    wcow_autobuf escaped = {0};
    int r = escape_path(folders, &escaped, err);
    const char *path = (const char *)escaped.data;
    /* Without it the kernel may refuse a folder that another mount uses, or used, as its upper. */
    if (r == WCOW_OK && index_off)
        r = add_fixed(m, "index=off", err);
    if (r == WCOW_OK)
        r = add_fixed(m, is_view ? "redirect_dir=follow" : "redirect_dir=on", err);
    if (r == WCOW_OK && !is_view)
        r = add_upper(path, row->id, m, err);
    return r < 0 ? r : add_lower(path, row, m, err);
}

int wcow_layer_mount_of(const char *folders, const struct wcow_row *row, bool index_off,
                        struct wcow_layer_mount *ret, struct wcow_error *err)
{
    wcow_automount m = {0};
    int r = row->mount_type == WCOW_MOUNT_OVERLAY ? overlay(folders, row, index_off, &m, err)
                                                  : windows_layer(folders, row, &m, err);
    if (r < 0)
        return r;
    *ret = m;
    m = (struct wcow_layer_mount){0};
    return WCOW_OK;
}
