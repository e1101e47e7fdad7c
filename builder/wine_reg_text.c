/* SPDX-License-Identifier: Apache-2.0 */
/* Wine's registry files as text: a line of keys "[Path\\Below] time", lines "#name" of a key's
 * own, lines "\"name\"=value". */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf.h"
#include "builder/wine_reg.h"
#include "layer/hive.h"
#include "layer/utf16.h"

/* ---- reading ---- */

static int bad(const char *what, const char *at, struct wcow_error *err)
{
    return WCOW_FAIL(err, WCOW_E_CORRUPT, "Wine's registry file: %s at \"%.40s\"", what, at);
}

static unsigned digit_of(char c)
{
    if (isdigit((unsigned char)c))
        return (unsigned)(c - '0');
    return isxdigit((unsigned char)c) ? (unsigned)(tolower(c) - 'a' + 10) : 99;
}

static uint32_t read_digits(const char **p, unsigned base, size_t max)
{
    uint32_t value = 0;
    for (size_t i = 0; i < max && digit_of(**p) < base; i++)
        value = value * base + digit_of(*(*p)++);
    return value;
}

/* One unit of a text with escapes. */
static uint32_t read_unit(const char **p)
{
    static const char letters[] = "abtnvfre";
    static const char meant[] = "\a\b\t\n\v\f\r\x1b";
    if (**p != '\\')
        return (unsigned char)*(*p)++;
    (*p)++;
    if (**p == 'x') {
        (*p)++;
        return read_digits(p, 16, 4);
    }
    if (**p >= '0' && **p <= '7')
        return read_digits(p, 8, 3);
    const char *hit = **p ? strchr(letters, **p) : NULL;
    uint32_t unit = hit ? (unsigned char)meant[hit - letters] : (unsigned char)**p;
    *p += **p != '\0';
    return unit;
}

/* Up to @p end, as UTF-16LE; *p is then behind it. */
static int read_text(const char **p, char end, struct wcow_buf *out, struct wcow_error *err)
{
    const char *start = *p;
    while (**p && **p != '\n' && **p != end) {
        uint8_t unit[2];
        if (**p == '\\' && (*p)[1] == '\n')
            return bad("a text over two lines", start, err);
        wcow_store_le16(unit, (uint16_t)read_unit(p));
        int r = wcow_buf_add(out, unit, 2, err);
        if (r < 0)
            return r;
    }
    if (**p != end)
        return bad("a text without its end", start, err);
    (*p)++;
    return WCOW_OK;
}

static int read_name(const char **p, char end, char **ret, struct wcow_error *err)
{
    wcow_autobuf utf16 = {0};
    wcow_autobuf name = {0};
    int r = read_text(p, end, &utf16, err);
    if (r == WCOW_OK)
        r = wcow_utf16_to_wtf8(&name, (struct wcow_bytes){utf16.data, utf16.len}, err);
    if (r < 0)
        return r;
    *ret = wcow_buf_take_str(&name);
    return *ret ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a registry name");
}

/* "01,02,\" and so on over lines. */
static int read_hex(const char **p, struct wcow_buf *out, struct wcow_error *err)
{
    while (**p && **p != '\n') {
        if (isxdigit((unsigned char)**p)) {
            uint8_t byte = (uint8_t)read_digits(p, 16, 2);
            int r = wcow_buf_add(out, &byte, 1, err);
            if (r < 0)
                return r;
        } else if (**p == '\\') {
            *p += strcspn(*p, "\n");
            *p += **p == '\n';
        } else if (**p == ',' || **p == ' ' || **p == '\r') {
            (*p)++;
        } else {
            return bad("bad bytes", *p, err);
        }
    }
    return WCOW_OK;
}

static bool skip(const char **p, const char *word)
{
    size_t n = strlen(word);
    if (strncmp(*p, word, n) != 0)
        return false;
    *p += n;
    return true;
}

static int read_string(const char **p, struct wcow_buf *out, struct wcow_error *err)
{
    if (!skip(p, "\""))
        return bad("no text", *p, err);
    int r = read_text(p, '"', out, err);
    return r < 0 ? r : wcow_buf_add(out, "\0", 2, err);
}

