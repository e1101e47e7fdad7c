/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

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

static void filters_are_by_age_and_by_name(void **state)
{
    (void)state;
    struct wcow_cached_layer layer = {.used_s = 1000};
    struct wcow_cache_filter f = {0};
    static const char *const age[] = {"until=1m"};
    static const char *const old_age[] = {"unused-for=2m"};
    static const char *const id[] = {"id=sha256:aaaa", "until=1m"};
    static const char *const short_id[] = {"id=aaab"};
    memset(layer.digest.text, 'a', sizeof(layer.digest.text) - 1);
    memcpy(layer.digest.text, "sha256:", 7);
    assert_ok(wcow_cache_filter_parse(NULL, 0, 1100, &f, &err));
    assert_false(f.is_given);
    assert_true(wcow_cache_filter_matches(&f, &layer));
    assert_ok(wcow_cache_filter_parse(age, 1, 1100, &f, &err));
    assert_true(f.is_given);
    assert_true(wcow_cache_filter_matches(&f, &layer));
    assert_ok(wcow_cache_filter_parse(old_age, 1, 1100, &f, &err));
    assert_false(wcow_cache_filter_matches(&f, &layer));
    assert_ok(wcow_cache_filter_parse(id, 2, 1100, &f, &err));
    assert_true(wcow_cache_filter_matches(&f, &layer));
    assert_ok(wcow_cache_filter_parse(short_id, 1, 1100, &f, &err));
    assert_false(wcow_cache_filter_matches(&f, &layer));
    static const char *const bad[] = {"color=red", "until", "until=soon", "", "untilx=1h"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_fails(wcow_cache_filter_parse(&bad[i], 1, 0, &f, &err), WCOW_E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_read_as_people_write_them),
        cmocka_unit_test(durations_too),
        cmocka_unit_test(sizes_are_shown_short),
        cmocka_unit_test(filters_are_by_age_and_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
