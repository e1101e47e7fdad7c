/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <string.h>

#include "tests/wcow_test.h"

static void a_foreign_name_is_no_command_to_a_terminal(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *want;
    } cases[] = {
        {"\x1b]0;mine\x07", "read \"?]0;mine?\""},
        {"\xc2\x9b"
         "31m",
         "read \"??31m\""}, /* U+009B, which is ESC [ in one */
        {"\x7f\r", "read \"??\""},
        {"M\xc3\xbcller\tund\nS\xc3\xb6hne", "read \"M\xc3\xbcller\tund\nS\xc3\xb6hne\""},
        {"\xc2", "read \"\xc2\""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct wcow_error err = {0};
        assert_int_equal(WCOW_FAIL(&err, WCOW_E_IO, "read \"%s\"", cases[i].name), WCOW_E_IO);
        assert_string_equal(err.msg, cases[i].want);
        assert_int_equal(wcow_error_wrap(WCOW_E_IO, &err, "%s", cases[i].name), WCOW_E_IO);
        assert_null(strpbrk(err.msg, "\x1b\x07\x7f\r"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_foreign_name_is_no_command_to_a_terminal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
