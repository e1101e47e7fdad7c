/* SPDX-License-Identifier: Apache-2.0 */
/* A recursive descent over one word. Each part is written to two outputs at once: the expanded
 * text, and the words that it makes when split at white space that no quote protects. */
#include "builder/words.h"

#include <string.h>

#include "builder/words_pattern.h"
#include "builder/words_text.h"

/* The word list that grows beside the text. */
struct splitter {
    struct wcow_arena *arena;
    struct wcow_strings *words; /* NULL: no words are wanted */
    struct wcow_buf current;
};

struct scan {
    const struct wcow_lexer *lexer;
    const char *text;
    size_t len;
    size_t pos;
    bool keep_escapes;
    unsigned depth;
    struct wcow_error *err;
};

static int expand_until(struct scan *s, char stop, struct wcow_buf *out, struct splitter *split);
static int expand_dollar(struct scan *s, struct wcow_buf *out);

static bool at_end(const struct scan *s)
{
    return s->pos >= s->len;
}

static char peek(const struct scan *s)
{
    if (at_end(s))
        return '\0';
    return s->text[s->pos];
}

/* The bytes of the next character; the scan moves behind it. */
static size_t take(struct scan *s, const char **ret, uint32_t *ret_char)
{
    *ret = s->text + s->pos;
    size_t n = wcow_text_decode(*ret, s->len - s->pos, ret_char);
    s->pos += n;
    return n;
}

static int end_word(struct splitter *split, struct wcow_error *err)
{
    if (split->current.len == 0)
        return WCOW_OK;
    char *word =
        wcow_arena_strndup(split->arena, (const char *)split->current.data, split->current.len);
    split->current.len = 0;
    return wcow_strings_add(split->arena, split->words, word, err);
}

/* Bytes that belong to a word whatever they are. */
static int split_raw(struct splitter *split, const char *bytes, size_t len, struct wcow_error *err)
{
    return split->words ? wcow_buf_add(&split->current, bytes, len, err) : WCOW_OK;
}

/* Text that white space cuts into words. */
static int split_text(struct splitter *split, const char *bytes, size_t len, struct wcow_error *err)
{
    int r = WCOW_OK;
    for (size_t pos = 0; split->words && pos < len && r == WCOW_OK;) {
        uint32_t c = 0;
        size_t n = wcow_text_decode(bytes + pos, len - pos, &c);
        r = wcow_text_is_space(c) ? end_word(split, err)
                                  : wcow_buf_add(&split->current, bytes + pos, n, err);
        pos += n;
    }
    return r;
}

static int single_quoted(struct scan *s, struct wcow_buf *out)
{
    size_t start = s->pos++;
    const char *end = memchr(s->text + s->pos, '\'', s->len - s->pos);
    if (!end)
        return WCOW_FAIL(s->err, WCOW_E_INVALID,
                         "a single quote has no end: expected another ' before the end of %s",
                         s->text);
    s->pos = (size_t)(end - s->text) + 1;
    return s->lexer->keep_quotes
               ? wcow_buf_add(out, s->text + start, s->pos - start, s->err)
               : wcow_buf_add(out, s->text + start + 1, s->pos - start - 2, s->err);
}

/* The escape character within double quotes: it escapes '"', '$' and itself; else it stands for
 * itself. */
static int double_quoted_escape(struct scan *s, struct wcow_buf *out)
{
    const char *c = s->text + s->pos++;
    int r = s->keep_escapes ? wcow_buf_add(out, c, 1, s->err) : WCOW_OK;
    if (r != WCOW_OK || at_end(s))
        return r;
    if (peek(s) == '"' || peek(s) == '$' || peek(s) == s->lexer->escape)
        c = s->text + s->pos++;
    return wcow_buf_add(out, c, 1, s->err);
}

static int double_quoted(struct scan *s, struct wcow_buf *out)
{
    int r = s->lexer->keep_quotes ? wcow_buf_add(out, "\"", 1, s->err) : WCOW_OK;
    s->pos++;
    while (r == WCOW_OK && !at_end(s) && peek(s) != '"') {
        if (peek(s) == '$')
            r = expand_dollar(s, out);
        else if (peek(s) == s->lexer->escape)
            r = double_quoted_escape(s, out);
        else
            r = wcow_buf_add(out, s->text + s->pos++, 1, s->err);
    }
    if (r != WCOW_OK)
        return r;
    if (at_end(s))
        return WCOW_FAIL(s->err, WCOW_E_INVALID,
                         "a double quote has no end: expected another \" before the end of %s",
                         s->text);
    s->pos++;
    return s->lexer->keep_quotes ? wcow_buf_add(out, "\"", 1, s->err) : WCOW_OK;
}

