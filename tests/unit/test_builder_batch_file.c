/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/batch_file.h"

#include <string.h>

#include "wcow_test.h"

static void lines_end_as_cmd_wants_them(void **state)
{
    (void)state;
    wcow_autobuf out = {0};
    assert_ok(wcow_batch_file_write("echo one\necho two\r\n\necho three", &out, &err));
    assert_string_equal((const char *)out.data,
                        "@echo off\r\necho one\r\necho two\r\n\r\necho three\r\n");
}

static void characters_are_in_the_code_page(void **state)
{
    (void)state;
    wcow_autobuf out = {0};
    assert_ok(wcow_batch_file_write("md \xc3\xbc\xe2\x95\x94\xce\xa9\xc2\xa0", &out, &err));
    assert_string_equal((const char *)out.data, "@echo off\r\nmd \x81\xc9\xea\xff\r\n");
}

static void others_are_named(void **state)
{
    (void)state;
    wcow_autobuf out = {0};
    struct wcow_error err = {0};
    assert_int_equal(wcow_batch_file_write("echo a\necho \xe6\x97\xa5", &out, &err),
                     WCOW_E_UNSUPPORTED);
    assert_non_null(strstr(err.msg, "line 2 of the here-document has \"\xe6\x97\xa5\""));
    assert_int_equal(wcow_batch_file_write("echo \xff", &out, &err), WCOW_E_UNSUPPORTED);
    assert_non_null(strstr(err.msg, "line 1 of the here-document has \"?\""));
}

static void in_remarks_all_may_stand(void **state)
{
    (void)state;
    wcow_autobuf out = {0};
    assert_ok(wcow_batch_file_write("rem \xe6\x97\xa5\xc3\xbc\n@REM\t\xe6\n :: \xe6", &out, &err));
    assert_string_equal((const char *)out.data, "@echo off\r\nrem ?\x81\r\n@REM\t?\r\n :: ?\r\n");
    assert_int_equal(wcow_batch_file_write("remove \xe6\x97\xa5", &out, NULL), WCOW_E_UNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_end_as_cmd_wants_them),
        cmocka_unit_test(characters_are_in_the_code_page),
        cmocka_unit_test(others_are_named),
        cmocka_unit_test(in_remarks_all_may_stand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
