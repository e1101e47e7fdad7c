/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/run.h"

#include <string.h>

#include "wcow_test.h"

static void a_host_is_a_name_and_an_address(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *line;
    } cases[] = {
        {"app=10.1.2.3", "10.1.2.3\tapp\n"},
        {"app:10.1.2.3", "10.1.2.3\tapp\n"},
        {"my_host.example-1=2001:4860:4860::8888", "2001:4860:4860::8888\tmy_host.example-1\n"},
        {"app:::1", "::1\tapp\n"},
        {"app=[::1]", "::1\tapp\n"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        wcow_autobuf lines = {0};
        assert_ok(wcow_run_host_add(cases[i].text, &lines, &err));
        assert_string_equal((const char *)lines.data, cases[i].line);
    }
}

static void what_is_none_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *message;
    } cases[] = {
        {"", "it is NAME=ADDRESS"},
        {"app", "it is NAME=ADDRESS"},
        {"=10.1.2.3", "it is NAME=ADDRESS"},
        {"a b=10.1.2.3", "it is NAME=ADDRESS"},
        {"a\n=10.1.2.3", "it is NAME=ADDRESS"},
        {"app=", "\"\" is no IP address"},
        {"app=10.1.2", "\"10.1.2\" is no IP address"},
        {"app=[10.1.2.3]", "is no IP address"},
        {"app=[::1", "is no IP address"},
        {"app=::1\n2.2.2.2 other", "is no IP address"},
        {"app=host-gateway", "\"host-gateway\" is no IP address"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        wcow_autobuf lines = {0};
        struct wcow_error err = {0};
        assert_int_equal(wcow_run_host_add(cases[i].text, &lines, &err), WCOW_E_INVALID);
        if (!strstr(err.msg, cases[i].message))
            fail_msg("%s: %s", cases[i].text, err.msg);
        assert_int_equal(lines.len, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_host_is_a_name_and_an_address),
        cmocka_unit_test(what_is_none_is_refused),
    };
    return cmocka_run_group_tests_name("builder/run_hosts", tests, NULL, NULL);
}
