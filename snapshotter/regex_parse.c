/* SPDX-License-Identifier: Apache-2.0 */
/* From an expression to its tree, by recursive descent:
 * any = all {"|" all};  all = {item [repeat]};  item = set | place | "(" any ")" */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf.h"
#include "snapshotter/regex_internal.h"

enum { MAX_DEPTH = 100 };

struct flags {
    bool ignore_case; /* i */
    bool lines;       /* m: ^ and $ at each line */
    bool dot_is_all;  /* s */
};

struct parser {
    struct wcow_regex_tree *tree;
    const char *re; /* what is left */
    struct flags flags;
    bool in_quote; /* behind \Q */
    unsigned depth;
};

static int refuse(const char *what, struct wcow_error *err)
{
    return WCOW_FAIL(err, WCOW_E_INVALID, "the expression has %s", what);
}

/* The pool is as large as an expression can make it: no byte makes more than the two of a "(", and
 * two are for the whole. */
static struct wcow_regex_node *new_node(struct parser *p, enum wcow_regex_kind kind)
{
    struct wcow_regex_node *node = &p->tree->nodes[p->tree->n_nodes++];
    *node = (struct wcow_regex_node){.kind = kind, .n_repeats = 1};
    return node;
}

static void add_child(struct wcow_regex_node *node, struct wcow_regex_node ***last,
                      struct wcow_regex_node *child)
{
    **last = child;
    *last = &child->next;
    if (child->n_repeats > node->n_repeats)
        node->n_repeats = child->n_repeats;
}

static struct wcow_regex_node *new_place(struct parser *p, enum wcow_regex_place place)
{
    struct wcow_regex_node *node = new_node(p, WCOW_REGEX_HERE);
    node->place = place;
    return node;
}

/* A set whose ranges were added from @p first on. */
static int new_set(struct parser *p, size_t first, bool negate, struct wcow_regex_node **ret,
                   struct wcow_error *err)
{
    struct wcow_regex_ranges *ranges = &p->tree->ranges;
    int r = wcow_regex_finish_set(ranges, first, p->flags.ignore_case, negate, err);
    if (r < 0)
        return r;
    struct wcow_regex_node *node = new_node(p, WCOW_REGEX_SET);
    node->first_range = first;
    node->n_ranges = ranges->n - first;
    *ret = node;
    return WCOW_OK;
}

static int new_literal(struct parser *p, uint32_t c, struct wcow_regex_node **ret,
                       struct wcow_error *err)
{
    size_t first = p->tree->ranges.n;
    int r = wcow_regex_add_range(&p->tree->ranges, c, c, err);
    return r < 0 ? r : new_set(p, first, false, ret, err);
}

static uint32_t next_code_point(struct parser *p)
{
    uint32_t c = 0;
    size_t len = wcow_wtf8_decode(p->re, strlen(p->re), &c);
    p->re += len ? len : 1;
    return c;
}

/* ---- escapes ---- */

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Up to @p max digits. */
static uint32_t read_digits(struct parser *p, int base, size_t max, size_t *ret_n)
{
    uint32_t value = 0;
    size_t n = 0;
    for (; n < max; n++) {
        int digit = digit_of(p->re[n]);
        if (digit < 0 || digit >= base)
            break;
        value = value * (uint32_t)base + (uint32_t)digit;
    }
    p->re += n;
    *ret_n = n;
    return value;
}

/* Behind "\x": two digits, or any number in braces. */
static int read_hex(struct parser *p, uint32_t *ret, struct wcow_error *err)
{
    bool in_braces = *p->re == '{';
    size_t n = 0;
    p->re += in_braces;
    *ret = read_digits(p, 16, in_braces ? 7 : 2, &n);
    bool ok = in_braces ? n > 0 && *p->re == '}' && *ret <= 0x10ffff : n == 2;
    if (!ok)
        return refuse("a \\x without its two digits, or a code point in { }", err);
    p->re += in_braces;
    return WCOW_OK;
}

