/* SPDX-License-Identifier: Apache-2.0 */
/* RE2 expressions of filters as POSIX extended ones. The C library's matcher is made safe against
 * hostile expressions: no back references, short, and few repeats. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "snapshotter/filter.h"
#include "snapshotter/filter_internal.h"

enum { MAX_REPEATS = 1000 }; /* RE2's own limit, here for all nested ones multiplied */

static int refuse(const char *what, struct wcow_error *err)
{
    return WCOW_FAIL(err, WCOW_E_INVALID, "the expression has %s, which filters here don't know",
                     what);
}

/* Behind a backslash; *pos is at the character and moves over it. */
static int translate_escape(const char *re, size_t *pos, bool in_set, struct wcow_buf *out,
                            struct wcow_error *err)
{
    char c = re[(*pos)++];
    if (c == '\0')
        return WCOW_FAIL(err, WCOW_E_INVALID, "the expression ends in a backslash");
    if (c == 'd')
        return wcow_buf_add_str(out, in_set ? "0-9" : "[0-9]", err);
    if (in_set) {
        /* A set in POSIX knows no backslash. */
        if (isalnum((unsigned char)c))
            return refuse("a class like \\w within [ ]", err);
        if (strchr("]^-", c))
            return refuse("an escaped ], ^ or - within [ ]", err);
        return wcow_buf_add(out, &c, 1, err);
    }
    if (c == 'D')
        return wcow_buf_add_str(out, "[^0-9]", err);
    if (isalnum((unsigned char)c) && !strchr("wWsSbB", c))
        return refuse("an escape other than \\d \\D \\w \\W \\s \\S \\b \\B", err);
    const char escaped[] = {'\\', c};
    return wcow_buf_add(out, escaped, sizeof(escaped), err);
}

/* A set: "[...]"; *pos is behind the "[". */
static int translate_set(const char *re, size_t *pos, struct wcow_buf *out, struct wcow_error *err)
{
    int r = wcow_buf_add_str(out, "[", err);
    size_t start = *pos + (re[*pos] == '^');
    while (r == WCOW_OK) {
        char c = re[*pos];
        if (c == '\0')
            return WCOW_FAIL(err, WCOW_E_INVALID, "the expression has a [ without its ]");
        (*pos)++;
        if (c == '\\') {
            r = translate_escape(re, pos, true, out, err);
            continue;
        }
        r = wcow_buf_add(out, &c, 1, err);
        if (c == '[' && re[*pos] == ':') {
            const char *end = strstr(re + *pos, ":]");
            if (!end)
                return WCOW_FAIL(err, WCOW_E_INVALID, "the expression has a [: without its :]");
            size_t len = (size_t)(end + 2 - (re + *pos));
            if (r == WCOW_OK)
                r = wcow_buf_add(out, re + *pos, len, err);
            *pos += len;
        } else if (c == ']' && *pos - 1 > start) {
            return r;
        }
    }
    return r;
}

/* "{n,m}" multiplies what it stands behind: all bounds together stay small. */
static int check_repeat(const char *at, unsigned *product, struct wcow_error *err)
{
    unsigned long high = 1;
    for (const char *c = at; isdigit((unsigned char)*c) || *c == ',';) {
        char *end = NULL;
        unsigned long n = *c == ',' ? 1 : strtoul(c, &end, 10);
        c = *c == ',' ? c + 1 : end;
        high = n > high ? n : high;
    }
    if (high > MAX_REPEATS || *product * high > MAX_REPEATS)
        return WCOW_FAIL(err, WCOW_E_INVALID, "the expression repeats more than %d times",
                         MAX_REPEATS);
    *product *= (unsigned)high;
    return WCOW_OK;
}

static int translate(const char *re, struct wcow_buf *out, struct wcow_error *err)
{
    unsigned product = 1;
    int r = WCOW_OK;
    for (size_t pos = 0; r == WCOW_OK && re[pos];) {
        char c = re[pos++];
        if (c == '\\') {
            r = translate_escape(re, &pos, false, out, err);
        } else if (c == '[') {
            r = translate_set(re, &pos, out, err);
        } else if (c == '(' && re[pos] == '?') {
            if (re[pos + 1] != ':')
                return refuse("a group with flags or a name", err);
            pos += 2;
            r = wcow_buf_add_str(out, "(", err);
        } else if (strchr("*+?}", c) && re[pos] == '?') {
            return refuse("a lazy repeat", err);
        } else {
            if (c == '{')
                r = check_repeat(re + pos, &product, err);
            if (r == WCOW_OK)
                r = wcow_buf_add(out, &c, 1, err);
        }
    }
    return r;
}

int wcow_filter_compile(const char *expression, regex_t *ret, struct wcow_error *err)
{
    if (strlen(expression) > WCOW_FILTER_MAX_REGEX_BYTES)
        return WCOW_FAIL(err, WCOW_E_INVALID, "the expression is longer than %d bytes",
                         WCOW_FILTER_MAX_REGEX_BYTES);
    wcow_autobuf posix = {0};
    int r = translate(expression, &posix, err);
    if (r < 0)
        return r;
    int e = regcomp(ret, posix.len ? (const char *)posix.data : "", REG_EXTENDED | REG_NOSUB);
    if (e == 0)
        return WCOW_OK;
    char why[128];
    (void)regerror(e, ret, why, sizeof(why));
    return WCOW_FAIL(err, WCOW_E_INVALID, "the expression \"%.100s\" is bad: %s", expression, why);
}