static bool is_special_parameter(char c)
{
    return c != '\0' && strchr("@*#?-$!0", c) != NULL;
}

static bool is_name_part(const struct scan *s, size_t *ret_len)
{
    uint32_t c = 0;
    *ret_len = wcow_text_decode(s->text + s->pos, s->len - s->pos, &c);
    return c == '_' || wcow_text_is_letter(c) || wcow_text_is_digit(c);
}

/* A variable's name: letters, digits and '_'; or digits alone; or one special character; or
 * nothing. */
static int take_name(struct scan *s, struct wcow_buf *out)
{
    size_t start = s->pos;
    size_t n = 0;
    if (wcow_text_is_digit((unsigned char)peek(s))) {
        while (wcow_text_is_digit((unsigned char)peek(s)))
            s->pos++;
    } else if (is_special_parameter(peek(s))) {
        s->pos++;
    } else {
        while (!at_end(s) && is_name_part(s, &n))
            s->pos += n;
    }
    return wcow_buf_add(out, s->text + start, s->pos - start, s->err);
}

static const char *look_up(struct scan *s, const char *name)
{
    const struct wcow_lexer *lexer = s->lexer;
    const char *value = lexer->env.get ? lexer->env.get(lexer->env.ctx, name) : NULL;
    if (lexer->on_variable)
        lexer->on_variable(lexer->on_variable_ctx, name, value != NULL);
    return value;
}

static const char *buf_str(const struct wcow_buf *buf)
{
    return buf->data ? (const char *)buf->data : "";
}

/* The word within ${name:-word}, up to `stop`. */
static int nested_word(struct scan *s, char stop, bool keep_escapes, struct wcow_buf *out)
{
    struct splitter none = {0};
    bool outer = s->keep_escapes;
    s->keep_escapes = keep_escapes;
    int r = expand_until(s, stop, out, &none);
    s->keep_escapes = outer;
    return r;
}

struct substitution {
    const char *name;
    const char *value; /* NULL: unset */
    bool colon;        /* an empty value counts as unset */
    char op;
};

static int fail_unset(struct scan *s, const struct substitution *sub, const char *message)
{
    const char *what = sub->value ? "is not allowed to be empty" : "is not allowed to be unset";
    return WCOW_FAIL(s->err, WCOW_E_INVALID, "%s: %s", sub->name, *message ? message : what);
}

static int cut_pattern(struct scan *s, const struct substitution *sub, const char *word,
                       struct wcow_buf *out)
{
    bool longest = word[0] == sub->op;
    struct wcow_words_pattern pattern = {word + (longest ? 1 : 0), s->lexer->escape};
    const char *value = sub->value ? sub->value : "";
    if (sub->op == '#')
        return wcow_words_cut_prefix(&pattern, value, longest, out, s->err);
    return wcow_words_cut_suffix(&pattern, value, longest, out, s->err);
}

static int apply(struct scan *s, const struct substitution *sub, const char *word,
                 struct wcow_buf *out)
{
    bool missing = !sub->value || (sub->colon && !*sub->value);
    const char *value = sub->value ? sub->value : "";
    switch (sub->op) {
    case '-':
        return wcow_buf_add_str(out, missing ? word : value, s->err);
    case '+':
        return wcow_buf_add_str(out, missing ? "" : word, s->err);
    case '?':
        return missing ? fail_unset(s, sub, word) : wcow_buf_add_str(out, value, s->err);
    default:
        return cut_pattern(s, sub, word, out);
    }
}

static int missing_brace(struct scan *s)
{
    return WCOW_FAIL(s->err, WCOW_E_INVALID,
                     "syntax error: missing '}' in %s: close the substitution, or write %c$ for a "
                     "plain $",
                     s->text, s->lexer->escape);
}

static int bad_modifier(struct scan *s, const char *name, size_t start, size_t end)
{
    return WCOW_FAIL(
        s->err, WCOW_E_INVALID,
        "unsupported modifier (%.*s) in the substitution of '%s': known are :- - :+ + :? "
        "? # ## %% %%%% / //",
        (int)(end - start), s->text + start, name);
}

