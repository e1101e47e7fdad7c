/* SPDX-License-Identifier: Apache-2.0 */
#include "wcow_test.h"

#include <string.h>

#include "image/platform.h"

static void platforms_parse_and_come_back(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *back;
    } cases[] = {
        {"windows/amd64", "windows/amd64"},
        {"Windows/x86_64", "windows/amd64"},
        {"windows(10.0.20348.1)/amd64", "windows(10.0.20348.1)/amd64"},
        {"windows(10.0.20348+win32k)/amd64", "windows(10.0.20348+win32k)/amd64"},
        {"windows(+win32k)/amd64", "windows(+win32k)/amd64"},
        {"linux/aarch64", "linux/arm64"},
        {"linux/arm64/v8", "linux/arm64"},
        {"linux/arm", "linux/arm/v7"},
        {"linux/arm/6", "linux/arm/v6"},
        {"linux/armhf", "linux/arm/v7"},
        {"linux/amd64/v3", "linux/amd64/v3"},
        {"linux/amd64/v1", "linux/amd64"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct wcow_platform p;
        wcow_autobuf text = {0};
        assert_ok(wcow_platform_parse(cases[i].text, &p, &err));
        assert_ok(wcow_platform_format(&p, &text, &err));
        assert_string_equal((char *)text.data, cases[i].back);
    }
    struct wcow_platform p;
    assert_ok(wcow_platform_parse("windows(10.0.20348)", &p, &err));
    assert_string_equal(p.architecture, wcow_platform_host().architecture);
}

static void bad_platforms_are_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "/amd64",
        "windows/",
        "windows//v1",
        "windows(10/amd64",
        "windows()/amd64",
        "win dows/",
        "amd64",
        "windows/amd64/v1/x",
        "windows(1)x/amd64",
        "windows(1+)/amd64",
        "windows(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)/amd64",
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct wcow_platform p;
        assert_fails(wcow_platform_parse(cases[i], &p, &err), WCOW_E_INVALID);
    }
}

static void a_wish_matches_its_build_and_no_other(void **state)
{
    (void)state;
    static const struct {
        const char *wanted;
        const char *candidate;
        bool matches;
    } cases[] = {
        {"windows/amd64", "windows(10.0.20348.1)/amd64", true},
        {"windows(10.0.20348)/amd64", "windows(10.0.20348.2461)/amd64", true},
        {"windows(10.0.20348.1)/amd64", "windows(10.0.20348.2461)/amd64", true},
        {"windows(10.0.20348)/amd64", "windows(10.0.2034.1)/amd64", false},
        {"windows(10.0.20348)/amd64", "windows(10.0.26100.1)/amd64", false},
        {"windows(10.0.20348)/amd64", "windows/amd64", false},
        {"windows(10)/amd64", "windows(10.0.26100.1)/amd64", true},
        {"windows/amd64", "linux/amd64", false},
        {"windows/amd64", "windows/arm64", false},
        {"linux/arm/v7", "linux/arm", true},
        {"linux/arm/v6", "linux/arm", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct wcow_platform w;
        struct wcow_platform c;
        assert_ok(wcow_platform_parse(cases[i].wanted, &w, &err));
        assert_ok(wcow_platform_parse(cases[i].candidate, &c, &err));
        if (wcow_platform_matches(&w, &c) != cases[i].matches)
            fail_msg("%s, %s", cases[i].wanted, cases[i].candidate);
    }
}

static void the_exact_or_newest_version_wins(void **state)
{
    (void)state;
    struct wcow_platform w;
    struct wcow_platform old;
    struct wcow_platform new;
    assert_ok(wcow_platform_parse("windows(10.0.20348.9)/amd64", &old, &err));
    assert_ok(wcow_platform_parse("windows(10.0.20348.10)/amd64", &new, &err));
    assert_ok(wcow_platform_parse("windows(10.0.20348)/amd64", &w, &err));
    assert_true(wcow_platform_compare(&w, &new, &old) < 0);
    assert_true(wcow_platform_compare(&w, &old, &new) > 0);
    assert_int_equal(wcow_platform_compare(&w, &old, &old), 0);
    assert_true(wcow_platform_compare(&old, &old, &new) < 0);
    assert_true(wcow_os_version_compare("10.0", "10.0.1") < 0);
    assert_int_equal(wcow_os_version_compare("10.00.1", "10.0.01"), 0);
    assert_true(wcow_os_version_compare("99999999999999999999999", "1") > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(platforms_parse_and_come_back),
        cmocka_unit_test(bad_platforms_are_refused),
        cmocka_unit_test(a_wish_matches_its_build_and_no_other),
        cmocka_unit_test(the_exact_or_newest_version_wins),
    };
    return cmocka_run_group_tests_name("image/platform", tests, NULL, NULL);
}
