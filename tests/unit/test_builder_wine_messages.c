/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/wine_messages.h"

#include <string.h>

#include "wcow_test.h"

static void lines_of_the_command_stay(void **state)
{
    (void)state;
    static const char *const lines[] = {"",
                                        "fixme:file:x",
                                        "echo of :fixme:file: in a text",
                                        "12345:fixme:file:x",
                                        "zzzz:fixme:file:x",
                                        "see :fixme:file:CreateSymbolicLinkW (L\"l\" 0): stub",
                                        "a 0158:fixme:file:CreateSymbolicLinkW (L\"l\" in text"};
    wcow_autobuf link = {0};
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        assert_false(wcow_wine_message_take(lines[i], &link));
    assert_int_equal(link.len, 0);
}

static void a_link_is_noted(void **state)
{
    (void)state;
    wcow_autobuf link = {0};
    assert_true(wcow_wine_message_take("0a58:fixme:file:server_ioctl_file stub", &link));
    assert_int_equal(link.len, 0);
    assert_true(wcow_wine_message_take(
        "0158:fixme:file:CreateSymbolicLinkW (L\"C:\\\\a\\\\l\" L\"C:\\\\f\" 0): stub", &link));
    assert_string_equal((const char *)link.data, "C:\\a\\l");
    assert_true(wcow_wine_message_take(
        "0158:fixme:file:CreateSymbolicLinkW (L\"C:\\\\m\" L\"x\" 0): stub", &link));
    assert_string_equal((const char *)link.data, "C:\\a\\l");
}

static void behind_a_line_without_an_end_too(void **state)
{
    (void)state;
    wcow_autobuf link = {0};
    assert_false(wcow_wine_message_take(
        "50%0158:fixme:file:CreateSymbolicLinkW (L\"l\" L\"f\" 0): stub", &link));
    assert_string_equal((const char *)link.data, "l");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_of_the_command_stay),
        cmocka_unit_test(a_link_is_noted),
        cmocka_unit_test(behind_a_line_without_an_end_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