static int read_data(const char **p, uint32_t *ret_type, struct wcow_buf *out,
                     struct wcow_error *err)
{
    *ret_type = WCOW_REG_SZ;
    if (**p == '"')
        return read_string(p, out, err);
    if (skip(p, "dword:")) {
        uint8_t bytes[4];
        wcow_store_le32(bytes, read_digits(p, 16, 8));
        *ret_type = WCOW_REG_DWORD;
        return wcow_buf_add(out, bytes, 4, err);
    }
    bool is_text = skip(p, "str");
    if (!is_text && !skip(p, "hex"))
        return bad("an unknown kind of value", *p, err);
    *ret_type = WCOW_REG_BINARY;
    if (skip(p, "(")) {
        *ret_type = read_digits(p, 16, 8);
        if (!skip(p, ")"))
            return bad("a type without its end", *p, err);
    }
    if (!skip(p, ":"))
        return bad("a type without a value", *p, err);
    return is_text ? read_string(p, out, err) : read_hex(p, out, err);
}

static int read_value(const char **p, struct wcow_reg_key *key, struct wcow_error *err)
{
    wcow_autofree char *name = NULL;
    wcow_autobuf data = {0};
    uint32_t type = 0;
    int r = WCOW_OK;
    if (skip(p, "@"))
        name = strdup("");
    else if (skip(p, "\""))
        r = read_name(p, '"', &name, err);
    if (r < 0)
        return r;
    if (!name || !skip(p, "="))
        return bad("a value without a name", *p, err);
    r = read_data(p, &type, &data, err);
    return r < 0 ? r : wcow_reg_set(key, name, type, data.data, data.len, err);
}

static int add_extra(struct wcow_reg_key *key, const char *line, size_t len, struct wcow_error *err)
{
    char *grown = NULL;
    if (strncmp(line, "#time=", 6) == 0)
        return WCOW_OK;
    if (asprintf(&grown, "%s%.*s\n", key->extra ? key->extra : "", (int)len, line) < 0)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a registry key");
    free(key->extra);
    key->extra = grown;
    key->is_link |= strncmp(line, "#link", 5) == 0;
    return WCOW_OK;
}

/* One line of a key's, below its first. */
static int read_line(const char **p, struct wcow_reg_key *key, struct wcow_error *err)
{
    const char *line = *p;
    size_t len = strcspn(line, "\r\n");
    if (len == 0 || *line == ';')
        return WCOW_OK;
    return *line == '#' ? add_extra(key, line, len, err) : read_value(p, key, err);
}

/* By memchr(): what looks for the text's own end takes the time of all of it, for each line, under
 * a sanitizer. */
static const char *next_line(const char *p, const char *end)
{
    const char *newline = p < end ? memchr(p, '\n', (size_t)(end - p)) : NULL;
    return newline ? newline + 1 : end;
}

/* Leaves the text as it is: a slice of a file. */
static int decode_lines(struct wcow_reg_key *key, const char *raw, size_t len,
                        struct wcow_error *err)
{
    int r = WCOW_OK;
    const char *end = raw + len;
    for (const char *p = next_line(raw, end); r == WCOW_OK && p < end; p = next_line(p, end))
        r = read_line(&p, key, err);
    return r;
}

int wcow_reg_decode(struct wcow_reg_key *key, struct wcow_error *err)
{
    const char *raw = key->raw;
    key->raw = NULL;
    return raw ? decode_lines(key, raw, key->raw_len, err) : WCOW_OK;
}

/* The lines that say what a key is and has. */
static const char *body_of(const struct wcow_reg_key *key, size_t *ret_len)
{
    const char *end = key->raw + key->raw_len;
    const char *p = next_line(key->raw, end);
    if (p < end && strncmp(p, "#time=", 6) == 0)
        p = next_line(p, end);
    *ret_len = (size_t)(end - p);
    return p;
}