/* ${name/pattern/word} and ${name//pattern/word}; the scan stands behind the first slash. */
static int replace(struct scan *s, const char *name, struct wcow_buf *out)
{
    bool all = peek(s) == '/';
    s->pos += all;
    wcow_autobuf pattern = {.max_bytes = WCOW_WORDS_MAX_BYTES};
    wcow_autobuf replacement = {.max_bytes = WCOW_WORDS_MAX_BYTES};
    int r = nested_word(s, '/', true, &pattern);
    if (r == WCOW_OK)
        r = nested_word(s, '}', true, &replacement);
    if (r != WCOW_OK)
        return r;
    const char *value = look_up(s, name);
    if (!value && s->lexer->keep_unset)
        return wcow_buf_addf(out, s->err, "${%s/%s/%s}", name, buf_str(&pattern),
                             buf_str(&replacement));
    struct wcow_words_pattern p = {buf_str(&pattern), s->lexer->escape};
    return wcow_words_replace(&p, value ? value : "", buf_str(&replacement), all, out, s->err);
}

/* What follows the name in ${name…}; the scan stands there. */
static int modified(struct scan *s, const char *name, struct wcow_buf *out)
{
    size_t start = s->pos;
    struct substitution sub = {.name = name, .op = s->text[s->pos++]};
    if (sub.op == '/')
        return replace(s, name, out);
    if (sub.op == ':') {
        sub.colon = true;
        if (at_end(s))
            return missing_brace(s);
        sub.op = s->text[s->pos++];
    }
    bool is_pattern = sub.op == '#' || sub.op == '%';
    if (!strchr("-+?#%", sub.op) || (sub.colon && is_pattern)) {
        const char *bytes = NULL;
        uint32_t c = 0;
        s->pos--; /* the whole character, however many bytes it has */
        (void)take(s, &bytes, &c);
        return bad_modifier(s, name, start, s->pos);
    }
    wcow_autobuf word = {.max_bytes = WCOW_WORDS_MAX_BYTES};
    size_t word_start = s->pos;
    int r = nested_word(s, '}', is_pattern, &word);
    if (r != WCOW_OK)
        return r;
    sub.value = look_up(s, name);
    if (!sub.value && s->lexer->keep_unset)
        return wcow_buf_addf(out, s->err, "${%s%.*s%s}", name, (int)(word_start - start),
                             s->text + start, buf_str(&word));
    return apply(s, &sub, buf_str(&word), out);
}

/* ${…}; the scan stands behind the brace. */
static int braced(struct scan *s, struct wcow_buf *out)
{
    if (at_end(s))
        return missing_brace(s);
    if (strchr("{}:", peek(s)))
        return WCOW_FAIL(s->err, WCOW_E_INVALID,
                         "syntax error: bad substitution in %s: ${ wants a variable's name",
                         s->text);
    wcow_autobuf name = {.max_bytes = WCOW_WORDS_MAX_BYTES};
    int r = take_name(s, &name);
    if (r != WCOW_OK)
        return r;
    if (at_end(s))
        return missing_brace(s);
    if (peek(s) != '}')
        return modified(s, buf_str(&name), out);
    s->pos++;
    const char *value = look_up(s, buf_str(&name));
    if (!value && s->lexer->keep_unset)
        return wcow_buf_addf(out, s->err, "${%s}", buf_str(&name));
    return wcow_buf_add_str(out, value ? value : "", s->err);
}

static int expand_dollar(struct scan *s, struct wcow_buf *out)
{
    s->pos++;
    if (peek(s) == '{') {
        s->pos++;
        return braced(s, out);
    }
    wcow_autobuf name = {.max_bytes = WCOW_WORDS_MAX_BYTES};
    int r = take_name(s, &name);
    if (r != WCOW_OK)
        return r;
    if (name.len == 0)
        return wcow_buf_add(out, "$", 1, s->err);
    const char *value = look_up(s, buf_str(&name));
    if (!value && s->lexer->keep_unset)
        return wcow_buf_addf(out, s->err, "$%s", buf_str(&name));
    return wcow_buf_add_str(out, value ? value : "", s->err);
}

/* "<<" takes the white space behind it along, so that `<< EOF` is one word. */
static int maybe_heredoc(struct scan *s, struct wcow_buf *out)
{
    size_t start = s->pos++;
    if (peek(s) == '<') {
        s->pos++;
        while (peek(s) == '\t' || peek(s) == '\r' || peek(s) == ' ')
            s->pos++;
    }
    return wcow_buf_add(out, s->text + start, s->pos - start, s->err);
}

static int escaped(struct scan *s, struct wcow_buf *out, struct splitter *split)
{
    const char *bytes = s->text + s->pos++;
    int r = WCOW_OK;
    bool plain = s->lexer->heredoc && peek(s) != '$';
    if (s->keep_escapes || plain) {
        r = wcow_buf_add(out, bytes, 1, s->err);
        if (r == WCOW_OK)
            r = split_raw(split, bytes, 1, s->err);
    }
    if (r != WCOW_OK || at_end(s) || plain)
        return r;
    uint32_t c = 0;
    size_t n = take(s, &bytes, &c);
    r = wcow_buf_add(out, bytes, n, s->err);
    return r == WCOW_OK ? split_raw(split, bytes, n, s->err) : r;
}

