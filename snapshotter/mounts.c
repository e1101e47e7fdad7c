/* SPDX-License-Identifier: Apache-2.0 */
/* From a row to its mount. */
#include "snapshotter/mounts.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"

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

/* As Go's encoding/json writes a string: <, > and & escaped too, U+2028 and U+2029. */
static int add_json(struct wcow_buf *out, const char *text, struct wcow_error *err)
{
    int r = wcow_buf_add_str(out, "\"", err);
    for (const char *c = text; r == WCOW_OK && *c; c++) {
        unsigned char byte = (unsigned char)*c;
        if (byte == '"' || byte == '\\')
            r = wcow_buf_addf(out, err, "\\%c", byte);
        else if (byte == '\n' || byte == '\r' || byte == '\t')
            r = wcow_buf_addf(out, err, "\\%c", byte == '\n' ? 'n' : byte == '\r' ? 'r' : 't');
        else if (byte < 0x20 || strchr("<>&", byte))
            r = wcow_buf_addf(out, err, "\\u%04x", byte);
        else if (strncmp(c, "\xe2\x80\xa8", 3) == 0 || strncmp(c, "\xe2\x80\xa9", 3) == 0) {
            r = wcow_buf_addf(out, err, "\\u202%c", c[2] == '\xa8' ? '8' : '9');
            c += 2;
        } else {
            r = wcow_buf_add(out, c, 1, err);
        }
    }
    return r < 0 ? r : wcow_buf_add_str(out, "\"", err);
}

enum { ID_BYTES = 20 }; /* decimal digits, at most */

static uint8_t *put(uint8_t *at, const void *data, size_t len)
{
    memcpy(at, data, len);
    return at + len;
}

static uint8_t *put_id(uint8_t *at, int64_t id)
{
    uint8_t digits[ID_BYTES];
    size_t n = 0;
    for (uint64_t left = (uint64_t)id; left || n == 0; left /= 10)
        digits[n++] = (uint8_t)('0' + left % 10);
    while (n)
        *at++ = digits[--n];
    return at;
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
            &text, sizeof(name) + 1 + row->n_ancestors * (prefix.len + ID_BYTES + 2), &at, err);
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

static int windows_layer(const char *folders, const struct wcow_row *row,
                         struct wcow_layer_mount *m, struct wcow_error *err)
{
    m->type = "windows-layer";
    if (asprintf(&m->source, "%s/%lld", folders, (long long)row->id) < 0) {
        m->source = NULL;
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a mount");
    }
    int r = add_fixed(m, row->kind == WCOW_KIND_VIEW ? "ro" : "rw", err);
    return r < 0 || row->n_ancestors == 0 ? r : add_parents(m, folders, row, err);
}

/* One folder alone needs no overlay, and overlayfs would not take it. */
static int bind_mount(const char *folders, int64_t id, const char *mode, struct wcow_layer_mount *m,
                      struct wcow_error *err)
{
    m->type = "bind";
    if (asprintf(&m->source, "%s/%lld/Files", folders, (long long)id) < 0) {
        m->source = NULL;
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a mount");
    }
    int r = add_fixed(m, mode, err);
    return r < 0 ? r : add_fixed(m, "rbind", err);
}

static int add_lower(const char *folders, const struct wcow_row *row, struct wcow_layer_mount *m,
                     struct wcow_error *err)
{
    wcow_autobuf text = {0};
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < row->n_ancestors; i++)
        r = wcow_buf_addf(&text, err, "%s%s/%lld/Files", i ? ":" : "lowerdir=", folders,
                          (long long)row->ancestors[i]);
    return r < 0 ? r : add_option(m, &text, err);
}

static int add_upper(const char *folders, int64_t id, struct wcow_layer_mount *m,
                     struct wcow_error *err)
{
    wcow_autobuf text = {0};
    int r = wcow_buf_addf(&text, err, "workdir=%s/%lld/work", folders, (long long)id);
    if (r == WCOW_OK)
        r = add_option(m, &text, err);
    if (r == WCOW_OK)
        r = wcow_buf_addf(&text, err, "upperdir=%s/%lld/Files", folders, (long long)id);
    return r < 0 ? r : add_option(m, &text, err);
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
    int r = WCOW_OK;
    /* Without it the kernel may refuse a folder that another mount uses, or used, as its upper. */
    if (index_off)
        r = add_fixed(m, "index=off", err);
    if (r == WCOW_OK)
        r = add_fixed(m, is_view ? "redirect_dir=follow" : "redirect_dir=on", err);
    if (r == WCOW_OK && !is_view)
        r = add_upper(folders, row->id, m, err);
    return r < 0 ? r : add_lower(folders, row, m, err);
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
