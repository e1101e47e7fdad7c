/* SPDX-License-Identifier: Apache-2.0 */
/* A pattern becomes a row of tokens; matching walks the path once and keeps the set of tokens that
 * may be next, so that no pattern takes more than pattern times path. */
#include "builder/pattern.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "builder/words_text.h"

enum {
    MAX_TOKENS = 4096,
    FEW_TOKENS = 126, /* that most patterns have no more than */
};

enum token_kind {
    TOKEN_CHAR,
    TOKEN_ONE,     /* '?': anything but '/' */
    TOKEN_SEGMENT, /* '*': any number of these */
    TOKEN_CLASS,   /* "[…]" */
    TOKEN_MAYBE,   /* what stands next is optional: "**" behind or before something … */
    TOKEN_DIRS,    /* … is any text that ends in '/' */
    TOKEN_ALL,     /* the rest, whatever it is: "**" at the end */
};

struct token {
    enum token_kind kind;
    uint32_t c;          /* TOKEN_CHAR */
    size_t class_offset; /* TOKEN_CLASS: in the text, behind the '[' */
};

/* The quick ways that patternmatcher has for patterns without other globs; their meaning differs
 * from the general way's in corners, and is kept. */
enum quick { QUICK_NONE, QUICK_EXACT, QUICK_PREFIX, QUICK_SUFFIX };

struct wcow_pattern {
    char *text;
    size_t len;
    enum quick quick;
    struct token *tokens;
    size_t count;
};

struct compiler {
    struct wcow_pattern *out;
    bool double_star; /* "**" means something */
    size_t pos;
    enum quick quick;
    struct wcow_error *err;
};

static int malformed(const struct compiler *c, const char *why)
{
    return WCOW_FAIL(c->err, WCOW_E_INVALID, "syntax error in pattern '%s': %s", c->out->text, why);
}

static int add(struct compiler *c, struct token token)
{
    struct wcow_pattern *p = c->out;
    if (p->count == MAX_TOKENS)
        return WCOW_FAIL(c->err, WCOW_E_LIMIT, "the pattern '%.60s…' is longer than %d characters",
                         p->text, MAX_TOKENS);
    p->tokens[p->count++] = token;
    return WCOW_OK;
}

static uint32_t take(const char *text, size_t len, size_t *pos)
{
    uint32_t c = 0;
    *pos += wcow_text_decode(text + *pos, len - *pos, &c);
    return c;
}

/* One character of a class, perhaps escaped; false where the class is malformed. */
static bool class_char(const char *text, size_t len, size_t *pos, uint32_t *ret)
{
    if (*pos >= len || text[*pos] == '-' || text[*pos] == ']')
        return false;
    if (text[*pos] == '\\')
        (*pos)++;
    if (*pos >= len)
        return false;
    *ret = take(text, len, pos);
    return true;
}

/* Read the class behind '[' at *pos, up to behind its ']'; *ret_matches: whether it holds @p c. */
static bool read_class(const char *text, size_t len, size_t *pos, uint32_t c, bool *ret_matches)
{
    bool negated = *pos < len && text[*pos] == '^';
    *pos += negated;
    bool matches = false;
    bool first = true;
    while (first || *pos >= len || text[*pos] != ']') {
        uint32_t low = 0;
        if (!class_char(text, len, pos, &low))
            return false;
        uint32_t high = low;
        if (*pos < len && text[*pos] == '-') {
            (*pos)++;
            if (!class_char(text, len, pos, &high))
                return false;
        }
        matches = matches || (c >= low && c <= high);
        first = false;
    }
    (*pos)++;
    *ret_matches = matches != negated;
    return true;
}

static int add_stars(struct compiler *c, bool first)
{
    const char *text = c->out->text;
    if (!c->double_star || text[c->pos] != '*') {
        c->quick = QUICK_NONE;
        return add(c, (struct token){.kind = TOKEN_SEGMENT});
    }
    c->pos++;
    if (text[c->pos] == '/')
        c->pos++;
    int r = WCOW_OK;
    if (c->pos == c->out->len) {
        c->quick = c->quick == QUICK_EXACT ? QUICK_PREFIX : QUICK_NONE;
        r = add(c, (struct token){.kind = TOKEN_ALL});
    } else {
        c->quick = QUICK_NONE;
        r = add(c, (struct token){.kind = TOKEN_MAYBE});
        if (r == WCOW_OK)
            r = add(c, (struct token){.kind = TOKEN_DIRS});
    }
    if (first)
        c->quick = QUICK_SUFFIX;
    return r;
}

