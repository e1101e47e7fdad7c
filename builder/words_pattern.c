/* SPDX-License-Identifier: Apache-2.0 */
/* Matches are found by one pass over value x pattern: for each place of the value, how far a match
 * that starts there can reach. Hostile patterns cost no more than friendly ones. */
#include "builder/words_pattern.h"

#include <stdint.h>
#include <string.h>

#include "builder/words_text.h"

enum token_kind { TOKEN_CHAR, TOKEN_ANY, TOKEN_STAR };

struct token {
    enum token_kind kind;
    uint32_t c;
};

/* Where the value's characters start: offsets[count] is its length. */
struct text {
    uint32_t *chars;
    size_t *offsets;
    size_t count;
};

enum { MAX_STEPS = 64 << 20 }; /* characters of a pattern times those of a value */

static const size_t no_match = SIZE_MAX;

static void text_done(struct text *text)
{
    free(text->chars);
    free(text->offsets);
}

static int text_init(struct text *ret, const char *value, struct wcow_error *err)
{
    size_t len = strlen(value);
    ret->chars = calloc(len + 1, sizeof *ret->chars);
    ret->offsets = calloc(len + 1, sizeof *ret->offsets);
    if (!ret->chars || !ret->offsets)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory matching a pattern");
    size_t pos = 0;
    while (pos < len) {
        ret->offsets[ret->count] = pos;
        pos += wcow_text_decode(value + pos, len - pos, &ret->chars[ret->count]);
        ret->count++;
    }
    ret->offsets[ret->count] = len;
    return WCOW_OK;
}

/* One token of the pattern, which is @p len bytes long; *pos moves behind it. */
static int next_token(const struct wcow_words_pattern *p, size_t len, size_t *pos,
                      struct token *ret, struct wcow_error *err)
{
    const char *text = p->text;
    *pos += wcow_text_decode(text + *pos, len - *pos, &ret->c);
    ret->kind = TOKEN_CHAR;
    if (ret->c == '*')
        ret->kind = TOKEN_STAR;
    else if (ret->c == '?')
        ret->kind = TOKEN_ANY;
    if (ret->c != (unsigned char)p->escape)
        return WCOW_OK;
    /* '}' and '/' are escaped for the sake of ${…} alone */
    char next = text[*pos];
    if (next == '\0' || (!strchr("*?}/", next) && next != p->escape))
        return WCOW_FAIL(
            err, WCOW_E_INVALID,
            "invalid escape '%c%c' in the pattern '%s' of a substitution: only %c* %c? "
            "%c/ %c} and %c%c are known",
            p->escape, next ? next : ' ', text, p->escape, p->escape, p->escape, p->escape,
            p->escape, p->escape);
    ret->c = (unsigned char)next;
    (*pos)++;
    return WCOW_OK;
}

static int compile(const struct wcow_words_pattern *p, struct token **ret, size_t *ret_count,
                   struct wcow_error *err)
{
    size_t len = strlen(p->text);
    wcow_autofree struct token *tokens = calloc(len + 1, sizeof *tokens);
    if (!tokens)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory matching a pattern");
    size_t count = 0;
    for (size_t pos = 0; pos < len;) {
        int r = next_token(p, len, &pos, &tokens[count], err);
        if (r != WCOW_OK)
            return r;
        count++;
    }
    *ret = WCOW_TAKE_PTR(tokens);
    *ret_count = count;
    return WCOW_OK;
}

static size_t better(size_t a, size_t b, bool longest)
{
    if (a == no_match)
        return b;
    if (b == no_match)
        return a;
    return longest == (a > b) ? a : b;
}

static bool token_takes(const struct token *token, uint32_t c)
{
    return token->kind == TOKEN_CHAR ? token->c == c : c != '\n';
}

/* ends[i]: where the shortest or longest match that starts at i ends. Built from the pattern's last
 * token to its first; each round knows how the rest of the pattern matches from each place. */
