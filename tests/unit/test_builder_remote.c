/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/remote.h"

#include <stdlib.h>
#include <string.h>

#include "wcow_test.h"

static void a_file_is_named_by_the_last_component_of_its_path(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        const char *name;
    } cases[] = {{"https://h/a/b.zip", "b.zip"},
                 {"https://h/a/b.zip?v=1/2#x", "b.zip"},
                 {"https://h/a%20b.txt", "a b.txt"},
                 {"https://h/a%2Fb", "__unnamed__"},
                 {"https://h/a%5cb", "__unnamed__"},
                 {"https://h/a/", "a"},
                 {"https://h/", "__unnamed__"},
                 {"https://h", "__unnamed__"},
                 {"https://h?x=y.zip", "__unnamed__"},
                 {"https://h/..", "__unnamed__"},
                 {"https://h/%zz", "%zz"},
                 {"https://h/a%00b", "a%00b"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        wcow_autofree char *name = NULL;
        assert_ok(wcow_remote_name(cases[i].url, &name, &err));
        assert_string_equal(name, cases[i].name);
    }
}

static void a_checksum_that_is_none_is_refused_before_anything_is_fetched(void **state)
{
    (void)state;
    const struct wcow_remote_fetch fetch = {.url = "http://127.0.0.1:1/x", .checksum = "md5:abc"};
    struct wcow_remote_file file = {0};
    struct wcow_error err = {0};
    assert_int_equal(wcow_remote_get(&fetch, &file, &err), WCOW_E_INVALID);
}

static void a_server_that_is_away_is_named(void **state)
{
    (void)state;
    const struct wcow_remote_fetch fetch = {.url = "http://127.0.0.1:1/x", .retry_delay_ms = 1};
    struct wcow_remote_file file = {0};
    struct wcow_error err = {0};
    assert_int_equal(wcow_remote_get(&fetch, &file, &err), WCOW_E_UNAVAILABLE);
    assert_non_null(strstr(err.msg, "http://127.0.0.1:1/x"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_named_by_the_last_component_of_its_path),
        cmocka_unit_test(a_checksum_that_is_none_is_refused_before_anything_is_fetched),
        cmocka_unit_test(a_server_that_is_away_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
