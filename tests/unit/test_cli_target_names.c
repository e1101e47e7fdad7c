/* SPDX-License-Identifier: Apache-2.0 */
#include "wcow_test.h"

#include <stdlib.h>

#include "cli/target.h"

static void people_write_paths_in_many_ways(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *want;
    } table[] = {
        {"C:\\", "Files"},
        {"c:/", "Files"},
        {"C:", "Files"},
        {"C:\\Windows\\win.ini", "Files/Windows/win.ini"},
        {"c:/Windows//System32/", "Files/Windows/System32"},
        {"/Windows", "Files/Windows"},
        {"\\Windows", "Files/Windows"},
        {"Windows/./x", "Files/Windows/x"},
        {"Files/Windows", "Files/Windows"},
        {"files\\Windows", "Files/Windows"},
        {"/Files", "Files"},
        {"Filesystem", "Files/Filesystem"},
        {"C:\\Files\\a", "Files/Files/a"}, /* with a drive it is that of C: */
        {"Hives", "Hives"},
        {"hives/System_Delta", "Hives/System_Delta"},
        {"UtilityVM/Files/EFI", "UtilityVM/Files/EFI"},
        {"/", ""},
        {"", ""},
        {".", ""},
        {"a.txt:stream", "Files/a.txt:stream"},
        {"C:\\a.txt:stream", "Files/a.txt:stream"},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        wcow_autofree char *path = NULL;
        assert_ok(wcow_target_path(table[i].text, &path, &err));
        assert_string_equal(path, table[i].want);
    }
}

static void other_drives_and_dot_dot_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"D:\\x", "e:", "..", "C:\\..\\x", "Files/../x", "a\\..\\b"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char *path = NULL;
        assert_fails(wcow_target_path(bad[i], &path, &err), WCOW_E_INVALID);
        assert_null(path);
    }
}

/* Turns the direction of writing (U+202E). */
static const char turned[] = {(char)0xe2, (char)0x80, (char)0xae, 0};

static void names_cannot_upset_a_terminal(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *want;
    } table[] = {
        {"Files/a b.txt", "Files/a b.txt"},
        {"Files/\xc3\xbc", "Files/\xc3\xbc"},
        {"a\nb", "a\\x0ab"},
        {"\x1b[31m", "\\x1b[31m"},
        {"\x7f", "\\x7f"},
        {"\xc2\x9b", "\\xc2\\x9b"}, /* a control character of 8 bits */
        {turned, "\\xe2\\x80\\xae"},
        {"\xed\xa0\x80", "\\xed\\xa0\\x80"}, /* a lone surrogate */
        {"\xff", "\\xff"},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        wcow_autobuf out = {0};
        assert_ok(wcow_target_escape(&out, table[i].name, &err));
        assert_string_equal((const char *)out.data, table[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(people_write_paths_in_many_ways),
        cmocka_unit_test(other_drives_and_dot_dot_are_refused),
        cmocka_unit_test(names_cannot_upset_a_terminal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