bool wcow_reg_same_text(const struct wcow_reg_key *a, const struct wcow_reg_key *b)
{
    size_t a_len = 0;
    size_t b_len = 0;
    if (!a->raw || !b->raw)
        return false;
    const char *a_body = body_of(a, &a_len);
    const char *b_body = body_of(b, &b_len);
    return a_len == b_len && memcmp(a_body, b_body, a_len) == 0;
}

/* ---- a file's keys ---- */

/* The path between brackets, into *out, which moves behind its NUL. Nearly all are plain ASCII with
 * doubled backslashes; the rest goes the long way. */
static int read_path(const char *start, char **out, struct wcow_error *err)
{
    char *to = *out;
    const char *p = start + 1;
    while ((unsigned char)*p >= ' ' && (unsigned char)*p < 0x7f && *p != ']' &&
           (*p != '\\' || p[1] == '\\')) {
        *to++ = *p;
        p += *p == '\\' ? 2 : 1;
    }
    if (*p != ']') {
        wcow_autofree char *path = NULL;
        p = start + 1;
        int r = read_name(&p, ']', &path, err);
        if (r < 0)
            return r;
        size_t len = strlen(path);
        memcpy(*out, path, len);
        to = *out + len;
    }
    *to++ = '\0';
    *out = to;
    return WCOW_OK;
}

/* A key that stands in the file a second time adds to the first. */
static int add_key(struct wcow_reg *reg, const struct wcow_reg_key *key, struct wcow_error *err)
{
    const size_t n = reg->n_keys;
    bool found = false;
    size_t at = n;
    if (n && wcow_reg_compare_paths(reg->keys[n - 1].path, key->path) >= 0)
        at = wcow_reg_position(reg, key->path, &found);
    if (!found)
        return wcow_reg_insert(reg, at, key, err);
    int r = wcow_reg_decode(&reg->keys[at], err);
    return r < 0 ? r : decode_lines(&reg->keys[at], key->raw, key->raw_len, err);
}

/* The slice from a key's bracket to its last line, without empty ones. */
static const char *key_end(const char *start, const char *stop, const char **ret_next)
{
    const char *next = start;
    do {
        next = memchr(next, '\n', (size_t)(stop - next));
        next = next ? next + 1 : stop;
    } while (next < stop && *next != '[');
    const char *end = next;
    while (end > start && (end[-1] == '\n' || end[-1] == '\r'))
        end--;
    *ret_next = next;
    return end;
}

static int read_keys(struct wcow_reg *reg, const char *first, const char *stop,
                     struct wcow_error *err)
{
    char *path = reg->paths;
    const char *next = NULL;
    for (const char *p = first; p < stop; p = next) {
        const char *end = key_end(p, stop, &next);
        const struct wcow_reg_key key = {.path = path, .raw = p, .raw_len = (size_t)(end - p)};
        int r = read_path(p, &path, err);
        if (r == WCOW_OK)
            r = add_key(reg, &key, err);
        if (r < 0)
            return r;
    }
    return WCOW_OK;
}

int wcow_reg_parse(const char *text, struct wcow_reg **ret, struct wcow_error *err)
{
    static const char magic[] = "WINE REGISTRY Version 2\n";
    if (strncmp(text, magic, sizeof(magic) - 1) != 0)
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "this is no registry file of Wine's");
    WCOW_CLEANUP(wcow_reg_free_p) struct wcow_reg *reg = wcow_reg_new();
    const size_t len = strlen(text);
    if (reg) {
        reg->text = strdup(text);
        reg->paths = malloc(2 * len + 1); /* a byte of a line is at most two of a path */
    }
    if (!reg || !reg->text || !reg->paths)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a registry");
    const char *first = strstr(reg->text, "\n[");
    reg->head_len = first ? (size_t)(first - reg->text) : len;
    const char *stop = reg->text + len;
    int r = read_keys(reg, first ? first + 1 : stop, stop, err);
    if (r == WCOW_OK)
        *ret = WCOW_TAKE_PTR(reg);
    return r;
}

/* ---- writing ---- */

