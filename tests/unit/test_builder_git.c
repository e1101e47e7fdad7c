/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/git.h"

#include <stdlib.h>
#include <string.h>

#include "wcow_test.h"

static void repositories_are_told_from_files_and_urls(void **state)
{
    (void)state;
    static const struct {
        const char *source;
        bool is_git;
    } cases[] = {{"https://example.com/app.git", true},
                 {"https://example.com/app.git#v1:sub", true},
                 {"http://example.com/app.git", true},
                 {"https://example.com/app.git?x=1", true},
                 {"https://example.com/app.tar.gz", false},
                 {"https://example.com/.github", false},
                 {"git@example.com:app", true},
                 {"ssh://git@example.com/app", true},
                 {"git://example.com/app", true},
                 {"app.git", false},
                 {"dir/git@example.com:app", false},
                 {"@scope:app", false},
                 {"C:\\git@x", false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(wcow_git_is_url(cases[i].source), cases[i].is_git);
}

static void the_fragment_names_ref_and_folder(void **state)
{
    (void)state;
    static const struct {
        const char *source;
        const char *repository;
        const char *ref;
        const char *folder;
    } cases[] = {
        {"https://h/a.git", "https://h/a.git", NULL, NULL},
        {"https://h/a.git#v1", "https://h/a.git", "v1", NULL},
        {"https://h/a.git#v1:sub/x", "https://h/a.git", "v1", "sub/x"},
        {"git@h:a#:sub", "git@h:a", NULL, "sub"},
        {"git@h:a#", "git@h:a", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        WCOW_CLEANUP(wcow_git_url_done) struct wcow_git_url url = {0};
        assert_ok(wcow_git_url_parse(cases[i].source, &url, &err));
        assert_string_equal(url.repository, cases[i].repository);
        assert_string_equal(url.ref ? url.ref : "", cases[i].ref ? cases[i].ref : "");
        assert_string_equal(url.folder ? url.folder : "", cases[i].folder ? cases[i].folder : "");
    }
}

static void what_git_could_take_for_an_option_is_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {"-x",
                                        "#v1",
                                        "https://h/a.git#--upload-pack=x",
                                        "https://h/a.git#v1:../..",
                                        "https://h/a.git#a b",
                                        "https://h/a.git#:a/../b"};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct wcow_git_url url = {0};
        struct wcow_error err = {0};
        assert_int_equal(wcow_git_url_parse(cases[i], &url, &err), WCOW_E_INVALID);
        assert_true(err.msg[0]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(repositories_are_told_from_files_and_urls),
        cmocka_unit_test(the_fragment_names_ref_and_folder),
        cmocka_unit_test(what_git_could_take_for_an_option_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