static int find_ends(const struct wcow_words_pattern *p, const struct text *text, bool longest,
                     size_t **ret, struct wcow_error *err)
{
    wcow_autofree struct token *tokens = NULL;
    size_t count = 0;
    int r = compile(p, &tokens, &count, err);
    if (r != WCOW_OK)
        return r;
    if (count > MAX_STEPS / (text->count + 1))
        return WCOW_FAIL(err, WCOW_E_LIMIT,
                         "a pattern of %zu characters on a value of %zu takes too long; use a "
                         "shorter one",
                         count, text->count);
    wcow_autofree size_t *ends = calloc(text->count + 1, sizeof *ends);
    if (!ends)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory matching a pattern");
    for (size_t i = 0; i <= text->count; i++)
        ends[i] = i;
    for (size_t t = count; t-- > 0;) {
        const struct token *token = &tokens[t];
        if (token->kind == TOKEN_STAR) {
            for (size_t i = text->count; i-- > 0;) {
                if (token_takes(token, text->chars[i]))
                    ends[i] = better(ends[i], ends[i + 1], longest);
            }
            continue;
        }
        for (size_t i = 0; i < text->count; i++)
            ends[i] = token_takes(token, text->chars[i]) ? ends[i + 1] : no_match;
        ends[text->count] = no_match;
    }
    *ret = WCOW_TAKE_PTR(ends);
    return WCOW_OK;
}

int wcow_words_cut_prefix(const struct wcow_words_pattern *pattern, const char *value, bool longest,
                          struct wcow_buf *out, struct wcow_error *err)
{
    WCOW_CLEANUP(text_done) struct text text = {0};
    wcow_autofree size_t *ends = NULL;
    int r = text_init(&text, value, err);
    if (r == WCOW_OK)
        r = find_ends(pattern, &text, longest, &ends, err);
    if (r != WCOW_OK)
        return r;
    size_t cut = ends[0] == no_match ? 0 : text.offsets[ends[0]];
    return wcow_buf_add_str(out, value + cut, err);
}

/* Where the suffix to cut starts: of the places whose longest match is the whole rest, the last
 * (shortest suffix) or first. A match of the rest that is not the longest cannot exist: nothing is
 * longer. */
static size_t suffix_start(const struct text *text, const size_t *ends, bool longest)
{
    if (longest) {
        for (size_t i = 0; i <= text->count; i++) {
            if (ends[i] == text->count)
                return i;
        }
        return text->count;
    }
    for (size_t i = text->count + 1; i-- > 0;) {
        if (ends[i] == text->count)
            return i;
    }
    return text->count;
}

int wcow_words_cut_suffix(const struct wcow_words_pattern *pattern, const char *value, bool longest,
                          struct wcow_buf *out, struct wcow_error *err)
{
    WCOW_CLEANUP(text_done) struct text text = {0};
    wcow_autofree size_t *ends = NULL;
    int r = text_init(&text, value, err);
    if (r == WCOW_OK)
        r = find_ends(pattern, &text, true, &ends, err);
    if (r != WCOW_OK)
        return r;
    return wcow_buf_add(out, value, text.offsets[suffix_start(&text, ends, longest)], err);
}

/* The value's bytes from character @p from to character @p to. */
static int add_chars(struct wcow_buf *out, const char *value, const struct text *text, size_t from,
                     size_t to, struct wcow_error *err)
{
    return wcow_buf_add(out, value + text->offsets[from], text->offsets[to] - text->offsets[from],
                        err);
}

int wcow_words_replace(const struct wcow_words_pattern *pattern, const char *value,
                       const char *replacement, bool all, struct wcow_buf *out,
                       struct wcow_error *err)
{
    WCOW_CLEANUP(text_done) struct text text = {0};
    wcow_autofree size_t *ends = NULL;
    int r = text_init(&text, value, err);
    if (r == WCOW_OK)
        r = find_ends(pattern, &text, true, &ends, err);
    if (r != WCOW_OK)
        return r;
    size_t done = 0; /* copied up to here */
    bool replaced = false;
    for (size_t i = 0; i <= text.count && (all || !replaced) && r == WCOW_OK;) {
        size_t end = ends[i];
        bool empty_after_match = replaced && end == i && i == done && i > 0;
        if (end == no_match || empty_after_match) {
            i++;
            continue;
        }
        r = add_chars(out, value, &text, done, i, err);
        if (r == WCOW_OK)
            r = wcow_buf_add_str(out, replacement, err);
        replaced = true;
        done = end;
        i = end > i ? end : i + 1;
    }
    return r == WCOW_OK ? add_chars(out, value, &text, done, text.count, err) : r;
}
