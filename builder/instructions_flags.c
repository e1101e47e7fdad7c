/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/instructions_flags.h"

#include <math.h>
#include <string.h>

#include "builder/words_text.h"

enum { MAX_FLAGS = 16 };

static struct wcow_flag *find(struct wcow_flag *flags, size_t count, const char *name, size_t len)
{
    for (size_t i = 0; i < count; i++) {
        if (strlen(flags[i].name) == len && memcmp(flags[i].name, name, len) == 0)
            return &flags[i];
    }
    return NULL;
}

static int unknown_flag(const struct wcow_node *node, const struct wcow_flag *flags, size_t count,
                        const char *name, int len, struct wcow_error *err)
{
    const char *names[MAX_FLAGS] = {0};
    char word[64] = "";
    for (size_t i = 0; i < count && i < MAX_FLAGS; i++)
        names[i] = flags[i].name;
    if (len < (int)sizeof word)
        memcpy(word, name, (size_t)len);
    const char *meant = wcow_diagnostic_suggest(word, names, count < MAX_FLAGS ? count : MAX_FLAGS);
    if (meant)
        return WCOW_FAIL(err, WCOW_E_INVALID, "unknown flag: --%.*s (did you mean %s?)", len, name,
                         meant);
    if (count == 0)
        return WCOW_FAIL(err, WCOW_E_INVALID, "unknown flag: --%.*s: %s takes no flags", len, name,
                         node->keyword);
    return WCOW_FAIL(err, WCOW_E_INVALID, "unknown flag: --%.*s: %s does not know it", len, name,
                     node->keyword);
}

static int set_bool(struct wcow_flag *flag, const char *value, struct wcow_error *err)
{
    if (!value || wcow_text_casecmp(value, "true") == 0) {
        flag->is_true = true;
        return WCOW_OK;
    }
    if (!*value)
        return WCOW_FAIL(err, WCOW_E_INVALID, "missing a value on flag: --%s", flag->name);
    if (wcow_text_casecmp(value, "false") == 0)
        return WCOW_OK;
    return WCOW_FAIL(err, WCOW_E_INVALID,
                     "expecting boolean value for flag --%s, not: %s (write true or false)",
                     flag->name, value);
}

static int read_flag(const struct wcow_node *node, struct wcow_arena *arena, const char *text,
                     struct wcow_flag *flags, size_t count, struct wcow_error *err)
{
    const char *name = text + 2;
    const char *equals = strchr(name, '=');
    size_t len = equals ? (size_t)(equals - name) : strlen(name);
    const char *value = equals ? equals + 1 : NULL;
    struct wcow_flag *flag = find(flags, count, name, len);
    if (!flag)
        return unknown_flag(node, flags, count, name, (int)len, err);
    if (flag->used && flag->type != WCOW_FLAG_LIST)
        return WCOW_FAIL(err, WCOW_E_INVALID, "duplicate flag specified: --%s", flag->name);
    flag->used = true;
    if (flag->type == WCOW_FLAG_BOOL)
        return set_bool(flag, value, err);
    if (!value)
        return WCOW_FAIL(err, WCOW_E_INVALID, "missing a value on flag: --%s", flag->name);
    if (flag->type == WCOW_FLAG_LIST)
        return wcow_strings_add(arena, &flag->list, value, err);
    flag->value = value;
    return WCOW_OK;
}

int wcow_flags_read(const struct wcow_node *node, struct wcow_arena *arena, struct wcow_flag *flags,
                    size_t count, struct wcow_error *err)
{
    int r = WCOW_OK;
    for (size_t i = 0; i < node->flags.count && r == WCOW_OK; i++)
        r = read_flag(node, arena, node->flags.items[i], flags, count, err);
    return r;
}

/* --- values --- */

static bool take_unit(const char **text, int64_t *ret_ns)
{
    static const struct {
        const char *name;
        int64_t ns;
    } units[] = {
        {"ns", 1},       {"us", 1000},      {"\xc2\xb5s", 1000},      {"\xce\xbcs", 1000},
        {"ms", 1000000}, {"s", 1000000000}, {"m", 60LL * 1000000000}, {"h", 3600LL * 1000000000},
    };
    size_t n = 0;
    while ((*text)[n] && (*text)[n] != '.' && !wcow_text_is_digit((unsigned char)(*text)[n]))
        n++;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strlen(units[i].name) == n && memcmp(*text, units[i].name, n) == 0) {
            *text += n;
            *ret_ns = units[i].ns;
            return true;
        }
    }
    return false;
}

/* A decimal number, digits before or behind the point. */
static bool take_decimal(const char **text, double *ret)
{
    double value = 0;
    double scale = 1;
    bool digits = false;
    bool fraction = false;
    for (;; (*text)++) {
        char c = **text;
        if (c == '.' && !fraction) {
            fraction = true;
            continue;
        }
        if (!wcow_text_is_digit((unsigned char)c))
            break;
        digits = true;
        scale = fraction ? scale / 10 : scale;
        value = fraction ? value + scale * (c - '0') : value * 10 + (c - '0');
    }
    *ret = value;
    return digits;
}

int wcow_parse_duration(const char *text, int64_t *ret_ns, struct wcow_error *err)
{
    const char *c = text;
    bool negative = *c == '-';
    if (*c == '-' || *c == '+')
        c++;
    if (strcmp(c, "0") == 0) {
        *ret_ns = 0;
        return WCOW_OK;
    }
    double total = 0;
    bool good = *c != '\0';
    while (good && *c) {
        double value = 0;
        int64_t unit = 0;
        good = take_decimal(&c, &value) && take_unit(&c, &unit);
        total += value * (double)unit;
    }
    if (!good)
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "invalid duration '%s': write a number with a unit, as in 30s, 1m30s or "
                         "500ms",
                         text);
    if (total >= 9.2e18)
        return WCOW_FAIL(err, WCOW_E_INVALID, "invalid duration '%s': it is too long", text);
    int64_t ns = (int64_t)llround(total);
    *ret_ns = negative ? -ns : ns;
    return WCOW_OK;
}

int wcow_parse_size(const char *text, int64_t *ret_bytes, struct wcow_error *err)
{
    static const char suffixes[] = "kmgtp";
    const char *c = text;
    double value = 0;
    bool good = take_decimal(&c, &value);
    while (*c == ' ')
        c++;
    const char *suffix = *c ? strchr(suffixes, wcow_text_lower(*c)) : NULL;
    if (suffix) {
        value = ldexp(value, 10 * (int)(suffix - suffixes + 1));
        c++;
        if (wcow_text_lower(*c) == 'i' && wcow_text_lower(c[1]) == 'b')
            c++;
    }
    if (wcow_text_lower(*c) == 'b')
        c++;
    if (!good || *c || value >= 9.2e18)
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "invalid size '%s': write a number of bytes, or one with k, m, g or t",
                         text);
    *ret_bytes = (int64_t)value;
    return WCOW_OK;
}

bool wcow_parse_bool(const char *text, bool *ret)
{
    static const char *const words[] = {"1", "t", "T", "TRUE",  "true",  "True",
                                        "0", "f", "F", "FALSE", "false", "False"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(text, words[i]) == 0) {
            *ret = i < 6;
            return true;
        }
    }
    return false;
}
