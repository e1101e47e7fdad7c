/* SPDX-License-Identifier: Apache-2.0 */
/* The answers are those of Go's regexp, which containerd's filters use. */
#include "wcow_test.h"

#include <string.h>

#include "snapshotter/regex.h"

static const struct {
    const char *expression;
    const char *text;
    bool want;
} matching[] = {
    {"", "", true},
    {"", "x", true},
    {"b", "abc", true},
    {"^b", "abc", false},
    {"c$", "abc", true},
    {"b$", "b\n", false},
    {"\\Aabc\\z", "abc", true},
    {"a.c", "a\nc", false},
    {"(?s)a.c", "a\nc", true},
    {"a.c", "a\u00e9c", true},
    {"(?m)^b$", "a\nb\nc", true},
    {"(?m:^b$)c", "a\nb\nc", false},
    /* alternatives and groups */
    {"^(a|bc)d$", "bcd", true},
    {"^(?:a|bc)d$", "ad", true},
    {"^(?P<name>a)(?<other>b)$", "ab", true},
    {"a||b", "", true},
    {"^(|a)$", "a", true},
    {"^()$", "", true},
    /* repeats */
    {"^a*$", "", true},
    {"^a+$", "", false},
    {"^ab?c$", "ac", true},
    {"^a{2}$", "aaa", false},
    {"^a{2,}$", "aaa", true},
    {"^a{1,2}$", "aaa", false},
    {"^a{0}$", "a", false},
    {"^(ab){2,3}$", "ababab", true},
    {"^(ab){2,3}$", "abababab", false},
    {"^a*?b+?c??$", "aabb", true},
    {"^(a*)*$", "aaaa", true},
    {"^(a*)+b$", "aaaac", false},
    {"^a{x$", "a{x", true},
    {"]}", "]}", true},
    /* sets */
    {"^[abc]+$", "cab", true},
    {"^[a-c-]+$", "b-", true},
    {"^[]a]+$", "]a", true},
    {"^[^]a]$", "]", false},
    {"[^a]", "\n", true},
    {"^[\\d_]+$", "1_2", true},
    {"^[^\\s]+$", "a b", false},
    {"^[\\]\\-^]+$", "]-^", true},
    {"^[[:alpha:]]+$", "aZ", true},
    {"^[[:^digit:]x]+$", "abc", true},
    {"^[\u00e9-\u00eb]$", "\u00ea", true},
    {"^[^\u00e9]$", "\u00e9", false},
    {"^[\\x{1f600}-\\x{1f602}]$", "\U0001f601", true},
    {"[^\\x00-\\x{10FFFF}]", "a", false},
    /* escapes */
    {"^v\\d+\\.\\d$", "v12.3", true},
    {"^\\D\\W\\S$", "a-b", true},
    {"^\\w+$", "a_9", true},
    {"\\bfoo\\b", "a foo.", true},
    {"\\bfoo\\b", "afoo", false},
    {"o\\B", "foo", true},
    {"^\\x41\\x{42}\\103\\t$", "ABC\t", true},
    {"^\\Qa.b*\\E+$", "a.b**", true},
    {"^\\Qa.b", "axb", false},
    {"^\\/\\-\\_$", "/-_", true},
    /* case */
    {"(?i)ABC", "xaBcx", true},
    {"(?i:a)B", "AB", true},
    {"(?i:a)B", "Ab", false},
    {"(?i)a(?-i)B", "Ab", false},
    {"(?i)[k-l]", "\u212a", true},
    {"(?i)\\W", "k", false},
    {"(?i)[^k]", "K", false},
};

static void expressions_match_as_re2_has_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(matching) / sizeof(matching[0]); i++) {
        WCOW_CLEANUP(wcow_regex_free_p) struct wcow_regex *regex = NULL;
        assert_ok(wcow_regex_compile(matching[i].expression, &regex, &err));
        bool matches = !matching[i].want;
        assert_ok(wcow_regex_match(regex, matching[i].text, &matches, &err));
        if (matches != matching[i].want)
            fail_msg("`%s` on `%s`", matching[i].expression, matching[i].text);
    }
}

static void bad_expressions_are_refused_by_what_is_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *expression;
        const char *message;
    } cases[] = {
        {"*a", "byte 0: quantifier does not follow a repeatable item"},
        {"a|*", "byte 2: quantifier"},
        {"(+)", "quantifier"},
        {"a**", "quantifier"},
        {"a{2,1}", "out of order"},
        {"((a{100}){100}){100}", "too large"},
        {"(a", "missing closing parenthesis"},
        {"a)", "unmatched closing parenthesis"},
        {"[a", "missing terminating ]"},
        {"[]", "missing terminating ]"},
        {"[z-a]", "range out of order"},
        {"[[:foo:]]", "unknown POSIX class name"},
        {"a\\", "\\ at end of pattern"},
        {"\\1", "reference to non-existent subpattern"},
        {"\\q", "unrecognized character follows \\"},
        {"\\x{110000}", "too large"},
        {"(?", "(?"},
        {"a\\Cb", "\\C"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct wcow_regex *regex = NULL;
        struct wcow_error err = {0};
        int r = wcow_regex_compile(cases[i].expression, &regex, &err);
        if (r != WCOW_E_INVALID || err.code != r || !strstr(err.msg, cases[i].message))
            fail_msg("`%s` gave %d: %s", cases[i].expression, r, err.msg);
        assert_null(regex);
    }
}

static void what_is_too_long_or_too_deep_is_refused(void **state)
{
    (void)state;
    char text[WCOW_REGEX_MAX_BYTES + 2];
    struct wcow_regex *regex = NULL;
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_fails(wcow_regex_compile(text, &regex, &err), WCOW_E_INVALID);
    text[sizeof(text) - 2] = '\0';
    assert_ok(wcow_regex_compile(text, &regex, &err));
    wcow_regex_free(regex);
    memset(text, '(', 500);
    memset(text + 500, ')', 500);
    text[1000] = '\0';
    assert_fails(wcow_regex_compile(text, &regex, &err), WCOW_E_INVALID);
}

/* What costs a matcher that tries one way after the other more than the age of the world. */
static void an_expression_that_costs_too_much_is_named(void **state)
{
    (void)state;
    static const char *const expressions[] = {"^(a|aa)+$", "^(a+)+$"};
    for (size_t i = 0; i < sizeof(expressions) / sizeof(expressions[0]); i++) {
        WCOW_CLEANUP(wcow_regex_free_p) struct wcow_regex *regex = NULL;
        struct wcow_error why = {0};
        bool matches = true;
        assert_ok(wcow_regex_compile(expressions[i], &regex, &err));
        assert_ok(wcow_regex_match(regex, "aaaa", &matches, &err));
        assert_true(matches);
        const char *long_text = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab";
        assert_int_equal(wcow_regex_match(regex, long_text, &matches, &why), WCOW_E_INVALID);
        assert_non_null(strstr(why.msg, expressions[i]));
        assert_non_null(strstr(why.msg, "limit"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expressions_match_as_re2_has_them),
        cmocka_unit_test(bad_expressions_are_refused_by_what_is_wrong),
        cmocka_unit_test(what_is_too_long_or_too_deep_is_refused),
        cmocka_unit_test(an_expression_that_costs_too_much_is_named),
    };
    return cmocka_run_group_tests_name("snapshotter/regex", tests, NULL, NULL);
}