static int add_class(struct compiler *c)
{
    struct token token = {.kind = TOKEN_CLASS, .class_offset = c->pos};
    bool unused = false;
    if (!read_class(c->out->text, c->out->len, &c->pos, 0, &unused))
        return malformed(c, "a [ without its ], or an empty class (write \\[ for a plain [)");
    c->quick = QUICK_NONE;
    return add(c, token);
}

static int add_next(struct compiler *c)
{
    const char *text = c->out->text;
    bool first = c->pos == 0;
    uint32_t ch = take(text, c->out->len, &c->pos);
    switch (ch) {
    case '*':
        return add_stars(c, first);
    case '?':
        c->quick = QUICK_NONE;
        return add(c, (struct token){.kind = TOKEN_ONE});
    case '[':
        return add_class(c);
    case ']':
        c->quick = QUICK_NONE;
        break;
    case '\\':
        if (c->pos == c->out->len)
            return malformed(c, "a backslash at the end escapes nothing");
        ch = take(text, c->out->len, &c->pos);
        c->quick = QUICK_NONE;
        break;
    default:
        break;
    }
    return add(c, (struct token){.kind = TOKEN_CHAR, .c = ch});
}

static int compile(const char *text, bool double_star, struct wcow_pattern **ret,
                   struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_pattern_free_p) struct wcow_pattern *p = calloc(1, sizeof *p);
    if (!p)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory reading a pattern");
    p->len = strlen(text);
    p->text = strdup(text);
    /* no character makes more than two tokens, and those that do are two characters */
    size_t room = p->len < MAX_TOKENS ? p->len + 1 : MAX_TOKENS;
    p->tokens = calloc(room, sizeof *p->tokens);
    if (!p->text || !p->tokens)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory reading a pattern");
    struct compiler c = {.out = p, .double_star = double_star, .quick = QUICK_EXACT, .err = err};
    while (c.pos < p->len) {
        int r = add_next(&c);
        if (r != WCOW_OK)
            return r;
    }
    p->quick = double_star ? c.quick : QUICK_NONE;
    *ret = WCOW_TAKE_PTR(p);
    return WCOW_OK;
}

int wcow_pattern_new(const char *text, struct wcow_pattern **ret, struct wcow_error *err)
{
    return compile(text, true, ret, err);
}

void wcow_pattern_free(struct wcow_pattern *pattern)
{
    if (!pattern)
        return;
    free(pattern->text);
    free(pattern->tokens);
    free(pattern);
}

/* --- matching --- */

/* Tokens that match nothing too lead on to what stands behind them. */
static void skip_empty(const struct wcow_pattern *p, bool *set)
{
    for (size_t i = 0; i < p->count; i++) {
        if (!set[i])
            continue;
        enum token_kind kind = p->tokens[i].kind;
        if (kind == TOKEN_SEGMENT || kind == TOKEN_ALL || kind == TOKEN_MAYBE)
            set[i + 1] = true;
        if (kind == TOKEN_MAYBE)
            set[i + 2] = true;
    }
}

static bool in_class(const struct wcow_pattern *p, const struct token *token, uint32_t c)
{
    size_t pos = token->class_offset;
    bool matches = false;
    return read_class(p->text, p->len, &pos, c, &matches) && matches;
}

/* Where token @p i leads on character @p c: set in @p next. */
static bool step_token(const struct wcow_pattern *p, size_t i, uint32_t c, bool *next)
{
    const struct token *token = &p->tokens[i];
    bool stay = false;
    bool go = false;
    switch (token->kind) {
    case TOKEN_CHAR:
        go = token->c == c;
        break;
    case TOKEN_ONE:
        go = c != '/';
        break;
    case TOKEN_SEGMENT:
        stay = c != '/';
        break;
    case TOKEN_CLASS:
        go = in_class(p, token, c);
        break;
    case TOKEN_DIRS:
        stay = c != '\n';
        go = c == '/';
        break;
    case TOKEN_ALL:
        stay = c != '\n';
        break;
    case TOKEN_MAYBE:
    default:
        break;
    }
    next[i] = next[i] || stay;
    next[i + 1] = next[i + 1] || go;
    return stay || go;
}

