/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of code points. */
#include <stdlib.h>
#include <string.h>

#include "snapshotter/regex_internal.h"

enum { LAST_CODE_POINT = 0x10ffff };

int wcow_regex_add_range(struct wcow_regex_ranges *ranges, uint32_t low, uint32_t high,
                         struct wcow_error *err)
{
    if (ranges->n == ranges->cap) {
        size_t more = ranges->cap ? 2 * ranges->cap : 64;
        struct wcow_regex_range *items = reallocarray(ranges->items, more, sizeof(*items));
        if (!items)
            return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for an expression");
        ranges->items = items;
        ranges->cap = more;
    }
    ranges->items[ranges->n++] = (struct wcow_regex_range){.low = low, .high = high};
    return WCOW_OK;
}

/* Pairs of first and last characters; folded before they are negated. */
static int add_pairs(struct wcow_regex_ranges *ranges, const char *pairs, size_t len,
                     bool ignore_case, bool negate, struct wcow_error *err)
{
    size_t first = ranges->n;
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < len; i += 2)
        r = wcow_regex_add_range(ranges, (unsigned char)pairs[i], (unsigned char)pairs[i + 1], err);
    return r < 0 ? r : wcow_regex_finish_set(ranges, first, ignore_case, negate, err);
}

#define PAIRS(text) text, sizeof(text) - 1

int wcow_regex_add_perl_class(struct wcow_regex_ranges *ranges, char letter, bool ignore_case,
                              bool *ret_known, struct wcow_error *err)
{
    bool negate = letter < 'a';
    *ret_known = letter && strchr("dDsSwW", letter);
    switch (*ret_known ? letter : '\0') {
    case 'd':
    case 'D':
        return add_pairs(ranges, PAIRS("09"), ignore_case, negate, err);
    case 's':
    case 'S':
        return add_pairs(ranges, PAIRS("\t\n\f\r  "), ignore_case, negate, err);
    case 'w':
    case 'W':
        return add_pairs(ranges, PAIRS("09AZ__az"), ignore_case, negate, err);
    default:
        return WCOW_OK;
    }
}

int wcow_regex_add_posix_class(struct wcow_regex_ranges *ranges, const char *text, bool ignore_case,
                               size_t *ret_len, struct wcow_error *err)
{
    static const struct {
        const char *name;
        const char *pairs;
        size_t len;
    } classes[] = {
        {"alnum", PAIRS("09AZaz")},
        {"alpha", PAIRS("AZaz")},
        {"ascii", PAIRS("\0\x7f")},
        {"blank", PAIRS("\t\t  ")},
        {"cntrl", PAIRS("\0\x1f\x7f\x7f")},
        {"digit", PAIRS("09")},
        {"graph", PAIRS("!~")},
        {"lower", PAIRS("az")},
        {"print", PAIRS(" ~")},
        {"punct", PAIRS("!/:@[`{~")},
        {"space", PAIRS("\t\r  ")},
        {"upper", PAIRS("AZ")},
        {"word", PAIRS("09AZ__az")},
        {"xdigit", PAIRS("09AFaf")},
    };
    const char *end = strncmp(text, "[:", 2) == 0 ? strstr(text + 2, ":]") : NULL;
    *ret_len = end ? (size_t)(end + 2 - text) : 0;
    if (!end)
        return WCOW_OK;
    bool negate = text[2] == '^';
    const char *name = text + 2 + negate;
    for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
        size_t len = strlen(classes[i].name);
        if (len == (size_t)(end - name) && memcmp(name, classes[i].name, len) == 0)
            return add_pairs(ranges, classes[i].pairs, classes[i].len, ignore_case, negate, err);
    }
    return WCOW_FAIL(err, WCOW_E_INVALID, "the expression has a class %.*s, which is unknown",
                     (int)(*ret_len < 40 ? *ret_len : 40), text);
}

/* What folds to an ASCII letter beyond ASCII: the long s and the Kelvin sign. */
static uint32_t exotic(uint32_t letter)
{
    return letter == 's' ? 0x17f : letter == 'k' ? 0x212a : 0;
}

static bool has(const struct wcow_regex_range *range, uint32_t c)
{
    return c >= range->low && c <= range->high;
}

/* All that fold to the same as one of the ASCII letters in the set. */
static int fold(struct wcow_regex_ranges *ranges, size_t first, struct wcow_error *err)
{
    int r = WCOW_OK;
    size_t n = ranges->n;
    for (uint32_t c = 'a'; r == WCOW_OK && c <= 'z'; c++) {
        bool there = false;
        for (size_t i = first; i < n; i++)
            there = there || has(&ranges->items[i], c) || has(&ranges->items[i], c - 32) ||
                    (exotic(c) && has(&ranges->items[i], exotic(c)));
        if (!there)
            continue;
        r = wcow_regex_add_range(ranges, c, c, err);
        if (r == WCOW_OK)
            r = wcow_regex_add_range(ranges, c - 32, c - 32, err);
        if (r == WCOW_OK && exotic(c))
            r = wcow_regex_add_range(ranges, exotic(c), exotic(c), err);
    }
    return r;
}

static int compare(const void *a, const void *b)
{
    const struct wcow_regex_range *x = a;
    const struct wcow_regex_range *y = b;
    return (x->low > y->low) - (x->low < y->low);
}

static void merge(struct wcow_regex_ranges *ranges, size_t first)
{
    size_t n = first;
    for (size_t i = first; i < ranges->n; i++) {
        struct wcow_regex_range range = ranges->items[i];
        struct wcow_regex_range *before = n > first ? &ranges->items[n - 1] : NULL;
        if (!before || range.low > before->high + 1)
            ranges->items[n++] = range;
        else if (range.high > before->high)
            before->high = range.high;
    }
    ranges->n = n;
}

/* Of sorted ranges that do not touch: what is between them. */
static int invert(struct wcow_regex_ranges *ranges, size_t first, struct wcow_error *err)
{
    uint32_t from = 0;
    size_t n = first;
    for (size_t i = first; i < ranges->n; i++) {
        struct wcow_regex_range range = ranges->items[i];
        if (range.low > from)
            ranges->items[n++] = (struct wcow_regex_range){.low = from, .high = range.low - 1};
        from = range.high + 1;
    }
    ranges->n = n;
    return from > LAST_CODE_POINT ? WCOW_OK
                                  : wcow_regex_add_range(ranges, from, LAST_CODE_POINT, err);
}

int wcow_regex_finish_set(struct wcow_regex_ranges *ranges, size_t first, bool ignore_case,
                          bool negate, struct wcow_error *err)
{
    int r = ignore_case ? fold(ranges, first, err) : WCOW_OK;
    if (r < 0)
        return r;
    if (ranges->n > first)
        qsort(ranges->items + first, ranges->n - first, sizeof(ranges->items[0]), compare);
    merge(ranges, first);
    return negate ? invert(ranges, first, err) : WCOW_OK;
}
