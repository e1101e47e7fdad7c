/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/build_cache.h"

#include "wcow_test.h"

static void sizes_are_read_as_people_write_them(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t bytes;
    } cases[] = {{"0", 0},
                 {"1000", 1000},
                 {"500MB", 500000000},
                 {"2k", 2000},
                 {"1GiB", 1 << 30},
                 {"10gb", UINT64_C(10000000000)},
                 {"3B", 3},
                 {"1TiB", UINT64_C(1) << 40}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t bytes = 0;
        assert_ok(wcow_size_parse(cases[i].text, &bytes, &err));
        assert_int_equal(bytes, cases[i].bytes);
    }
    static const char *const bad[] = {
        "", "MB", "-1", "1x", "1 GB", "99999999999999999999", "99999999999TB"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint64_t bytes = 0;
        assert_fails(wcow_size_parse(bad[i], &bytes, &err), WCOW_E_INVALID);
    }
}

static void durations_too(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t seconds;
    } cases[] = {{"24h", 86400}, {"90m", 5400}, {"7d", 604800}, {"1h30m", 5400}, {"15", 15}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t seconds = 0;
        assert_ok(wcow_duration_parse(cases[i].text, &seconds, &err));
        assert_int_equal(seconds, cases[i].seconds);
    }
    static const char *const bad[] = {"", "h", "1y", "-1h", "1hh", "99999999999h"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int64_t seconds = 0;
        assert_fails(wcow_duration_parse(bad[i], &seconds, &err), WCOW_E_INVALID);
    }
}

static void sizes_are_shown_short(void **state)
{
    (void)state;
    char text[WCOW_SIZE_TEXT_MAX];
    wcow_size_text(0, text);
    assert_string_equal(text, "0 B");
    wcow_size_text(999, text);
    assert_string_equal(text, "999 B");
    wcow_size_text(12345678, text);
    assert_string_equal(text, "12.3 MB");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_read_as_people_write_them),
        cmocka_unit_test(durations_too),
        cmocka_unit_test(sizes_are_shown_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
