/* SPDX-License-Identifier: Apache-2.0 */
#include "image/toml.h"

#include <ctype.h>
#include <string.h>

#include "base/bytes.h"
#include "base/utf.h"

enum { DEPTH_MAX = 4, PATH_MAX_KEYS = 8 };

struct reader {
    const char *s;
    unsigned line;
    struct wcow_str_list table;
    wcow_toml_fn *fn;
    void *ctx;
    struct wcow_error *err;
};

static int fail(struct reader *r, const char *what)
{
    return WCOW_FAIL(r->err, WCOW_E_CORRUPT, "line %u: %s", r->line, what);
}

static void skip_space(struct reader *r)
{
    r->s += strspn(r->s, " \t");
}

/* A comment, and the end of the line. */
static void skip_comment(struct reader *r)
{
    skip_space(r);
    if (*r->s == '#')
        r->s += strcspn(r->s, "\n");
    if (r->s[0] == '\r' && r->s[1] == '\n')
        r->s++;
}

/* Space, comments and line ends, as between the elements of an array. */
static void skip_lines(struct reader *r)
{
    for (;;) {
        skip_comment(r);
        if (*r->s != '\n')
            return;
        r->line++;
        r->s++;
    }
}

static int hex_value(char c)
{
    if (isdigit((unsigned char)c))
        return c - '0';
    return isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10 : -1;
}

static int add_unicode(struct reader *r, size_t digits, struct wcow_buf *out)
{
    uint32_t code = 0;
    for (size_t i = 0; i < digits; i++, r->s++) {
        int d = hex_value(*r->s);
        if (d < 0)
            return fail(r, "bad \\u escape in a string");
        code = code << 4 | (uint32_t)d;
    }
    uint8_t utf8[4];
    size_t n = code && (code < 0xd800 || code > 0xdfff) ? wcow_wtf8_encode(code, utf8) : 0;
    return n ? wcow_buf_add(out, utf8, n, r->err) : fail(r, "bad \\u escape in a string");
}

static int add_escape(struct reader *r, struct wcow_buf *out)
{
    static const char from[] = "btnfr\"\\";
    static const char to[] = "\b\t\n\f\r\"\\";
    char c = *r->s;
    const char *known = c ? strchr(from, c) : NULL;
    if (known) {
        r->s++;
        return wcow_buf_add(out, &to[known - from], 1, r->err);
    }
    if (c != 'u' && c != 'U')
        return fail(r, "unknown escape in a string");
    r->s++;
    return add_unicode(r, c == 'u' ? 4 : 8, out);
}

/* "basic" or 'literal'. */
static int read_string(struct reader *r, struct wcow_buf *out)
{
    char quote = *r->s++;
    if (r->s[0] == quote && r->s[1] == quote)
        return fail(r, "strings over several lines are not supported here");
    int e = wcow_buf_add(out, "", 0, r->err);
    while (e == WCOW_OK && *r->s != quote) {
        if (!*r->s || *r->s == '\n')
            return fail(r, "a string has no end");
        if (*r->s == '\\' && quote == '"') {
            r->s++;
            e = add_escape(r, out);
        } else {
            e = wcow_buf_add(out, r->s++, 1, r->err);
        }
    }
    r->s += e == WCOW_OK;
    return e;
}