/* Behind a backslash: one code point. */
static int read_escape(struct parser *p, uint32_t *ret, struct wcow_error *err)
{
    static const char letters[] = "afnrtv";
    static const char meanings[] = "\a\f\n\r\t\v";
    char c = *p->re;
    const char *letter = c ? strchr(letters, c) : NULL;
    size_t n = 0;
    if (c == '\0')
        return refuse("a backslash at its end", err);
    if (letter) {
        p->re++;
        *ret = (unsigned char)meanings[letter - letters];
        return WCOW_OK;
    }
    if (c == 'x') {
        p->re++;
        return read_hex(p, ret, err);
    }
    bool is_octal = c == '0' || (c >= '1' && c <= '7' && p->re[1] >= '0' && p->re[1] <= '7');
    if (is_octal) {
        *ret = read_digits(p, 8, 3, &n);
        return WCOW_OK;
    }
    if ((unsigned char)c >= 0x80 || isalnum((unsigned char)c))
        return WCOW_FAIL(err, WCOW_E_INVALID, "the expression has an unknown escape: \\%.1s",
                         (unsigned char)c < 0x80 ? p->re : "?");
    *ret = (unsigned char)c;
    p->re++;
    return WCOW_OK;
}

/* Behind a backslash, outside of [ ]. */
static int parse_escape(struct parser *p, struct wcow_regex_node **ret, struct wcow_error *err)
{
    static const char letters[] = "AzbB";
    static const enum wcow_regex_place places[] = {WCOW_REGEX_TEXT_BEGIN, WCOW_REGEX_TEXT_END,
                                                   WCOW_REGEX_WORD_EDGE, WCOW_REGEX_NO_WORD_EDGE};
    const char *letter = *p->re ? strchr(letters, *p->re) : NULL;
    size_t first = p->tree->ranges.n;
    bool is_class = false;
    uint32_t c = 0;
    if (letter) {
        p->re++;
        *ret = new_place(p, places[letter - letters]);
        return WCOW_OK;
    }
    if (*p->re == 'p' || *p->re == 'P')
        return refuse("a Unicode class (\\p), which filters here don't know", err);
    int r =
        wcow_regex_add_perl_class(&p->tree->ranges, *p->re, p->flags.ignore_case, &is_class, err);
    if (r == WCOW_OK && is_class) {
        p->re++;
        return new_set(p, first, false, ret, err);
    }
    if (r == WCOW_OK)
        r = read_escape(p, &c, err);
    return r < 0 ? r : new_literal(p, c, ret, err);
}

/* ---- [ ] ---- */

static int read_set_char(struct parser *p, uint32_t *ret, struct wcow_error *err)
{
    if (*p->re == '\0')
        return refuse("a [ without its ]", err);
    if (*p->re == '\\') {
        p->re++;
        return read_escape(p, ret, err);
    }
    *ret = next_code_point(p);
    return WCOW_OK;
}

/* A class like [:alpha:] or \d within [ ]. */
static int parse_set_class(struct parser *p, bool *ret_was, struct wcow_error *err)
{
    struct wcow_regex_ranges *ranges = &p->tree->ranges;
    size_t len = 0;
    *ret_was = false;
    if (*p->re == '\\' && (p->re[1] == 'p' || p->re[1] == 'P'))
        return refuse("a Unicode class (\\p), which filters here don't know", err);
    int r = wcow_regex_add_posix_class(ranges, p->re, p->flags.ignore_case, &len, err);
    if (r == WCOW_OK && len == 0 && *p->re == '\\') {
        r = wcow_regex_add_perl_class(ranges, p->re[1], p->flags.ignore_case, ret_was, err);
        len = *ret_was ? 2 : 0;
    }
    *ret_was = len > 0;
    p->re += len;
    return r;
}

/* Behind the "[". */
static int parse_set(struct parser *p, struct wcow_regex_node **ret, struct wcow_error *err)
{
    struct wcow_regex_ranges *ranges = &p->tree->ranges;
    size_t first = ranges->n;
    bool negate = *p->re == '^';
    p->re += negate;
    for (const char *begin = p->re; *p->re != ']' || p->re == begin;) {
        bool was_class = false;
        uint32_t low = 0;
        int r = parse_set_class(p, &was_class, err);
        if (r < 0)
            return r;
        if (was_class)
            continue;
        r = read_set_char(p, &low, err);
        uint32_t high = low;
        if (r == WCOW_OK && p->re[0] == '-' && p->re[1] && p->re[1] != ']') {
            p->re++;
            r = read_set_char(p, &high, err);
        }
        if (r == WCOW_OK && high < low)
            return refuse("a range in [ ] that ends before it begins", err);
        if (r == WCOW_OK)
            r = wcow_regex_add_range(ranges, low, high, err);
        if (r < 0)
            return r;
    }
    p->re++;
    return new_set(p, first, negate, ret, err);
}

/* ---- ( ) ---- */

static int parse_any(struct parser *p, struct wcow_regex_node **ret, struct wcow_error *err);

