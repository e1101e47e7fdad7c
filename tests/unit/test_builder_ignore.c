/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "builder/ignore.h"
#include "builder/pattern.h"
#include "wcow_test.h"

struct ignore_case {
    const char *file; /* a .dockerignore */
    const char *path;
    bool excluded;
};

static void the_last_matching_pattern_decides(void **state)
{
    (void)state;
    static const struct ignore_case cases[] = {
        {"", "a", false},
        {"a", "a", true},
        {"a", "b", false},
        {"a", "a/b/c", true},
        {"a", "b/a", false},
        {"/a", "a", true},
        {"./a", "a", true},
        {"a/", "a", true},
        {"a\\", "a", true},
        {"bin\\debug", "bin/debug", true},
        {"a//b/../c", "a/c", true},
        {"# a\na", "a", true},
        {"#a", "#a", false},
        {"\\#a", "#a", true},
        {"  a  ", "a", true},
        {"\xef\xbb\xbf"
         "a",
         "a", true},
        {"a\r\nb\r\n", "b", true},
        {"*", "a", true},
        {"*", "a/b", true},
        {"*.txt", "a.txt", true},
        {"*.txt", "d/a.txt", false},
        {"*/*.txt", "d/a.txt", true},
        {"**/*.txt", "a.txt", true},
        {"**/*.txt", "d/e/a.txt", true},
        {"**/a", "a", true},
        {"**/a", "d/a", true},
        {"**/a", "d/ba", false},
        {"**a", "ba", true},
        {"a/**", "a", false},
        {"a/**", "a/b/c", true},
        {"a/**/z", "a/z", true},
        {"a/**/z", "a/b/c/z", true},
        {"a/**/z", "a/bz", false},
        {"**", "x", true},
        {"**/.git", "sub/.git/config", true},
        {"a?c", "abc", true},
        {"a?c", "a/c", false},
        {"a?c",
         "a\xc3\xa9"
         "c",
         true},
        {"[a-c]x", "bx", true},
        {"[^a-c]x", "bx", false},
        {"[^a-c]x", "dx", true},
        {"a\\*b", "a*b", true},
        {"a\\*b", "axb", false},
        {"a.c", "abc", false},
        {"a+b", "aab", false},
        {"a$", "a$", true},
        {"(a)", "(a)", true},
        {"*\n!a", "a", false},
        {"*\n!a", "b", true},
        {"!a\n*", "a", true},
        {"d\n!d/keep", "d/keep", false},
        {"d\n!d/keep", "d/drop", true},
        {"d\n!d/keep\nd/keep/x", "d/keep/x", true},
        {"**\n!**/*.c", "src/main.c", false},
        {"! a\n*\n! a", "a", false},
        {"dir*\n!dir1", "dir1/x", false},
        {"dir*\n!dir1", "dir2/x", true},
        {"A", "a", false},
        {"..", "a", false},
        {".", "a", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct wcow_ignore *ignore = NULL;
        assert_ok(wcow_ignore_parse(cases[i].file, strlen(cases[i].file), &ignore, &err));
        if (wcow_ignore_matches(ignore, cases[i].path) != cases[i].excluded)
            fail_msg("'%s' and %s: wanted %d", cases[i].file, cases[i].path, cases[i].excluded);
        wcow_ignore_free(ignore);
    }
}

/* From the top down: the walk must say of each path what the single question says. */
static void walk(const struct wcow_ignore *ignore, const char *const *paths, size_t count)
{
    struct wcow_ignore_dir *parent = NULL;
    for (size_t i = 0; i < count; i++) {
        struct wcow_ignore_dir *dir = NULL;
        bool excluded = false;
        assert_ok(wcow_ignore_enter(ignore, parent, paths[i], &dir, &excluded, &err));
        assert_int_equal(excluded, wcow_ignore_matches(ignore, paths[i]));
        assert_int_equal(excluded, wcow_ignore_excludes(ignore, parent, paths[i]));
        wcow_ignore_dir_free(parent);
        parent = dir;
    }
    wcow_ignore_dir_free(parent);
}

static void a_walk_agrees_with_single_questions(void **state)
{
    (void)state;
    static const char *const files[] = {"a\n!a/b\na/b/c", "**/x\n!a/x", "*\n!a\na/b", "a/**\n!a/b",
                                        "!a\na\n!a/b/c"};
    static const char *const paths[][3] = {
        {"a", "a/b", "a/b/c"}, {"a", "a/x", "a/x/y"}, {"b", "b/x", "b/x/z"}};
    for (size_t f = 0; f < sizeof files / sizeof *files; f++) {
        struct wcow_ignore *ignore = NULL;
        assert_ok(wcow_ignore_parse(files[f], strlen(files[f]), &ignore, &err));
        for (size_t p = 0; p < sizeof paths / sizeof *paths; p++)
            walk(ignore, paths[p], 3);
        wcow_ignore_free(ignore);
    }
}

static void an_excluded_directory_is_entered_only_for_what_may_come_back(void **state)
{
    (void)state;
    static const struct ignore_case cases[] = {
        {"node_modules", "node_modules", false},
        {"d\n!d/keep", "d", true},
        {"d\n!e/keep", "d", false},
        {"*\n!**/*.c", "d", true},
        {"*\n!src", "src", false},
        {"*\n!src/a", "src", true},
        {"*\n!sr*", "src", true},
        {"*\n!x/*", "src", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct wcow_ignore *ignore = NULL;
        assert_ok(wcow_ignore_parse(cases[i].file, strlen(cases[i].file), &ignore, &err));
        if (wcow_ignore_may_contain(ignore, cases[i].path) != cases[i].excluded)
            fail_msg("'%s' and %s: wanted %d", cases[i].file, cases[i].path, cases[i].excluded);
        wcow_ignore_free(ignore);
    }
}

static void malformed_patterns_are_named_with_their_line(void **state)
{
    (void)state;
    static const char *const bad[] = {"ok\n[",   "ok\n[a-",    "ok\n!",  "ok\n[]",
                                      "ok\n[^]", "ok\n[-x]",   "ok\n\\", "ok\n[a-b-c]",
                                      "ok\n!/",  "ok\n! /a/.."};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct wcow_ignore *ignore = NULL;
        struct wcow_error e = {0};
        assert_int_equal(wcow_ignore_parse(bad[i], strlen(bad[i]), &ignore, &e), WCOW_E_INVALID);
        assert_non_null(strstr(e.msg, "line 2"));
        assert_null(ignore);
    }
}

static void globs_are_those_of_go(void **state)
{
    (void)state;
    static const struct {
        const char *pattern;
        const char *name;
        bool matches;
    } cases[] = {
        {"abc", "abc", true},
        {"*", "abc", true},
        {"*c", "abc", true},
        {"a*", "ab/c", false},
        {"a*/b", "abc/b", true},
        {"a*b*c", "aXbYc", true},
        {"a*b*c*d", "aabbccd", true},
        {"a*b*c*d", "aabbcc", false},
        {"a?b", "axb", true},
        {"a?b", "a/b", false},
        {"[a-z]*.c", "x.c", true},
        {"**", "a/b", false},
        {"a**b", "axxb", true},
        {"\\[x]", "[x]", true},
        {"[\\]]", "]", true},
        {"", "", true},
        {"?", "", false},
        {"*", "", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool matches = false;
        assert_ok(wcow_pattern_glob(cases[i].pattern, cases[i].name, &matches, &err));
        if (matches != cases[i].matches)
            fail_msg("%s and %s: wanted %d", cases[i].pattern, cases[i].name, cases[i].matches);
    }
    bool unused = false;
    assert_fails(wcow_pattern_glob("[", "x", &unused, &err), WCOW_E_INVALID);
    assert_fails(wcow_pattern_glob("a\\", "b", &unused, &err), WCOW_E_INVALID);
}

static void a_hostile_glob_takes_no_long_time(void **state)
{
    (void)state;
    char name[4000];
    memset(name, 'a', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    bool matches = true;
    assert_ok(wcow_pattern_glob("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", name, &matches, &err));
    assert_false(matches);
}

static void globs_of_any_length_match(void **state)
{
    (void)state;
    for (size_t len = 1; len < 300; len++) {
        char pattern[304] = "";
        char name[304] = "";
        bool matches[2] = {false, true};
        memset(pattern, '?', len);
        memset(name, 'a', len);
        assert_ok(wcow_pattern_glob(pattern, name, &matches[0], &err));
        name[len] = 'b';
        assert_ok(wcow_pattern_glob(pattern, name, &matches[1], &err));
        if (!matches[0] || matches[1])
            fail_msg("%zu question marks", len);
    }
}

static void paths_are_cleaned(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", "."},
        {".", "."},
        {"a", "a"},
        {"a/", "a"},
        {"/", "/"},
        {"//a", "/a"},
        {"a//b", "a/b"},
        {"a/./b", "a/b"},
        {"a/../b", "b"},
        {"a/..", "."},
        {"..", ".."},
        {"../a", "../a"},
        {"../../a/..", "../.."},
        {"/..", "/"},
        {"/../a", "/a"},
        {"a/../../b", "../b"},
        {"./a/./", "a"},
        {"a/b/../../..", ".."},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[64];
        (void)snprintf(path, sizeof path, "%s", cases[i][0]);
        wcow_pattern_clean(path);
        assert_string_equal(path, cases[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_matching_pattern_decides),
        cmocka_unit_test(a_walk_agrees_with_single_questions),
        cmocka_unit_test(an_excluded_directory_is_entered_only_for_what_may_come_back),
        cmocka_unit_test(malformed_patterns_are_named_with_their_line),
        cmocka_unit_test(globs_are_those_of_go),
        cmocka_unit_test(a_hostile_glob_takes_no_long_time),
        cmocka_unit_test(globs_of_any_length_match),
        cmocka_unit_test(paths_are_cleaned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
