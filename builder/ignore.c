/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/ignore.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "builder/pattern.h"
#include "builder/words_text.h"

struct rule {
    char *text; /* as understood, with its '!' */
    bool negated;
    struct wcow_pattern *pattern;
    char *fixed;   /* what stands before the first glob */
    bool is_fixed; /* there is no glob */
};

struct wcow_ignore {
    struct rule *rules;
    size_t count;
    size_t cap;
};

struct wcow_ignore_dir {
    size_t count;
    bool matched[];
};

static int out_of_memory(struct wcow_error *err)
{
    return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory reading ignore patterns");
}

static void rule_done(struct rule *rule)
{
    free(rule->text);
    free(rule->fixed);
    wcow_pattern_free(rule->pattern);
}

/* On Windows a backslash separates: at the end ("bin\"), and before a letter or digit
 * ("bin\debug"), where as an escape it would mean nothing. Elsewhere it escapes ("\*"). */
static void backslashes_to_slashes(char *text)
{
    for (char *c = text; *c; c++) {
        if (*c != '\\')
            continue;
        unsigned char next = (unsigned char)c[1];
        bool separates = next < 0x80 && (wcow_text_is_letter(next) || wcow_text_is_digit(next));
        if (separates || (next == '\0' && c > text))
            *c = '/';
        else if (next)
            c++;
    }
}

static int fill_rule(struct rule *rule, struct wcow_error *err)
{
    const char *text = rule->text;
    rule->negated = text[0] == '!';
    text += rule->negated;
    if (!*text)
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "illegal exclusion pattern: \"!\": a pattern must follow the !");
    size_t fixed = strcspn(text, "*?[\\");
    rule->is_fixed = text[fixed] == '\0';
    rule->fixed = strndup(text, fixed);
    return rule->fixed ? wcow_pattern_new(text, &rule->pattern, err) : out_of_memory(err);
}

/* @p text: cleaned, with its '!'; taken over. */
static int add_rule(struct wcow_ignore *ignore, char *text, struct wcow_error *err)
{
    if (ignore->count == WCOW_IGNORE_MAX_PATTERNS) {
        free(text);
        return WCOW_FAIL(err, WCOW_E_LIMIT, "more than %d ignore patterns",
                         WCOW_IGNORE_MAX_PATTERNS);
    }
    struct rule rule = {.text = text};
    int r = fill_rule(&rule, err);
    if (r == WCOW_OK && ignore->count == ignore->cap) {
        size_t cap = ignore->cap ? ignore->cap * 2 : 16;
        struct rule *rules = reallocarray(ignore->rules, cap, sizeof *rules);
        if (rules) {
            ignore->rules = rules;
            ignore->cap = cap;
        } else {
            r = out_of_memory(err);
        }
    }
    if (r == WCOW_OK)
        ignore->rules[ignore->count++] = rule;
    else
        rule_done(&rule);
    return r;
}

/* A pattern as written in a list: white space cut, cleaned. Empty ones count for nothing. */
static int add_pattern(struct wcow_ignore *ignore, const char *text, size_t len, bool from_file,
                       struct wcow_error *err)
{
    wcow_text_trim(&text, &len);
    if (len == 0)
        return WCOW_OK;
    bool negated = text[0] == '!';
    text += negated;
    len -= negated;
    if (negated && from_file)
        wcow_text_trim(&text, &len);
    wcow_autofree char *path = calloc(1, len + 3);
    if (!path)
        return out_of_memory(err);
    memcpy(path, text, len);
    if (len > 0) {
        backslashes_to_slashes(path);
        wcow_pattern_clean(path);
    }
    const char *relative = from_file && path[0] == '/' && path[1] ? path + 1 : path;
    if (negated && strcmp(relative, "/") == 0)
        relative = ""; /* "!/" is as empty as "!" */
    char *rule = NULL;
    if (asprintf(&rule, "%s%s", negated ? "!" : "", relative) < 0)
        return out_of_memory(err);
    return add_rule(ignore, rule, err);
}

static int parse_lines(struct wcow_ignore *ignore, const char *data, size_t len,
                       struct wcow_error *err)
{
    size_t pos = len >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    for (unsigned line = 1; pos < len; line++) {
        const char *start = data + pos;
        const char *end = memchr(start, '\n', len - pos);
        size_t n = end ? (size_t)(end - start) : len - pos;
        pos += n + (end ? 1 : 0);
        if (n > 0 && start[0] == '#')
            continue;
        if (n > 0 && memchr(start, '\0', n))
            return WCOW_FAIL(err, WCOW_E_INVALID,
                             ".dockerignore line %u holds a NUL byte: save it as UTF-8 text", line);
        int r = add_pattern(ignore, start, n, true, err);
        if (r != WCOW_OK)
            return wcow_error_wrap(r, err, ".dockerignore line %u", line);
    }
    return WCOW_OK;
}

