/* SPDX-License-Identifier: Apache-2.0 */
/* The filter language: parsing and matching. */
#include "snapshotter/filter.h"

#include <string.h>

#include "base/utf.h"
#include "snapshotter/filter_internal.h"
#include "snapshotter/regex.h"

enum relation { IS_PRESENT, IS_EQUAL, IS_DIFFERENT, MATCHES };

struct selector {
    char **path;
    size_t n_path;
    enum relation relation;
    char *value;
    struct wcow_regex *regex; /* of MATCHES */
    struct selector *next;    /* and */
};

struct clause {
    struct selector *selectors; /* none: always */
    struct clause *next;        /* or */
};

struct wcow_filter {
    struct clause *clauses; /* none: everything */
};

static void free_selector(struct selector *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n_path; i++)
        free(s->path[i]);
    free(s->path);
    free(s->value);
    wcow_regex_free(s->regex);
    free(s);
}
WCOW_DEFINE_CLEANUP(struct selector, free_selector)

void wcow_filter_free(struct wcow_filter *filter)
{
    if (!filter)
        return;
    while (filter->clauses) {
        struct clause *clause = filter->clauses;
        filter->clauses = clause->next;
        while (clause->selectors) {
            struct selector *s = clause->selectors;
            clause->selectors = s->next;
            free_selector(s);
        }
        free(clause);
    }
    free(filter);
}

/* ---- parsing ---- */

static int fail_at(size_t pos, const char *what, struct wcow_error *err)
{
    return WCOW_FAIL(err, WCOW_E_INVALID, "position %zu: %s", pos, what);
}

/* The text of a word; quoted ones unquoted. Caller frees. */
static int text_of(const struct wcow_filter_scanner *s, enum wcow_filter_token token, size_t start,
                   bool any_quote, char **ret, struct wcow_error *err)
{
    wcow_autobuf text = {0};
    int r = WCOW_OK;
    if (token == WCOW_TOKEN_QUOTED) {
        if (!any_quote && s->input[start] != '"')
            return fail_at(start, "only an expression behind ~= may be quoted with / or |", err);
        r = wcow_filter_unquote(s->input + start, s->pos - start, &text, err);
    } else {
        r = wcow_buf_add(&text, s->input + start, s->pos - start, err);
    }
    if (r < 0)
        return wcow_error_wrap(r, err, "position %zu", start);
    *ret = wcow_buf_take_str(&text);
    return *ret ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a filter");
}

static int parse_part(struct wcow_filter_scanner *s, struct selector *sel, struct wcow_error *err)
{
    size_t start = 0;
    enum wcow_filter_token token = wcow_filter_scan(s, &start);
    if (token == WCOW_TOKEN_END)
        return fail_at(start, "the filter ends where a field's name should be", err);
    if (token != WCOW_TOKEN_FIELD && token != WCOW_TOKEN_QUOTED)
        return fail_at(start, "expected a field's name or a quoted one", err);
    char **longer = reallocarray(sel->path, sel->n_path + 1, sizeof(*longer));
    if (!longer)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a filter");
    sel->path = longer;
    int r = text_of(s, token, start, false, &sel->path[sel->n_path], err);
    if (r == WCOW_OK)
        sel->n_path++;
    return r;
}

static int parse_operator(struct wcow_filter_scanner *s, enum relation *ret, struct wcow_error *err)
{
    static const struct {
        const char *text;
        enum relation relation;
    } known[] = {{"==", IS_EQUAL}, {"!=", IS_DIFFERENT}, {"~=", MATCHES}};
    size_t start = 0;
    if (wcow_filter_scan(s, &start) != WCOW_TOKEN_OPERATOR)
        return fail_at(start, "expected an operator: ==, != or ~=", err);
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (s->pos - start == 2 && strncmp(s->input + start, known[i].text, 2) == 0) {
            *ret = known[i].relation;
            return WCOW_OK;
        }
    }
    return fail_at(start, "unknown operator: ==, != and ~= are known", err);
}

static int parse_value(struct wcow_filter_scanner *s, struct selector *sel, struct wcow_error *err)
{
    size_t start = 0;
    enum wcow_filter_token token = wcow_filter_scan(s, &start);
    if (token == WCOW_TOKEN_END)
        return fail_at(start, "the filter ends where a value should be", err);
    if (token != WCOW_TOKEN_VALUE && token != WCOW_TOKEN_QUOTED)
        return fail_at(start, "expected a value or a quoted one", err);
    int r = text_of(s, token, start, sel->relation == MATCHES, &sel->value, err);
    if (r < 0 || sel->relation != MATCHES)
        return r;
    r = wcow_regex_compile(sel->value, &sel->regex, err);
    return r < 0 ? wcow_error_wrap(r, err, "position %zu", start) : WCOW_OK;
}

