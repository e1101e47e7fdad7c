/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "builder/winpath.h"
#include "wcow_test.h"

struct path_case {
    const char *path;
    const char *want;  /* NULL: an error with */
    const char *error; /* this text */
};

static void paths_are_normalised(void **state)
{
    (void)state;
    static const struct path_case cases[] = {
        {"C:\\a\\..\\b\\", "/b", NULL},
        {"C:foo", "foo", NULL},
        {"c:/Foo/Bar", "/Foo/Bar", NULL},
        {"foo\\bar", "foo/bar", NULL},
        {"\\foo", "/foo", NULL},
        {"/", "/", NULL},
        {"C:\\", "/", NULL},
        {"C:/..", "/", NULL},
        {"", ".", NULL},
        {".", ".", NULL},
        {"..\\x", "../x", NULL},
        {"a\\\\b", "a/b", NULL},
        {"C:", NULL, "no relative path specified"},
        {"d:", NULL, "no relative path specified"},
        {"\\\\server\\share", NULL, "UNC paths are not supported"},
        {"//server/share", NULL, "UNC paths are not supported"},
        {"\\\\?\\C:\\x", NULL, "UNC paths are not supported"},
        {"D:\\x", NULL, "not on the system drive (C:)"},
        {"e:x", NULL, "not on the system drive (C:)"},
        {"a:b:c", NULL, "not on the system drive (C:)"},
        {"C:\\a:b", NULL, "holds ':'"},
        {"a*b", NULL, "holds '*'"},
        {"a?b", NULL, "holds '?'"},
        {"a<b", NULL, "holds '<'"},
        {"a\"b", NULL, "holds '\"'"},
        {"a\tb", NULL, "control character 0x09"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *got = NULL;
        struct wcow_error e = {0};
        int r = wcow_winpath_normalise(cases[i].path, false, &got, &e);
        if (cases[i].want) {
            assert_int_equal(r, WCOW_OK);
            assert_string_equal(got, cases[i].want);
        } else {
            assert_int_equal(r, WCOW_E_INVALID);
            if (!strstr(e.msg, cases[i].error))
                fail_msg("%s: %s", cases[i].path, e.msg);
        }
        free(got);
    }
}

static void a_trailing_slash_is_kept_where_it_matters(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"C:\\a\\..\\b\\", "/b/"}, {"a/", "a/"}, {"a", "a"}, {"C:\\", "/"}, {"./", "./"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *got = NULL;
        assert_ok(wcow_winpath_normalise(cases[i][0], true, &got, &err));
        assert_string_equal(got, cases[i][1]);
        free(got);
    }
}

static void a_source_may_hold_a_glob(void **state)
{
    (void)state;
    char *got = NULL;
    assert_ok(wcow_winpath_normalise_source("C:\\out\\*.dll", &got, &err));
    assert_string_equal(got, "/out/*.dll");
    free(got);
}

static void workdirs_follow_one_another(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {NULL, "app", "C:\\app"},           {"", "C:\\app", "C:\\app"},
        {"C:\\app", "bin", "C:\\app\\bin"}, {"C:\\app", "\\bin", "C:\\bin"},
        {"C:\\app", "..", "C:\\"},          {"C:\\app", "C:bin", "C:\\app\\bin"},
        {"/app", "../../x", "C:\\x"},       {"C:\\", "c:/A/b/", "C:\\A\\b"},
        {"C:\\app", ".", "C:\\app"},        {"C:\\", "C:\\", "C:\\"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *got = NULL;
        assert_ok(wcow_winpath_workdir(cases[i][0], cases[i][1], &got, &err));
        assert_string_equal(got, cases[i][2]);
        free(got);
    }
    char *got = NULL;
    assert_fails(wcow_winpath_workdir("C:\\", "D:\\x", &got, &err), WCOW_E_INVALID);
}

static void destinations_become_layer_paths(void **state)
{
    (void)state;
    static const struct {
        const char *workdir;
        const char *path;
        const char *want;
        bool is_dir;
    } cases[] = {
        {NULL, "C:/", "Files", true},
        {NULL, "C:\\app\\x.txt", "Files/app/x.txt", false},
        {"C:\\app", "x.txt", "Files/app/x.txt", false},
        {"C:\\app", ".", "Files/app", true},
        {"C:\\app", "./", "Files/app", true},
        {"C:\\app", "bin\\", "Files/app/bin", true},
        {"C:\\app", "..", "Files", true},
        {"C:\\app\\x", "a/..", "Files/app/x", true},
        {NULL, "\\Windows\\System32\\", "Files/Windows/System32", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *got = NULL;
        bool is_dir = false;
        assert_ok(wcow_winpath_to_layer(cases[i].workdir, cases[i].path, &got, &is_dir, &err));
        assert_string_equal(got, cases[i].want);
        assert_int_equal(is_dir, cases[i].is_dir);
        free(got);
    }
}

static void an_endless_path_is_refused(void **state)
{
    (void)state;
    char *path = malloc(WCOW_WINPATH_MAX_BYTES + 2);
    assert_non_null(path);
    memset(path, 'x', WCOW_WINPATH_MAX_BYTES + 1);
    path[WCOW_WINPATH_MAX_BYTES + 1] = '\0';
    char *got = NULL;
    assert_fails(wcow_winpath_normalise(path, false, &got, &err), WCOW_E_LIMIT);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_are_normalised),
        cmocka_unit_test(a_trailing_slash_is_kept_where_it_matters),
        cmocka_unit_test(a_source_may_hold_a_glob),
        cmocka_unit_test(workdirs_follow_one_another),
        cmocka_unit_test(destinations_become_layer_paths),
        cmocka_unit_test(an_endless_path_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
