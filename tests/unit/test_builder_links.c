/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/links.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "wcow_test.h"

static void targets_become_names_of_the_layer(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"Files/Documents and Settings", "C:\\Users", "Files/Users"},
        {"Files/a/l", "c:/x/y", "Files/x/y"},
        {"Files/a/l", "\\x", "Files/x"},
        {"Files/a/l", "..\\b", "Files/b"},
        {"Files/a/l", "b\\.\\c", "Files/a/b/c"},
        {"Files/a/l", "..\\..\\..\\..\\b", "Files/b"},
        {"Files/l", "\\??\\C:\\Users\\", "Files/Users"},
        {"Files/l", "\\\\?\\C:\\Users", "Files/Users"},
        {"Files/l", "C:\\", "Files"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        wcow_autofree char *got = NULL;
        assert_ok(wcow_link_resolve(cases[i][0], cases[i][1], &got, &err));
        assert_string_equal(got, cases[i][2]);
    }
}

static void targets_outside_the_image_are_refused(void **state)
{
    (void)state;
    static const char *const targets[] = {"D:\\x", "\\\\server\\share", "//server/share",
                                          "\\??\\Volume{1}\\x", "C:relative"};
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        char *got = NULL;
        assert_fails(wcow_link_resolve("Files/l", targets[i], &got, &err), WCOW_E_INVALID);
        assert_null(got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(targets_become_names_of_the_layer),
        cmocka_unit_test(targets_outside_the_image_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
