/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshotter/regex.h"

#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

struct wcow_regex {
    pcre2_code *code;
    pcre2_match_data *match;
    pcre2_match_context *limits;
    char text[]; /* for messages */
};

static const char *message_of(int code, PCRE2_UCHAR message[128])
{
    if (pcre2_get_error_message(code, message, 128) == PCRE2_ERROR_BADDATA)
        message[0] = '\0';
    return (const char *)message;
}

static int set_limits(struct wcow_regex *regex, struct wcow_error *err)
{
    regex->match = pcre2_match_data_create(1, NULL); /* where it matches nobody asks */
    regex->limits = pcre2_match_context_create(NULL);
    if (!regex->match || !regex->limits)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for an expression");
    (void)pcre2_set_match_limit(regex->limits, WCOW_REGEX_MAX_STEPS);
    (void)pcre2_set_heap_limit(regex->limits, WCOW_REGEX_MAX_KIB);
    return WCOW_OK;
}

int wcow_regex_compile(const char *expression, struct wcow_regex **ret, struct wcow_error *err)
{
    size_t len = strlen(expression);
    if (len > WCOW_REGEX_MAX_BYTES)
        return WCOW_FAIL(err, WCOW_E_INVALID, "the expression is longer than %d bytes",
                         WCOW_REGEX_MAX_BYTES);
    WCOW_CLEANUP(wcow_regex_free_p) struct wcow_regex *regex = calloc(1, sizeof(*regex) + len + 1);
    if (!regex)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for an expression");
    memcpy(regex->text, expression, len + 1);
    /* Go's $ is the very end; \C would look into characters. */
    const uint32_t options = PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C;
    int code = 0;
    size_t at = 0;
    regex->code = pcre2_compile((PCRE2_SPTR)expression, len, options, &code, &at, NULL);
    PCRE2_UCHAR message[128];
    if (!regex->code)
        return WCOW_FAIL(err, WCOW_E_INVALID, "the expression `%.100s` is bad at byte %zu: %s",
                         expression, at, message_of(code, message));
    int r = set_limits(regex, err);
    if (r < 0)
        return r;
    *ret = WCOW_TAKE_PTR(regex);
    return WCOW_OK;
}

int wcow_regex_match(const struct wcow_regex *regex, const char *text, bool *ret,
                     struct wcow_error *err)
{
    PCRE2_UCHAR message[128];
    int n =
        pcre2_match(regex->code, (PCRE2_SPTR)text, strlen(text), 0, 0, regex->match, regex->limits);
    if (n < 0 && n != PCRE2_ERROR_NOMATCH)
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "the expression `%.100s` costs too much on `%.100s`: %s", regex->text,
                         text, message_of(n, message));
    *ret = n >= 0;
    return WCOW_OK;
}

void wcow_regex_free(struct wcow_regex *regex)
{
    if (!regex)
        return;
    pcre2_match_context_free(regex->limits);
    pcre2_match_data_free(regex->match);
    pcre2_code_free(regex->code);
    free(regex);
}
