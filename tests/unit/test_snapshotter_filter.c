/* SPDX-License-Identifier: Apache-2.0 */
#include "wcow_test.h"

#include <stdio.h>
#include <string.h>

#include "snapshotter/filter.h"

/* An object of pairs: "name" or "labels|key" and its value. */
struct object {
    const char *pairs[8][2];
};

static int field(const void *object, const char *const *path, size_t n_path, const char **ret_value)
{
    const struct object *o = object;
    char name[256];
    (void)snprintf(name, sizeof(name), "%s", path[0]);
    for (size_t i = 1; i < n_path; i++) {
        size_t used = strlen(name);
        (void)snprintf(name + used, sizeof(name) - used, "%s%s", i == 1 ? "|" : ".", path[i]);
    }
    for (size_t i = 0; o->pairs[i][0]; i++) {
        if (strcmp(o->pairs[i][0], name) == 0) {
            *ret_value = o->pairs[i][1];
            return 1;
        }
    }
    return 0;
}

static const struct object sample = {{{"name", "default/7/sha256:abc"},
                                      {"kind", "committed"},
                                      {"parent", ""},
                                      {"labels|a.b/c", "x,y"},
                                      {"labels|version", "v1.2.3"},
                                      {"labels|quote", "a\"b\n"},
                                      {"labels|of \\ and \".tail", "x_y.z-1"}}};

static bool matches(const struct wcow_filter *filter)
{
    bool answer = false;
    assert_ok(wcow_filter_match(filter, field, &sample, &answer, &err));
    return answer;
}

