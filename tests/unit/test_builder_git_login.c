/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/git_login.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "wcow_test.h"

enum { MAX_TEXT = 1024 };

/* All that git is given, one line each. */
static void join(char *const *list, size_t n, char ret[MAX_TEXT])
{
    ret[0] = '\0';
    for (size_t i = 0; i < n && list[i]; i++) {
        size_t len = strlen(ret);
        (void)snprintf(ret + len, MAX_TEXT - len, "%s\n", list[i]);
    }
}

static void a_login_is_taken_out_of_the_address(void **state)
{
    (void)state;
    static const struct {
        const char *address;
        const char *repository;
        const char *variables;
    } cases[] = {
        {"https://h/a.git", "https://h/a.git", ""},
        {"https://h/a@b.git", "https://h/a@b.git", ""},
        {"git@h:a.git", "git@h:a.git", ""},
        {"ssh://git@h/a.git", "ssh://git@h/a.git", ""},
        {"https://me:s3cret@h:8443/a.git", "https://h:8443/a.git",
         "WCOW_GIT_NAME=me\nWCOW_GIT_PASSWORD=s3cret\n"},
        {"http://me:a%40b%25%zz@h/a.git", "http://h/a.git",
         "WCOW_GIT_NAME=me\nWCOW_GIT_PASSWORD=a@b%%zz\n"},
        {"https://me:a@b:c@h/a.git", "https://h/a.git",
         "WCOW_GIT_NAME=me\nWCOW_GIT_PASSWORD=a@b:c\n"},
        {"https://:tok@h/a.git", "https://h/a.git", "WCOW_GIT_NAME=\nWCOW_GIT_PASSWORD=tok\n"},
        {"https://tok:@h/a.git", "https://h/a.git", "WCOW_GIT_NAME=tok\nWCOW_GIT_PASSWORD=\n"},
        {"https://tok@h/a.git", "https://h/a.git",
         "GIT_CONFIG_COUNT=1\nGIT_CONFIG_KEY_0=credential.https://h.username\n"
         "GIT_CONFIG_VALUE_0=tok\nWCOW_GIT_NAME=tok\nWCOW_GIT_PASSWORD=\n"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        WCOW_CLEANUP(wcow_git_login_done) struct wcow_git_login login = {0};
        char variables[MAX_TEXT];
        assert_ok(wcow_git_login_take(cases[i].address, &login, &err));
        join(login.variables, WCOW_GIT_LOGIN_VARIABLES, variables);
        assert_string_equal(login.repository, cases[i].repository);
        assert_string_equal(variables, cases[i].variables);
        assert_int_equal(login.settings[0] != NULL, cases[i].variables[0] != '\0');
    }
}

static void no_setting_of_the_command_line_has_a_part_of_it(void **state)
{
    (void)state;
    static const char *const addresses[] = {"https://n4me:s3cret@h/a.git",
                                            "https://s3cret@h/a.git"};
    for (size_t i = 0; i < 2; i++) {
        WCOW_CLEANUP(wcow_git_login_done) struct wcow_git_login login = {0};
        char settings[MAX_TEXT];
        assert_ok(wcow_git_login_take(addresses[i], &login, &err));
        join(login.settings, WCOW_GIT_LOGIN_SETTINGS, settings);
        assert_non_null(strstr(settings, "credential.https://h.helper=!"));
        assert_null(strstr(settings, "s3cret"));
        assert_null(strstr(settings, "n4me"));
        /* A whole login is not mixed with what the caller's own helpers know. */
        assert_int_equal(strstr(settings, "credential.https://h.helper=\n") != NULL, i == 0);
    }
}

static void what_no_helper_could_say_is_refused(void **state)
{
    (void)state;
    static const char *const addresses[] = {"https://me:a%0Ab@h/a.git", "https://me:a@/a.git",
                                            "https://me:a@h=x/a.git", "ssh://me:s3cret@h/a.git",
                                            "git://me:s3cret@h/a.git"};
    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        struct wcow_git_login login = {0};
        struct wcow_error why = {0};
        assert_int_equal(wcow_git_login_take(addresses[i], &login, &why), WCOW_E_INVALID);
        assert_null(strstr(why.msg, "s3cret"));
    }
}

/* NOLINTBEGIN(concurrency-mt-unsafe): a test has one thread */
static void the_callers_settings_in_the_environment_stay(void **state)
{
    (void)state;
    WCOW_CLEANUP(wcow_git_login_done) struct wcow_git_login login = {0};
    assert_int_equal(setenv("GIT_CONFIG_COUNT", "2", 1), 0);
    assert_ok(wcow_git_login_take("https://me@h/a.git", &login, &err));
    assert_int_equal(unsetenv("GIT_CONFIG_COUNT"), 0);
    assert_string_equal(login.variables[0], "GIT_CONFIG_COUNT=3");
    assert_string_equal(login.variables[1], "GIT_CONFIG_KEY_2=credential.https://h.username");
    assert_true(wcow_git_login_replaces(&login, "GIT_CONFIG_COUNT=2"));
    assert_false(wcow_git_login_replaces(&login, "GIT_CONFIG_KEY_1=x"));
    assert_false(wcow_git_login_replaces(&login, "GIT_CONFIG_COUN=x"));
}
/* NOLINTEND(concurrency-mt-unsafe) */

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_login_is_taken_out_of_the_address),
        cmocka_unit_test(no_setting_of_the_command_line_has_a_part_of_it),
        cmocka_unit_test(what_no_helper_could_say_is_refused),
        cmocka_unit_test(the_callers_settings_in_the_environment_stay),
    };
    return cmocka_run_group_tests_name("builder/git_login", tests, NULL, NULL);
}