static int plain(struct scan *s, struct wcow_buf *out, struct splitter *split)
{
    const char *bytes = NULL;
    uint32_t c = 0;
    size_t n = take(s, &bytes, &c);
    int r = wcow_buf_add(out, bytes, n, s->err);
    return r == WCOW_OK ? split_text(split, bytes, n, s->err) : r;
}

/* What the next character starts: a quote, a variable, an escape, or itself. */
static int expand_one(struct scan *s, struct wcow_buf *out, struct splitter *split)
{
    bool quotes = !s->lexer->plain_quotes && !s->lexer->heredoc;
    char c = peek(s);
    size_t before = out->len;
    int r = WCOW_OK;
    if (c == '$')
        r = expand_dollar(s, out);
    else if (c == '<')
        r = maybe_heredoc(s, out);
    else if (c == '\'' && quotes)
        r = single_quoted(s, out);
    else if (c == '"' && quotes)
        r = double_quoted(s, out);
    else if (c == s->lexer->escape)
        return escaped(s, out, split);
    else
        return plain(s, out, split);
    if (r != WCOW_OK || out->len == before)
        return r;
    const char *added = (const char *)out->data + before;
    return c == '$' ? split_text(split, added, out->len - before, s->err)
                    : split_raw(split, added, out->len - before, s->err);
}

/* Up to `stop`, which is taken too; '\0' means the whole. */
static int expand_until(struct scan *s, char stop, struct wcow_buf *out, struct splitter *split)
{
    if (++s->depth > WCOW_WORDS_MAX_DEPTH)
        return WCOW_FAIL(s->err, WCOW_E_LIMIT, "more than %d substitutions within one another",
                         WCOW_WORDS_MAX_DEPTH);
    int r = WCOW_OK;
    while (r == WCOW_OK && !at_end(s)) {
        if (stop != '\0' && peek(s) == stop) {
            s->pos++;
            s->depth--;
            return WCOW_OK;
        }
        r = expand_one(s, out, split);
    }
    s->depth--;
    if (r != WCOW_OK || stop == '\0')
        return r;
    if (stop == '}')
        return missing_brace(s);
    return WCOW_FAIL(s->err, WCOW_E_INVALID,
                     "syntax error: missing '/' in %s: write ${name/pattern/replacement}", s->text);
}

static int run(const struct wcow_lexer *lexer, const char *word, struct wcow_buf *out,
               struct splitter *split, struct wcow_error *err)
{
    struct scan s = {
        .lexer = lexer,
        .text = word,
        .len = strlen(word),
        .keep_escapes = lexer->keep_escapes,
        .err = err,
    };
    int r = expand_until(&s, '\0', out, split);
    if (r == WCOW_OK && split->words)
        r = end_word(split, err);
    return r;
}

int wcow_words_expand(const struct wcow_lexer *lexer, const char *word, struct wcow_arena *arena,
                      const char **ret, struct wcow_error *err)
{
    wcow_autobuf out = {.max_bytes = WCOW_WORDS_MAX_BYTES};
    struct splitter none = {0};
    int r = run(lexer, word, &out, &none, err);
    if (r != WCOW_OK)
        return r;
    const char *copy = wcow_arena_strndup(arena, buf_str(&out), out.len);
    if (!copy)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory expanding a word");
    *ret = copy;
    return WCOW_OK;
}

int wcow_words_split(const struct wcow_lexer *lexer, const char *word, struct wcow_arena *arena,
                     struct wcow_strings *ret, struct wcow_error *err)
{
    wcow_autobuf out = {.max_bytes = WCOW_WORDS_MAX_BYTES};
    struct wcow_strings words = {0};
    struct splitter split = {.arena = arena, .words = &words};
    split.current.max_bytes = WCOW_WORDS_MAX_BYTES;
    int r = run(lexer, word, &out, &split, err);
    wcow_buf_done(&split.current);
    if (r == WCOW_OK)
        *ret = words;
    return r;
}

static const char *get_from_env(const void *ctx, const char *name)
{
    return wcow_env_get(ctx, name);
}

struct wcow_lexer wcow_lexer_of(char escape, const struct wcow_env *env)
{
    return (struct wcow_lexer){
        .escape = escape,
        .env = {.get = get_from_env, .ctx = env},
    };
}
