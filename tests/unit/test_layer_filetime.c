/* SPDX-License-Identifier: Apache-2.0 */
#include "wcow_test.h"

#include <string.h>

#include "layer/filetime.h"

static const struct {
    uint64_t filetime;
    const char *text;
} pairs[] = {
    {133500000000000001, "1705526400.0000001"},
    {133500000000000000, "1705526400"},
    {WCOW_FILETIME_UNIX_EPOCH, "0"},
    {WCOW_FILETIME_UNIX_EPOCH + 1, "0.0000001"},
    {WCOW_FILETIME_UNIX_EPOCH - 1, "-0.0000001"},
    {WCOW_FILETIME_UNIX_EPOCH - 10000000, "-1"},
    {WCOW_FILETIME_UNIX_EPOCH - 15000000, "-1.5"},
    {0, "6802270473.709551616"},
    {1, "6802270473.709551716"},
    /* Past 2262 Go's count of nanoseconds wraps to the other side. */
    {208678456368547759, "-9223372036.854775716"},
};

static void filetimes_and_pax_times_round_trip(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        char text[WCOW_PAX_TIME_MAX];
        wcow_filetime_to_pax(pairs[i].filetime, text);
        assert_string_equal(text, pairs[i].text);
        uint64_t back = 1;
        assert_ok(wcow_filetime_of_pax(text, strlen(text), &back, &err));
        assert_int_equal(back, pairs[i].filetime);
    }
}

static void every_filetime_up_to_2554_round_trips(void **state)
{
    (void)state;
    for (uint64_t t = 0; t < UINT64_C(300000000000000000); t += UINT64_C(7777777777777)) {
        char text[WCOW_PAX_TIME_MAX];
        wcow_filetime_to_pax(t, text);
        uint64_t back = 0;
        assert_ok(wcow_filetime_of_pax(text, strlen(text), &back, &err));
        assert_int_equal(back, t);
    }
}

static void odd_but_legal_texts(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t filetime;
    } cases[] = {
        {"+5", WCOW_FILETIME_UNIX_EPOCH + 50000000},
        {"5.", WCOW_FILETIME_UNIX_EPOCH + 50000000},
        {"1.99999999999999", WCOW_FILETIME_UNIX_EPOCH + 19999999},
        {"1.000000149", WCOW_FILETIME_UNIX_EPOCH + 10000001},
        {"-0.5", WCOW_FILETIME_UNIX_EPOCH - 5000000},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t got = 0;
        assert_ok(wcow_filetime_of_pax(cases[i].text, strlen(cases[i].text), &got, &err));
        assert_int_equal(got, cases[i].filetime);
    }
}

static void texts_that_are_no_times_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",    ".",  ".5",   "-",   "+",    "1.2.3", "1,5",
        " 1",  "1 ", "0x10", "1e5", "1.-5", "1._5",  "9223372036854775808",
        "--1", "abc"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint64_t got = 77;
        assert_fails(wcow_filetime_of_pax(bad[i], strlen(bad[i]), &got, &err), WCOW_E_INVALID);
        assert_int_equal(got, 77);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(filetimes_and_pax_times_round_trip),
        cmocka_unit_test(every_filetime_up_to_2554_round_trips),
        cmocka_unit_test(odd_but_legal_texts),
        cmocka_unit_test(texts_that_are_no_times_are_refused),
    };
    return cmocka_run_group_tests_name("layer/filetime", tests, NULL, NULL);
}