/* @p sets has room for two sets of tokens. */
static bool run_in(const struct wcow_pattern *p, const char *path, size_t len, bool *sets)
{
    bool *now = sets;
    bool *next = sets + p->count + 2;
    memset(now, 0, p->count + 2);
    now[0] = true;
    skip_empty(p, now);
    for (size_t pos = 0; pos < len;) {
        uint32_t c = take(path, len, &pos);
        bool alive = false;
        memset(next, 0, p->count + 2);
        for (size_t i = 0; i < p->count; i++)
            alive = (now[i] && step_token(p, i, c, next)) || alive;
        if (!alive)
            return false;
        skip_empty(p, next);
        bool *swap = now;
        now = next;
        next = swap;
    }
    return now[p->count];
}

static bool run_long(const struct wcow_pattern *p, const char *path, size_t len)
{
    bool sets[2 * (MAX_TOKENS + 2)];
    return run_in(p, path, len, sets);
}

/* Room is cleared by the compiler, whether it is used or not: that of the longest pattern would be
 * felt with each file. */
static bool run(const struct wcow_pattern *p, const char *path, size_t len)
{
    bool sets[2 * (FEW_TOKENS + 2)];
    return p->count > FEW_TOKENS ? run_long(p, path, len) : run_in(p, path, len, sets);
}

static bool ends_with(const char *path, size_t len, const char *suffix, size_t suffix_len)
{
    return len >= suffix_len && memcmp(path + len - suffix_len, suffix, suffix_len) == 0;
}

bool wcow_pattern_matches(const struct wcow_pattern *pattern, const char *path, size_t len)
{
    const char *text = pattern->text;
    size_t text_len = pattern->len;
    switch (pattern->quick) {
    case QUICK_EXACT:
        return len == text_len && memcmp(path, text, len) == 0;
    case QUICK_PREFIX:
        return len >= text_len - 2 && memcmp(path, text, text_len - 2) == 0;
    case QUICK_SUFFIX:
        text += 2;
        text_len -= 2;
        if (ends_with(path, len, text, text_len))
            return true;
        return text_len > 0 && text[0] == '/' && len == text_len - 1 &&
               memcmp(path, text + 1, len) == 0;
    case QUICK_NONE:
    default:
        return run(pattern, path, len);
    }
}

int wcow_pattern_glob(const char *pattern, const char *name, bool *ret_matches,
                      struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_pattern_free_p) struct wcow_pattern *p = NULL;
    int r = compile(pattern, false, &p, err);
    if (r == WCOW_OK)
        *ret_matches = wcow_pattern_matches(p, name, strlen(name));
    return r;
}

bool wcow_pattern_has_glob(const char *text)
{
    return strpbrk(text, "*?[\\") != NULL;
}

/* --- paths --- */

/* Drop the last component of what is written so far, but no ".." that leads out. */
static size_t step_up(char *path, size_t out, size_t root)
{
    size_t start = out;
    while (start > root && path[start - 1] != '/')
        start--;
    bool is_up = out - start == 2 && path[start] == '.' && path[start + 1] == '.';
    if (out == root || is_up) {
        if (root == 1)
            return out;
        if (out > 0)
            path[out++] = '/';
        path[out++] = '.';
        path[out++] = '.';
        return out;
    }
    return start > root ? start - 1 : root;
}

void wcow_pattern_clean(char *path)
{
    size_t root = path[0] == '/' ? 1 : 0;
    size_t out = root;
    for (const char *in = path + root; *in;) {
        size_t n = strcspn(in, "/");
        if (n == 2 && in[0] == '.' && in[1] == '.') {
            out = step_up(path, out, root);
        } else if (n > 0 && !(n == 1 && in[0] == '.')) {
            if (out > root)
                path[out++] = '/';
            memmove(path + out, in, n);
            out += n;
        }
        in += n;
        while (*in == '/')
            in++;
    }
    if (out == 0)
        path[out++] = '.';
    path[out] = '\0';
}