int wcow_ignore_parse(const void *data, size_t len, struct wcow_ignore **ret,
                      struct wcow_error *err)
{
    if (len > WCOW_IGNORE_MAX_BYTES)
        return WCOW_FAIL(err, WCOW_E_LIMIT, ".dockerignore has %zu bytes, more than the %d allowed",
                         len, WCOW_IGNORE_MAX_BYTES);
    WCOW_CLEANUP(wcow_ignore_free_p) struct wcow_ignore *ignore = calloc(1, sizeof *ignore);
    if (!ignore)
        return out_of_memory(err);
    int r = parse_lines(ignore, data, len, err);
    if (r == WCOW_OK)
        *ret = WCOW_TAKE_PTR(ignore);
    return r;
}

int wcow_ignore_new(const char *const *patterns, size_t count, struct wcow_ignore **ret,
                    struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_ignore_free_p) struct wcow_ignore *ignore = calloc(1, sizeof *ignore);
    if (!ignore)
        return out_of_memory(err);
    for (size_t i = 0; i < count; i++) {
        int r = add_pattern(ignore, patterns[i], strlen(patterns[i]), false, err);
        if (r != WCOW_OK)
            return r;
    }
    *ret = WCOW_TAKE_PTR(ignore);
    return WCOW_OK;
}

void wcow_ignore_free(struct wcow_ignore *ignore)
{
    if (!ignore)
        return;
    for (size_t i = 0; i < ignore->count; i++)
        rule_done(&ignore->rules[i]);
    free(ignore->rules);
    free(ignore);
}

size_t wcow_ignore_count(const struct wcow_ignore *ignore)
{
    return ignore->count;
}

const char *wcow_ignore_pattern(const struct wcow_ignore *ignore, size_t index)
{
    return ignore->rules[index].text;
}

/* --- asking --- */

static bool matches_parent(const struct rule *rule, const char *path)
{
    for (const char *c = strchr(path, '/'); c; c = strchr(c + 1, '/')) {
        if (wcow_pattern_matches(rule->pattern, path, (size_t)(c - path)))
            return true;
    }
    return false;
}

bool wcow_ignore_matches(const struct wcow_ignore *ignore, const char *path)
{
    bool excluded = false;
    for (size_t i = 0; i < ignore->count; i++) {
        const struct rule *rule = &ignore->rules[i];
        /* a rule that could change nothing is not asked */
        if (rule->negated != excluded)
            continue;
        if (wcow_pattern_matches(rule->pattern, path, strlen(path)) || matches_parent(rule, path))
            excluded = !rule->negated;
    }
    return excluded;
}

static bool ask(const struct wcow_ignore *ignore, const struct wcow_ignore_dir *parent,
                const char *path, bool *matched)
{
    size_t len = strlen(path);
    bool excluded = false;
    for (size_t i = 0; i < ignore->count; i++) {
        const struct rule *rule = &ignore->rules[i];
        bool match = parent && parent->matched[i];
        if (!match) {
            if (rule->negated != excluded)
                continue;
            match = wcow_pattern_matches(rule->pattern, path, len) ||
                    (!parent && matches_parent(rule, path));
        }
        if (matched)
            matched[i] = match;
        if (match)
            excluded = !rule->negated;
    }
    return excluded;
}

int wcow_ignore_enter(const struct wcow_ignore *ignore, const struct wcow_ignore_dir *parent,
                      const char *path, struct wcow_ignore_dir **ret_dir, bool *ret_excluded,
                      struct wcow_error *err)
{
    if (!ret_dir) {
        *ret_excluded = ask(ignore, parent, path, NULL);
        return WCOW_OK;
    }
    struct wcow_ignore_dir *dir = calloc(1, sizeof *dir + ignore->count * sizeof *dir->matched);
    if (!dir)
        return out_of_memory(err);
    dir->count = ignore->count;
    *ret_excluded = ask(ignore, parent, path, dir->matched);
    *ret_dir = dir;
    return WCOW_OK;
}

bool wcow_ignore_excludes(const struct wcow_ignore *ignore, const struct wcow_ignore_dir *parent,
                          const char *path)
{
    return ask(ignore, parent, path, NULL);
}

/* Whether @p rule may match something below the directory @p path, as far as its fixed part tells.
 */
static bool may_match_below(const struct rule *rule, const char *path, size_t len)
{
    size_t fixed = strlen(rule->fixed);
    if (fixed > len)
        return memcmp(rule->fixed, path, len) == 0 && rule->fixed[len] == '/';
    if (rule->is_fixed)
        return false;
    return memcmp(rule->fixed, path, fixed) == 0;
}

bool wcow_ignore_may_contain(const struct wcow_ignore *ignore, const char *path)
{
    size_t len = strlen(path);
    for (size_t i = 0; i < ignore->count; i++) {
        const struct rule *rule = &ignore->rules[i];
        if (rule->negated && may_match_below(rule, path, len))
            return true;
    }
    return false;
}

void wcow_ignore_dir_free(struct wcow_ignore_dir *dir)
{
    free(dir);
}