static void filters_match_as_containerd_has_them(void **state)
{
    (void)state;
    static const struct {
        const char *filter;
        bool want;
    } cases[] = {
        {"", true},
        {"name", true},
        {"nothing", false},
        {"labels", false},
        {"parent", true},
        {"kind==committed", true},
        {"kind==active", false},
        {"kind!=active", true},
        {"nothing!=x", true},
        {"nothing==\"\"", false},
        {"name==default/7/sha256:abc", true},
        {"name == default/7/sha256:abc", true},
        {"labels.\"a.b/c\"", true},
        {"labels.\"a.b/d\"", false},
        {"labels.\"a.b/c\"==\"x,y\"", true},
        {"labels.\"a.b/c\"==x", false},
        {"labels.\"quote\"==\"a\\\"b\\n\"", true},
        {"labels.version==\"\\x76\\061.\\u0032.3\"", true},
        {"kind==committed,labels.version==v1.2.3", true},
        {"kind==committed, labels.version==v1.2.4", false},
        {"labels.version~=^v1", true},
        {"labels.version~=/^v\\\\d+\\\\.\\\\d+\\\\.[\\\\d]$/", true},
        {"labels.version~=|^v[12]|", true},
        {"labels.version~=/^(?:v2|v3)/", false},
        {"name~=\"sha256:[a-c]{3}$\"", true},
        {"nothing~=\"^$\"", true},
        {"kind~=(?i)COMMITTED", true},
        {"kind~=^comm.*?ted$,name", true},
        {"labels.version~=/^v1\\/?/", true},
        {"labels.\"of \\\\ and \\\".tail\"", true},
        {"labels.\"of \\\\ and \\\"\".tail==x_y.z-1", true},
        {"labels.\"of \\\\ and \\\"\".tail==x_y.z", false},
        {"\"kind\"==committed", true},
        {"\u00a0kind\u2003==\u3000committed", true},
        {"\xc2\x85"
         "kind==committed",
         true},
        {"name!=\x01", true},
        {"name!=\x01\u65e5\u00e9\u20ac", true},
        {"name!=\"\\ud800\"", true},
        {"a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a."
         "a.a."
         "a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a",
         false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        WCOW_CLEANUP(wcow_filter_free_p) struct wcow_filter *filter = NULL;
        assert_ok(wcow_filter_parse(&cases[i].filter, 1, &filter, &err));
        if (matches(filter) != cases[i].want)
            fail_msg("`%s`", cases[i].filter);
    }
}

static void several_filters_mean_or_and_none_means_all(void **state)
{
    (void)state;
    static const char *const either[] = {"kind==active", "kind==committed"};
    static const char *const neither[] = {"kind==active", "kind==view"};
    WCOW_CLEANUP(wcow_filter_free_p) struct wcow_filter *a = NULL;
    WCOW_CLEANUP(wcow_filter_free_p) struct wcow_filter *b = NULL;
    WCOW_CLEANUP(wcow_filter_free_p) struct wcow_filter *c = NULL;
    assert_ok(wcow_filter_parse(either, 2, &a, &err));
    assert_ok(wcow_filter_parse(neither, 2, &b, &err));
    assert_ok(wcow_filter_parse(NULL, 0, &c, &err));
    assert_true(matches(a));
    assert_false(matches(b));
    assert_true(matches(c));
}

static void bad_filters_are_refused_with_their_position(void **state)
{
    (void)state;
    static const struct {
        const char *filter;
        const char *message;
    } cases[] = {
        {" ", "position 1"},
        {"==x", "position 0"},
        {"name=x", "position 4"},
        {"name===x", "position 4"},
        {"name<x", "position 4"},
        {"name==", "position 6"},
        {"name==x,", "position 8"},
        {"name==x ", "position 7"},
        {"name==x kind==y", "position 7"},
        {"name.", "position 5"},
        {"name==\"x", "position 6"},
        {"name==\"\\q\"", "position 6"},
        {"name==\"\\x00\"", "position 6"},
        {"name==\"\xef\xbf\xbd\"", "position 6"},
        {"name==a\u200b", "position 7"},
        {"name==a\xc2\x85", "position 7"},
        {"name==a\x7f", "position 7"},
        {"n\u00e4me", "position 1"},
        {"name==/x/", "position 6"},
        {"/name/==x", "position 0"},
        {"name~=\"(\"", "position 6"},
        {"labels.|a|==x", "position 7"},
        {"labels.?\"a\"==x", "position 7"},
        {"labels.a/b==x", "position 8"},
        {"labels.a==/b", "position 10"},
        {"name~=,kind", "position 6"},
        {"name~=\"(a\"", "parenthesis"},
        {"name~=\"\\\\q\"", "unrecognized"},
        {"name~=\"((a{100}){100}){100}\"", "too large"},
        {"name==\xff", "UTF-8"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct wcow_filter *filter = NULL;
        struct wcow_error err = {0};
        int r = wcow_filter_parse(&cases[i].filter, 1, &filter, &err);
        if (r != WCOW_E_INVALID || err.code != r || !strstr(err.msg, cases[i].message))
            fail_msg("`%s` gave %d: %s", cases[i].filter, r, err.msg);
        assert_null(filter);
    }
}

static void how_many_and_how_long_they_may_be_is_limited(void **state)
{
    (void)state;
    static const char *many[WCOW_FILTERS_MAX + 1];
    static char long_one[WCOW_FILTER_MAX_BYTES + 2];
    WCOW_CLEANUP(wcow_filter_free_p) struct wcow_filter *filter = NULL;
    for (size_t i = 0; i <= WCOW_FILTERS_MAX; i++)
        many[i] = "";
    assert_fails(wcow_filter_parse(many, WCOW_FILTERS_MAX + 1, &filter, &err), WCOW_E_INVALID);
    assert_ok(wcow_filter_parse(many, WCOW_FILTERS_MAX, &filter, &err));
    wcow_filter_free(WCOW_TAKE_PTR(filter));
    memset(long_one, 'a', sizeof(long_one) - 1);
    many[0] = long_one;
    assert_fails(wcow_filter_parse(many, 1, &filter, &err), WCOW_E_INVALID);
    long_one[WCOW_FILTER_MAX_BYTES] = '\0';
    for (size_t i = 0; i < 5; i++)
        many[i] = long_one;
    assert_ok(wcow_filter_parse(many, 4, &filter, &err));
    wcow_filter_free(WCOW_TAKE_PTR(filter));
    assert_fails(wcow_filter_parse(many, 5, &filter, &err), WCOW_E_INVALID);
}

static void no_bytes_crash_the_parser(void **state)
{
    (void)state;
    static const char alphabet[] = "ab.,=!~\"/|\\ x0u[](){}*+?^$-:\n";
    uint32_t seed = 1;
    for (int round = 0; round < 20000; round++) {
        char text[24];
        size_t len = 0;
        for (; len < sizeof(text) - 1; len++) {
            seed = seed * 1664525 + 1013904223;
            if ((seed >> 16) % 20 == 0)
                break;
            text[len] = alphabet[(seed >> 8) % (sizeof(alphabet) - 1)];
        }
        text[len] = '\0';
        const char *const one = text;
        struct wcow_error err = {0};
        WCOW_CLEANUP(wcow_filter_free_p) struct wcow_filter *filter = NULL;
        if (wcow_filter_parse(&one, 1, &filter, &err) == WCOW_OK)
            (void)matches(filter);
        else
            assert_true(err.msg[0] != '\0');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(filters_match_as_containerd_has_them),
        cmocka_unit_test(several_filters_mean_or_and_none_means_all),
        cmocka_unit_test(bad_filters_are_refused_with_their_position),
        cmocka_unit_test(how_many_and_how_long_they_may_be_is_limited),
        cmocka_unit_test(no_bytes_crash_the_parser),
    };
    return cmocka_run_group_tests_name("snapshotter/filter", tests, NULL, NULL);
}
