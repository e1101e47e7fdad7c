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

static int read_key(const char **p, struct wcow_reg *reg, struct wcow_reg_key **ret,
                    struct wcow_error *err)
{
    wcow_autofree char *path = NULL;
    (*p)++;
    int r = read_name(p, ']', &path, err);
    return r < 0 ? r : wcow_reg_make(reg, path, ret, err);
}

static int read_line(const char **p, struct wcow_reg *reg, struct wcow_reg_key **key,
                     struct wcow_error *err)
{
    const char *line = *p;
    size_t len = strcspn(line, "\r\n");
    if (len == 0)
        return WCOW_OK;
    if (*line == '[')
        return read_key(p, reg, key, err);
    if (!*key)
        return WCOW_OK; /* the head, taken as it is */
    if (*line == '#')
        return add_extra(*key, line, len, err);
    return *line == ';' ? WCOW_OK : read_value(p, *key, err);
}

int wcow_reg_parse(const char *text, struct wcow_reg **ret, struct wcow_error *err)
{
    static const char magic[] = "WINE REGISTRY Version 2\n";
    WCOW_CLEANUP(wcow_reg_free_p) struct wcow_reg *reg = calloc(1, sizeof(*reg));
    const char *first = strstr(text, "\n[");
    if (strncmp(text, magic, sizeof(magic) - 1) != 0)
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "this is no registry file of Wine's");
    if (reg)
        reg->head = first ? strndup(text, (size_t)(first - text)) : strdup(text);
    if (!reg || !reg->head)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a registry");
    struct wcow_reg_key *key = NULL;
    for (const char *p = text; *p;) {
        int r = read_line(&p, reg, &key, err);
        if (r < 0)
            return r;
        p += strcspn(p, "\n");
        p += *p == '\n';
    }
    *ret = WCOW_TAKE_PTR(reg);
    return WCOW_OK;
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
    int r = wcow_buf_add_str(out, reg->head, err);
    for (size_t i = 0; r == WCOW_OK && i < reg->n_keys; i++)
        r = write_key(out, &reg->keys[i], err);
    return r;
}
