/* SPDX-License-Identifier: Apache-2.0 */
#include "image/challenge.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

void wcow_challenge_done(struct wcow_challenge *c)
{
    free(c->realm);
    free(c->service);
    free(c->scope);
    *c = (struct wcow_challenge){0};
}

/* RFC 9110 section 5.6.2, and '/', '=' and '+' so that a token68 passes as one word. */
static size_t token_len(const char *s)
{
    size_t n = 0;
    while (s[n] && (isalnum((unsigned char)s[n]) || strchr("!#$%&'*+-.^_`|~/", s[n])))
        n++;
    return n;
}

static const char *skip_space(const char *s)
{
    return s + strspn(s, " \t");
}

/* A token or quoted string at *s; NULL in *ret when memory is out. */
static bool read_value(const char **s, char **ret)
{
    const char *p = *s;
    if (*p != '"') {
        size_t n = token_len(p);
        *ret = strndup(p, n);
        *s = p + n;
        return *ret != NULL;
    }
    char *text = malloc(strlen(p));
    size_t len = 0;
    if (!text)
        return false;
    for (p++; *p && *p != '"'; p++) {
        if (*p == '\\' && p[1])
            p++;
        text[len++] = *p;
    }
    text[len] = '\0';
    *s = *p ? p + 1 : p;
    *ret = text;
    return true;
}

static char **field_of(struct wcow_challenge *c, const char *name, size_t len)
{
    if (len == 5 && strncasecmp(name, "realm", len) == 0)
        return &c->realm;
    if (len == 7 && strncasecmp(name, "service", len) == 0)
        return &c->service;
    if (len == 5 && strncasecmp(name, "scope", len) == 0)
        return &c->scope;
    return NULL;
}

/* "name=value", …, up to the next scheme: a word that no '=' follows. False when memory is out. */
static bool read_params(const char **text, struct wcow_challenge *c)
{
    const char *s = *text;
    for (;;) {
        s += strspn(s, " \t,");
        size_t len = token_len(s);
        const char *after = skip_space(s + len);
        if (!len || *after != '=') {
            *text = s;
            return true;
        }
        const char *name = s;
        s = skip_space(after + 1);
        char *value = NULL;
        if (!read_value(&s, &value))
            return false;
        char **field = field_of(c, name, len);
        if (field && !*field)
            *field = value;
        else
            free(value);
    }
}

static enum wcow_challenge_scheme scheme_of(const char *name, size_t len)
{
    if (len == 5 && strncasecmp(name, "basic", len) == 0)
        return WCOW_CHALLENGE_BASIC;
    if (len == 6 && strncasecmp(name, "bearer", len) == 0)
        return WCOW_CHALLENGE_BEARER;
    return WCOW_CHALLENGE_NONE;
}

static bool read_header(const char *s, struct wcow_challenge *best)
{
    for (;;) {
        s += strspn(s, " \t,=");
        size_t len = token_len(s);
        if (!len)
            return true; /* the end, or something that is no challenge */
        wcow_auto_challenge c = {.scheme = scheme_of(s, len)};
        s += len;
        if (!read_params(&s, &c))
            return false;
        bool usable = c.scheme == WCOW_CHALLENGE_BASIC ||
                      (c.scheme == WCOW_CHALLENGE_BEARER && c.realm && *c.realm);
        if (!usable || best->scheme >= c.scheme)
            continue;
        wcow_challenge_done(best);
        *best = c;
        c = (struct wcow_challenge){0};
    }
}

int wcow_challenge_choose(const struct wcow_str_list *headers, struct wcow_challenge *ret,
                          struct wcow_error *err)
{
    wcow_auto_challenge best = {0};
    for (size_t i = 0; i < headers->count; i++)
        if (!read_header(headers->items[i], &best))
            return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a WWW-Authenticate header");
    *ret = best;
    best = (struct wcow_challenge){0};
    return WCOW_OK;
}
