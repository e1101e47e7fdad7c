/* SPDX-License-Identifier: Apache-2.0 */
#include "image/http.h"

#include "wcow_test.h"

static void a_date_is_read_in_each_of_its_forms(void **state)
{
    (void)state;
    static const char *const dates[] = {"Sun, 06 Nov 1994 08:49:37 GMT",
                                        "Sunday, 06-Nov-94 08:49:37 GMT",
                                        "Sun Nov  6 08:49:37 1994"};
    for (size_t i = 0; i < sizeof(dates) / sizeof(dates[0]); i++) {
        int64_t s = 0;
        assert_true(wcow_http_date(dates[i], &s));
        assert_int_equal(s, 784111777);
    }
}

static void what_is_no_date_is_none(void **state)
{
    (void)state;
    static const char *const texts[] = {NULL, "", "soon", "Sun, 06 Nov 1994 08:49:37 CET",
                                        "Sun, 06 Nov 1994 08:49:37 GMT and more"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        int64_t s = 7;
        assert_false(wcow_http_date(texts[i], &s));
        assert_int_equal(s, 7);
    }
}

static void retry_after_is_seconds_or_a_date(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {{"0", 0},
                 {"7", 7000},
                 {"86400", WCOW_HTTP_RETRY_AFTER_MAX_MS},
                 {"-5", 0},
                 {"99999999999999999999", WCOW_HTTP_RETRY_AFTER_MAX_MS},
                 {"Sun, 06 Nov 1994 08:49:39 GMT", 2000},
                 {"Sun, 06 Nov 1994 08:49:30 GMT", 0},
                 {"Sun, 06 Nov 2094 08:49:30 GMT", WCOW_HTTP_RETRY_AFTER_MAX_MS},
                 {"later", 0},
                 {"", 0},
                 {NULL, 0}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(wcow_http_retry_after_ms(cases[i].text, 784111777), cases[i].ms);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_date_is_read_in_each_of_its_forms),
        cmocka_unit_test(what_is_no_date_is_none),
        cmocka_unit_test(retry_after_is_seconds_or_a_date),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