/* "P<name>" or "<name>" behind "(?"; how long it is, 0 where it is none. */
static size_t name_length(const char *re)
{
    size_t at = *re == 'P';
    size_t n = 0;
    if (re[at++] != '<')
        return 0;
    while (isalnum((unsigned char)re[at + n]) || re[at + n] == '_')
        n++;
    return n > 0 && re[at + n] == '>' ? at + n + 1 : 0;
}

/* "i-sm" behind "(?", up to ":" or ")". */
static int parse_flags(struct parser *p, struct flags *flags, struct wcow_error *err)
{
    bool on = true;
    bool some = false;
    for (; *p->re && *p->re != ':' && *p->re != ')'; p->re++) {
        some = true;
        if (*p->re == 'i')
            flags->ignore_case = on;
        else if (*p->re == 'm')
            flags->lines = on;
        else if (*p->re == 's')
            flags->dot_is_all = on;
        else if (*p->re == '-' && on)
            some = on = false;
        else if (*p->re != 'U') /* which changes what is matched, not whether */
            return refuse("a group with unknown flags", err);
    }
    if (!*p->re || (!on && !some))
        return refuse("a group with unknown flags", err);
    return WCOW_OK;
}

/* Behind the "(". @param ret NULL for flags alone, which hold to the end of the group around */
static int parse_group(struct parser *p, struct wcow_regex_node **ret, struct wcow_error *err)
{
    struct flags outside = p->flags;
    struct flags inside = p->flags;
    int r = WCOW_OK;
    if (*p->re == '?') {
        size_t name = name_length(++p->re);
        r = name ? WCOW_OK : parse_flags(p, &inside, err);
        if (r < 0)
            return r;
        p->re += name ? name : 1;
        p->flags = inside;
        *ret = NULL;
        if (!name && p->re[-1] == ')')
            return WCOW_OK;
    }
    if (++p->depth > MAX_DEPTH)
        return refuse("groups that nest too deeply", err);
    r = parse_any(p, ret, err);
    if (r == WCOW_OK && *p->re != ')')
        return refuse("a ( without its )", err);
    p->re++;
    p->depth--;
    p->flags = outside;
    return r;
}

/* ---- repeats ---- */

static bool read_number(const char **at, uint32_t *ret)
{
    const char *start = *at;
    uint32_t value = 0;
    for (; isdigit((unsigned char)**at); (*at)++)
        value = value > WCOW_REGEX_MAX_REPEATS ? value : value * 10 + (uint32_t)(**at - '0');
    *ret = value;
    return *at > start && (*start != '0' || *at == start + 1);
}

/* "{n}", "{n,}", "{n,m}"; anything else with a brace stands for itself. @return its length or 0 */
static size_t read_bounds(const char *re, uint32_t *ret_min, uint32_t *ret_max)
{
    const char *at = re + 1;
    if (*re != '{' || !read_number(&at, ret_min))
        return 0;
    *ret_max = *ret_min;
    if (*at == ',') {
        at++;
        *ret_max = WCOW_REGEX_FOREVER;
        if (*at != '}' && !read_number(&at, ret_max))
            return 0;
    }
    return *at == '}' ? (size_t)(at + 1 - re) : 0;
}

/* @return the length of the repeat that begins here, 0 where there is none */
static size_t read_repeat(const char *re, uint32_t *ret_min, uint32_t *ret_max)
{
    *ret_min = *re == '+';
    *ret_max = *re == '?' ? 1 : WCOW_REGEX_FOREVER;
    if (*re == '*' || *re == '+' || *re == '?')
        return 1;
    return read_bounds(re, ret_min, ret_max);
}

/* What may stand behind an item. */
static int parse_repeat(struct parser *p, struct wcow_regex_node **item, struct wcow_error *err)
{
    uint32_t min = 0;
    uint32_t max = 0;
    uint32_t ignored = 0;
    if (p->in_quote && strncmp(p->re, "\\E", 2) == 0) {
        p->in_quote = false;
        p->re += 2;
    }
    size_t len = p->in_quote ? 0 : read_repeat(p->re, &min, &max);
    if (len == 0)
        return WCOW_OK;
    p->re += len;
    p->re += *p->re == '?'; /* the shortest or the longest: there is a match */
    if (read_repeat(p->re, &ignored, &ignored))
        return refuse("a repeat of a repeat", err);
    uint32_t most = max == WCOW_REGEX_FOREVER ? min : max;
    if (min > WCOW_REGEX_MAX_REPEATS || most > WCOW_REGEX_MAX_REPEATS)
        return WCOW_FAIL(err, WCOW_E_INVALID, "the expression repeats more than %d times",
                         WCOW_REGEX_MAX_REPEATS);
    if (min > max)
        return refuse("a repeat whose bounds are the wrong way round", err);
    struct wcow_regex_node *node = new_node(p, WCOW_REGEX_REPEAT);
    node->child = *item;
    node->min = min;
    node->max = max;
    node->n_repeats = (*item)->n_repeats * (most ? most : 1);
    if (node->n_repeats > WCOW_REGEX_MAX_REPEATS)
        return WCOW_FAIL(err, WCOW_E_INVALID, "the expression repeats more than %d times",
                         WCOW_REGEX_MAX_REPEATS);
    *item = node;
    return WCOW_OK;
}

