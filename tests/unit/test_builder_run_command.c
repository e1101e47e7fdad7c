/* SPDX-License-Identifier: Apache-2.0 */
/* Command lines that Wine is not troubled with. */
#include <string.h>

#include "builder/wine_command.h"
#include "wcow_test.h"

static void others_are_left_to_wine(void **state)
{
    (void)state;
    static const char *const lines[] = {"",
                                        "cmd /S /C powershell -Command x",
                                        "pwsh -Command x",
                                        "powershelly",
                                        "\"C:\\power shell\\a.exe\" x",
                                        "C:\\powershell\\a.exe",
                                        "cmd /S /C mklink /H C:\\l C:\\f",
                                        "cmd /S /C dir /j ",
                                        "\"unclosed"};
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        assert_int_equal(wcow_wine_check_command(lines[i], lines[i], NULL), WCOW_OK);
}

static void powershell_is_refused_with_what_to_do(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "powershell -Command Write-Host hi", "PowerShell.exe",
        "\"C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe\" -File a.ps1"};
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct wcow_error err = {0};
        assert_int_equal(wcow_wine_check_command(lines[i], NULL, &err), WCOW_E_UNSUPPORTED);
        assert_non_null(strstr(err.msg, "SHELL [\"cmd\", \"/S\", \"/C\"]"));
    }
}

static void junctions_are_refused(void **state)
{
    (void)state;
    struct wcow_error err = {0};
    assert_int_equal(wcow_wine_check_command("cmd /S /C MKLINK /J C:\\j C:\\d", NULL, &err),
                     WCOW_E_UNSUPPORTED);
    assert_non_null(strstr(err.msg, "mklink /H"));
    assert_int_equal(wcow_wine_check_command("cmd /S /C", "md d\nmklink /j j d\n", &err),
                     WCOW_E_UNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(others_are_left_to_wine),
        cmocka_unit_test(junctions_are_refused),
        cmocka_unit_test(powershell_is_refused_with_what_to_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
