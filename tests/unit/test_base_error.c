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
        {"M\xc3\xbcller\tund S\xc3\xb6hne", "read \"M\xc3\xbcller\tund S\xc3\xb6hne\""},
        {"a\nerror: b\n", "read \"a?error: b?\""},
        {"\xc2", "read \"\xc2\""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct wcow_error err = {0};
        assert_int_equal(WCOW_FAIL(&err, WCOW_E_IO, "read \"%s\"", cases[i].name), WCOW_E_IO);
        assert_string_equal(err.msg, cases[i].want);
        assert_int_equal(wcow_error_wrap(WCOW_E_IO, &err, "%s", cases[i].name), WCOW_E_IO);
        assert_null(strpbrk(err.msg, "\x1b\x07\x7f\r\n"));
    }
}

static void what_a_program_said_may_have_lines(void **state)
{
    (void)state;
    struct wcow_error err = {0};
    (void)WCOW_FAIL(&err, WCOW_E_IO, "git failed:\n%s", "fatal: one\nhint: \x1b[2Jtwo");
    assert_string_equal(err.msg, "git failed:\nfatal: one\nhint: ?[2Jtwo");
    (void)wcow_error_wrap(WCOW_E_IO, &err, "step \"%s\"", "a\nb");
    assert_string_equal(err.msg, "step \"a?b\": git failed:\nfatal: one\nhint: ?[2Jtwo");
}

static void a_message_is_cut_to_fit(void **state)
{
    (void)state;
    struct wcow_error err = {0};
    (void)wcow_error_set(&err, __FILE__, __LINE__, WCOW_E_IO, ENOENT, "%600d", 1);
    assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
    (void)wcow_error_wrap(WCOW_E_IO, &err, "more");
    assert_memory_equal(err.msg, "more:  ", 7);
    assert_true(strlen(err.msg) < sizeof(err.msg));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_foreign_name_is_no_command_to_a_terminal),
        cmocka_unit_test(what_a_program_said_may_have_lines),
        cmocka_unit_test(a_message_is_cut_to_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