/* ---- the rest ---- */

static int parse_dot(struct parser *p, struct wcow_regex_node **ret, struct wcow_error *err)
{
    size_t first = p->tree->ranges.n;
    int r = p->flags.dot_is_all ? WCOW_OK : wcow_regex_add_range(&p->tree->ranges, '\n', '\n', err);
    return r < 0 ? r : new_set(p, first, true, ret, err);
}

/* @param ret NULL where it was no item: flags, or an end of quoting */
static int parse_item(struct parser *p, struct wcow_regex_node **ret, struct wcow_error *err)
{
    uint32_t min = 0;
    uint32_t max = 0;
    *ret = NULL;
    if (p->in_quote && strncmp(p->re, "\\E", 2) != 0)
        return new_literal(p, next_code_point(p), ret, err);
    if (strncmp(p->re, "\\Q", 2) == 0 || p->in_quote) {
        p->in_quote = !p->in_quote;
        p->re += 2;
        return WCOW_OK;
    }
    if (read_repeat(p->re, &min, &max))
        return refuse("a repeat of nothing", err);
    switch (*p->re) {
    case '(':
        p->re++;
        return parse_group(p, ret, err);
    case '[':
        p->re++;
        return parse_set(p, ret, err);
    case '\\':
        p->re++;
        return parse_escape(p, ret, err);
    case '.':
        p->re++;
        return parse_dot(p, ret, err);
    case '^':
        p->re++;
        *ret = new_place(p, p->flags.lines ? WCOW_REGEX_LINE_BEGIN : WCOW_REGEX_TEXT_BEGIN);
        return WCOW_OK;
    case '$':
        p->re++;
        *ret = new_place(p, p->flags.lines ? WCOW_REGEX_LINE_END : WCOW_REGEX_TEXT_END);
        return WCOW_OK;
    default:
        return new_literal(p, next_code_point(p), ret, err);
    }
}

static int parse_all(struct parser *p, struct wcow_regex_node **ret, struct wcow_error *err)
{
    struct wcow_regex_node *node = new_node(p, WCOW_REGEX_ALL);
    struct wcow_regex_node **last = &node->child;
    while (*p->re && (p->in_quote || (*p->re != '|' && *p->re != ')'))) {
        struct wcow_regex_node *item = NULL;
        int r = parse_item(p, &item, err);
        if (r == WCOW_OK && item)
            r = parse_repeat(p, &item, err);
        if (r < 0)
            return r;
        if (item)
            add_child(node, &last, item);
    }
    *ret = node;
    return WCOW_OK;
}

static int parse_any(struct parser *p, struct wcow_regex_node **ret, struct wcow_error *err)
{
    struct wcow_regex_node *node = new_node(p, WCOW_REGEX_ANY);
    struct wcow_regex_node **last = &node->child;
    for (;;) {
        struct wcow_regex_node *branch = NULL;
        int r = parse_all(p, &branch, err);
        if (r < 0)
            return r;
        add_child(node, &last, branch);
        if (*p->re != '|')
            break;
        p->re++;
    }
    *ret = node;
    return WCOW_OK;
}

int wcow_regex_parse(const char *expression, struct wcow_regex_tree *tree, struct wcow_error *err)
{
    struct parser p = {.tree = tree, .re = expression};
    tree->nodes = calloc(2 * (strlen(expression) + 1), sizeof(*tree->nodes));
    if (!tree->nodes)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for an expression");
    int r = parse_any(&p, &tree->root, err);
    if (r == WCOW_OK && *p.re)
        return refuse("a ) without its (", err);
    return r;
}

void wcow_regex_tree_done(struct wcow_regex_tree *tree)
{
    free(tree->nodes);
    free(tree->ranges.items);
    *tree = (struct wcow_regex_tree){0};
}