/* One key, bare or quoted. */
static int read_key(struct reader *r, struct wcow_str_list *path)
{
    wcow_autobuf key = {0};
    int e = WCOW_OK;
    if (path->count >= PATH_MAX_KEYS)
        return fail(r, "the key has too many parts");
    if (*r->s == '"' || *r->s == '\'') {
        e = read_string(r, &key);
    } else {
        size_t n = strspn(r->s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-");
        if (!n)
            return fail(r, "a key is missing");
        e = wcow_buf_add(&key, r->s, n, r->err);
        r->s += n;
    }
    return e < 0 ? e : wcow_str_list_add(path, (const char *)key.data, r->err);
}

/* a.b."c" */
static int read_path(struct reader *r, struct wcow_str_list *path)
{
    for (;;) {
        skip_space(r);
        int e = read_key(r, path);
        if (e < 0)
            return e;
        skip_space(r);
        if (*r->s != '.')
            return WCOW_OK;
        r->s++;
    }
}

static int give(struct reader *r, const struct wcow_str_list *path,
                const struct wcow_toml_value *value)
{
    int e = r->fn(r->ctx, path, value, r->err);
    return e < 0 ? wcow_error_wrap(e, r->err, "line %u", r->line) : e;
}

static int read_number(struct reader *r, const struct wcow_str_list *path,
                       struct wcow_toml_value *value)
{
    char *end = NULL;
    errno = 0;
    value->type = WCOW_TOML_INTEGER;
    value->integer = strtoll(r->s, &end, 10);
    if (end == r->s || errno || (*end && !strchr(" \t\r\n,]#", *end)))
        return fail(r, "a value must be a string, a whole number, true, false or an array");
    r->s = end;
    return give(r, path, value);
}

static bool take_word(struct reader *r, const char *word)
{
    size_t n = strlen(word);
    if (strncmp(r->s, word, n) != 0 || isalnum((unsigned char)r->s[n]))
        return false;
    r->s += n;
    return true;
}

static int read_scalar(struct reader *r, const struct wcow_str_list *path,
                       struct wcow_toml_value *value)
{
    if (*r->s == '"' || *r->s == '\'') {
        wcow_autobuf text = {0};
        int e = read_string(r, &text);
        if (e < 0)
            return e;
        value->type = WCOW_TOML_STRING;
        value->string = (const char *)text.data;
        return give(r, path, value);
    }
    value->type = WCOW_TOML_BOOL;
    value->boolean = take_word(r, "true");
    if (value->boolean || take_word(r, "false"))
        return give(r, path, value);
    return read_number(r, path, value);
}

/* A value, or an array of values, whose depth is bounded. */
static int read_value(struct reader *r, const struct wcow_str_list *path)
{
    struct wcow_toml_value value = {0};
    bool want_comma = false;
    do {
        if (value.depth)
            skip_lines(r);
        if (*r->s == ']' && value.depth) {
            r->s++;
            value.depth--;
            want_comma = true;
        } else if (*r->s == ',' && want_comma) {
            r->s++;
            value.index += value.depth == 1;
            want_comma = false;
        } else if (want_comma) {
            return fail(r, "a ',' or ']' is missing in an array");
        } else if (*r->s == '[') {
            r->s++;
            if (++value.depth > DEPTH_MAX)
                return fail(r, "arrays are nested too deep");
        } else {
            int e = read_scalar(r, path, &value);
            if (e < 0)
                return e;
            want_comma = true;
        }
    } while (value.depth);
    return WCOW_OK;
}

static int read_table(struct reader *r)
{
    r->s++;
    if (*r->s == '[')
        return fail(r, "arrays of tables are not supported here");
    wcow_str_list_done(&r->table);
    int e = read_path(r, &r->table);
    if (e < 0)
        return e;
    if (*r->s != ']')
        return fail(r, "a table's name must end with ']'");
    r->s++;
    return give(r, &r->table, NULL);
}

static int read_pair(struct reader *r)
{
    wcow_auto_str_list path = {0};
    int e = wcow_str_list_copy(&path, &r->table, r->err);
    if (e == WCOW_OK)
        e = read_path(r, &path);
    if (e < 0)
        return e;
    if (*r->s != '=')
        return fail(r, "a '=' is missing behind the key");
    r->s++;
    skip_space(r);
    return read_value(r, &path);
}

static int read_line(struct reader *r)
{
    skip_comment(r);
    int e = WCOW_OK;
    if (*r->s == '[')
        e = read_table(r);
    else if (*r->s && *r->s != '\n')
        e = read_pair(r);
    if (e < 0)
        return e;
    skip_comment(r);
    return *r->s && *r->s != '\n' ? fail(r, "something follows the value") : WCOW_OK;
}

int wcow_toml_read(const char *text, wcow_toml_fn *fn, void *ctx, struct wcow_error *err)
{
    struct reader r = {.s = text, .line = 1, .fn = fn, .ctx = ctx, .err = err};
    int e = WCOW_OK;
    while (e == WCOW_OK && *r.s) {
        e = read_line(&r);
        if (e == WCOW_OK && *r.s == '\n') {
            r.s++;
            r.line++;
        }
    }
    wcow_str_list_done(&r.table);
    return e;
}