static int write_unit(struct wcow_buf *out, uint32_t unit, const char *special,
                      struct wcow_error *err)
{
    if (unit > 126)
        return wcow_buf_addf(out, err, "\\x%04x", (unsigned)unit);
    if (unit < 32)
        return wcow_buf_addf(out, err, "\\%03o", (unsigned)unit);
    const char c = (char)unit;
    if (c == '\\' || strchr(special, c))
        return wcow_buf_addf(out, err, "\\%c", c);
    return wcow_buf_add(out, &c, 1, err);
}

/* A name, where a backslash between keys is doubled as one within a name would be. */
static int write_name(struct wcow_buf *out, const char *name, const char *special,
                      struct wcow_error *err)
{
    wcow_autobuf utf16 = {0};
    int r = wcow_utf16_add(&utf16, name, err);
    for (size_t i = 0; r == WCOW_OK && i + 1 < utf16.len; i += 2)
        r = write_unit(out, wcow_load_le16(utf16.data + i), special, err);
    return r;
}

static bool is_text(const struct wcow_reg_value *v)
{
    return (v->type == WCOW_REG_SZ || v->type == WCOW_REG_EXPAND_SZ ||
            v->type == WCOW_REG_MULTI_SZ) &&
           v->len >= 2 && v->len % 2 == 0 && wcow_load_le16(v->data + v->len - 2) == 0;
}

static int write_data(struct wcow_buf *out, const struct wcow_reg_value *v, struct wcow_error *err)
{
    if (v->type == WCOW_REG_DWORD && v->len == 4)
        return wcow_buf_addf(out, err, "dword:%08x\n", (unsigned)wcow_load_le32(v->data));
    int r = WCOW_OK;
    if (is_text(v)) {
        if (v->type != WCOW_REG_SZ)
            r = wcow_buf_addf(out, err, "str(%x):", (unsigned)v->type);
        if (r == WCOW_OK)
            r = wcow_buf_add_str(out, "\"", err);
        for (size_t i = 0; r == WCOW_OK && i + 2 < v->len; i += 2)
            r = write_unit(out, wcow_load_le16(v->data + i), "\"", err);
        return r < 0 ? r : wcow_buf_add_str(out, "\"\n", err);
    }
    r = v->type == WCOW_REG_BINARY ? wcow_buf_add_str(out, "hex:", err)
                                   : wcow_buf_addf(out, err, "hex(%x):", (unsigned)v->type);
    for (size_t i = 0; r == WCOW_OK && i < v->len; i++)
        r = wcow_buf_addf(out, err, "%s%02x", i == 0 ? "" : i % 25 ? "," : ",\\\n  ", v->data[i]);
    return r < 0 ? r : wcow_buf_add_str(out, "\n", err);
}

static int write_key(struct wcow_buf *out, const struct wcow_reg_key *key, struct wcow_error *err)
{
    if (key->raw) {
        int copied = wcow_buf_add(out, "\n", 1, err);
        if (copied == WCOW_OK)
            copied = wcow_buf_add(out, key->raw, key->raw_len, err);
        return copied < 0 ? copied : wcow_buf_add(out, "\n", 1, err);
    }
    int r = wcow_buf_add_str(out, "\n[", err);
    if (r == WCOW_OK)
        r = write_name(out, key->path, "[]", err);
    if (r == WCOW_OK)
        r = wcow_buf_addf(out, err, "] 0\n%s", key->extra ? key->extra : "");
    for (size_t i = 0; r == WCOW_OK && i < key->n_values; i++) {
        const struct wcow_reg_value *v = &key->values[i];
        r = wcow_buf_add_str(out, *v->name ? "\"" : "@=", err);
        if (r == WCOW_OK && *v->name) {
            r = write_name(out, v->name, "\"", err);
            if (r == WCOW_OK)
                r = wcow_buf_add_str(out, "\"=", err);
        }
        if (r == WCOW_OK)
            r = write_data(out, v, err);
    }
    return r;
}

int wcow_reg_write(const struct wcow_reg *reg, struct wcow_buf *out, struct wcow_error *err)
{
    int r = wcow_buf_add(out, reg->text, reg->head_len, err);
    for (size_t i = 0; r == WCOW_OK && i < reg->n_keys; i++)
        r = write_key(out, &reg->keys[i], err);
    return r;
}