static int parse_selector(struct wcow_filter_scanner *s, struct selector **ret,
                          struct wcow_error *err)
{
    WCOW_CLEANUP(free_selector_p) struct selector *sel = calloc(1, sizeof(*sel));
    if (!sel)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a filter");
    int r = parse_part(s, sel, err);
    while (r == WCOW_OK && s->input[s->pos] == '.') {
        s->pos++;
        r = parse_part(s, sel, err);
    }
    char next = s->input[s->pos];
    if (r == WCOW_OK && next != ',' && next != '\0') {
        r = parse_operator(s, &sel->relation, err);
        if (r == WCOW_OK)
            r = parse_value(s, sel, err);
    }
    if (r == WCOW_OK)
        *ret = WCOW_TAKE_PTR(sel);
    return r;
}

static int parse_clause(const char *text, struct clause *clause, struct wcow_error *err)
{
    struct wcow_filter_scanner s = {.input = text};
    struct selector **last = &clause->selectors;
    if (!*text)
        return WCOW_OK;
    for (;;) {
        struct selector *next = NULL;
        int r = parse_selector(&s, &next, err);
        if (r != WCOW_OK || !next)
            return r;
        *last = next;
        last = &next->next;
        if (text[s.pos] == '\0')
            return WCOW_OK;
        if (text[s.pos] != ',')
            return fail_at(s.pos, "unexpected input where a comma or the end should be", err);
        s.pos++;
    }
}

static int check_texts(const char *const *texts, size_t n, struct wcow_error *err)
{
    size_t total = 0;
    if (n > WCOW_FILTERS_MAX)
        return WCOW_FAIL(err, WCOW_E_INVALID, "there are %zu filters; at most %d are allowed", n,
                         WCOW_FILTERS_MAX);
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(texts[i]);
        total += len;
        if (len > WCOW_FILTER_MAX_BYTES)
            return WCOW_FAIL(err, WCOW_E_INVALID, "a filter is longer than %d bytes",
                             WCOW_FILTER_MAX_BYTES);
        if (!wcow_utf8_is_valid(texts[i], len))
            return WCOW_FAIL(err, WCOW_E_INVALID, "a filter is not valid UTF-8");
    }
    if (total > WCOW_FILTERS_MAX_BYTES)
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "the filters have %zu bytes together; at most %d are allowed", total,
                         WCOW_FILTERS_MAX_BYTES);
    return WCOW_OK;
}

int wcow_filter_parse(const char *const *texts, size_t n, struct wcow_filter **ret,
                      struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_filter_free_p) struct wcow_filter *filter = calloc(1, sizeof(*filter));
    if (!filter)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a filter");
    int r = check_texts(texts, n, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < n; i++) {
        struct clause *clause = calloc(1, sizeof(*clause));
        if (!clause)
            return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a filter");
        clause->next = filter->clauses;
        filter->clauses = clause;
        r = parse_clause(texts[i], clause, err);
        if (r < 0)
            return wcow_error_wrap(r, err, "filter `%.150s`", texts[i]);
    }
    *ret = WCOW_TAKE_PTR(filter);
    return WCOW_OK;
}

/* ---- matching ---- */

static int match_selector(const struct selector *s, wcow_filter_field field, const void *object,
                          bool *ret, struct wcow_error *err)
{
    const char *value = "";
    bool present = field(object, (const char *const *)s->path, s->n_path, &value) > 0;
    const char *text = present ? value : "";
    switch (s->relation) {
    case IS_PRESENT:
        *ret = present;
        break;
    case IS_EQUAL:
        *ret = present && strcmp(value, s->value) == 0;
        break;
    case IS_DIFFERENT:
        *ret = strcmp(text, s->value) != 0;
        break;
    case MATCHES:
        return wcow_regex_match(s->regex, text, ret, err);
    }
    return WCOW_OK;
}

static int match_clause(const struct clause *clause, wcow_filter_field field, const void *object,
                        bool *ret, struct wcow_error *err)
{
    bool matches = true;
    int r = WCOW_OK;
    for (const struct selector *s = clause->selectors; s && matches && r == WCOW_OK; s = s->next)
        r = match_selector(s, field, object, &matches, err);
    if (r == WCOW_OK)
        *ret = matches;
    return r;
}

int wcow_filter_match(const struct wcow_filter *filter, wcow_filter_field field, const void *object,
                      bool *ret, struct wcow_error *err)
{
    bool matches = !filter->clauses;
    int r = WCOW_OK;
    for (const struct clause *c = filter->clauses; c && !matches && r == WCOW_OK; c = c->next)
        r = match_clause(c, field, object, &matches, err);
    if (r == WCOW_OK)
        *ret = matches;
    return r;
}
