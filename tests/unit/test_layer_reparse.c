/* SPDX-License-Identifier: Apache-2.0 */
#include "wcow_test.h"

#include <string.h>

#include "layer/reparse.h"

static void targets_round_trip_with_their_substitute_names(void **state)
{
    (void)state;
    static const struct {
        uint32_t tag;
        const char *target;
        const char *substitute; /* UTF-16 without zeros, for ASCII */
        bool is_relative;
    } cases[] = {
        {WCOW_REPARSE_MOUNT_POINT, "C:\\Windows", "\\??\\C:\\Windows", false},
        {WCOW_REPARSE_MOUNT_POINT, "\\\\?\\Volume{1-2}\\", "\\??\\Volume{1-2}\\", false},
        {WCOW_REPARSE_SYMLINK, "C:\\Users", "\\??\\C:\\Users", false},
        {WCOW_REPARSE_SYMLINK, "\\\\srv\\share", "\\??\\UNC\\srv\\share", false},
        {WCOW_REPARSE_SYMLINK, "..\\x", "..\\x", true},
        {WCOW_REPARSE_SYMLINK, "", "", true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        wcow_autobuf data = {0};
        assert_ok(wcow_reparse_encode(cases[i].tag, cases[i].target, &data, &err));
        assert_int_equal(data.len, 8U + wcow_load_le16(data.data + 4));
        size_t at = cases[i].tag == WCOW_REPARSE_SYMLINK ? 20 : 16;
        size_t len = strlen(cases[i].substitute);
        assert_int_equal(wcow_load_le16(data.data + 10), 2 * len);
        for (size_t k = 0; k < len; k++)
            assert_int_equal(wcow_load_le16(data.data + at + 2 * k), cases[i].substitute[k]);
        if (at == 20)
            assert_int_equal(wcow_load_le32(data.data + 16), cases[i].is_relative);
        uint32_t tag = 0;
        wcow_autofree char *target = NULL;
        assert_ok(wcow_reparse_decode(data.data, data.len, &tag, &target, &err));
        assert_int_equal(tag, cases[i].tag);
        assert_string_equal(target, cases[i].target);
    }
    wcow_autobuf data = {0};
    uint32_t tag = 0;
    wcow_autofree char *target = NULL;
    assert_ok(wcow_reparse_encode(WCOW_REPARSE_SYMLINK, "\xc3\xbc\xf0\x9f\x98\x80\xed\xa0\x80",
                                  &data, &err));
    assert_ok(wcow_reparse_decode(data.data, data.len, &tag, &target, &err));
    assert_string_equal(target, "\xc3\xbc\xf0\x9f\x98\x80\xed\xa0\x80");
}

static void names_are_found_by_their_offsets(void **state)
{
    (void)state;
    /* As mklink writes it: the print name first, without NULs. */
    static const uint8_t mklink[] = {0x0c, 0, 0, 0xa0, 0x10, 0, 0, 0, 2,   0, 2,   0,
                                     0,    0, 2, 0,    1,    0, 0, 0, '.', 0, '.', 0};
    uint32_t tag = 0;
    wcow_autofree char *target = NULL;
    assert_ok(wcow_reparse_decode(mklink, sizeof(mklink), &tag, &target, &err));
    assert_string_equal(target, ".");
}

/* A junction as PowerShell makes it: no print name. */
static void without_a_print_name_the_substitute_counts(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"\\??\\C:\\Users", "C:\\Users"},
        {"\\??\\UNC\\srv\\x", "\\\\srv\\x"},
        {"\\??\\Volume{1}\\x", "\\\\?\\Volume{1}\\x"},
        {"\\??\\GLOBALROOT\\Device\\x", "\\\\?\\GLOBALROOT\\Device\\x"},
        {"..\\x", "..\\x"},
    };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        uint8_t data[256] = {3, 0, 0, 0xa0};
        size_t n = 2 * strlen(pairs[i][0]);
        wcow_store_le16(data + 4, (uint16_t)(8 + n + 4));
        wcow_store_le16(data + 10, (uint16_t)n);
        wcow_store_le16(data + 12, (uint16_t)(n + 2));
        for (size_t k = 0; k < n / 2; k++)
            data[16 + 2 * k] = (uint8_t)pairs[i][0][k];
        uint32_t tag = 0;
        wcow_autofree char *target = NULL;
        assert_ok(wcow_reparse_decode(data, 8 + 8 + n + 4, &tag, &target, &err));
        assert_string_equal(target, pairs[i][1]);
    }
}

static void bad_reparse_points_are_refused(void **state)
{
    (void)state;
    wcow_autobuf good = {0};
    assert_ok(wcow_reparse_encode(WCOW_REPARSE_SYMLINK, "abc", &good, &err));
    uint32_t tag = 0;
    char *target = NULL;
    for (size_t len = 0; len < good.len; len++)
        assert_fails(wcow_reparse_decode(good.data, len, &tag, &target, &err), WCOW_E_INVALID);
    static const size_t odd[] = {8, 10, 12, 14};
    for (size_t i = 0; i < 4; i++) {
        good.data[odd[i]] ^= 1;
        assert_fails(wcow_reparse_decode(good.data, good.len, &tag, &target, &err), WCOW_E_INVALID);
        good.data[odd[i]] ^= 1;
    }
    good.data[0] = 0x18; /* IO_REPARSE_TAG_WCI */
    assert_fails(wcow_reparse_decode(good.data, good.len, &tag, &target, &err), WCOW_E_UNSUPPORTED);
    assert_null(target);
    wcow_autobuf out = {0};
    assert_fails(wcow_reparse_encode(WCOW_REPARSE_SYMLINK, "a\xff", &out, &err), WCOW_E_INVALID);
    static char longest[9000];
    memset(longest, 'x', sizeof(longest) - 1);
    assert_fails(wcow_reparse_encode(WCOW_REPARSE_SYMLINK, longest, &out, &err), WCOW_E_LIMIT);
}

static void links_lead_somewhere_on_linux_too(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *target;
        const char *want; /* NULL: nowhere */
    } cases[] = {
        {"Files/Documents and Settings", "C:\\Users", "Users"},
        {"Files/a/b/l", "C:\\x\\y", "../../x/y"},
        {"Files/a/b/l", "c:/a/c", "../c"},
        {"Files/a/b/l", "\\\\?\\C:\\a\\b", "."},
        {"Files/a/b/l", "C:\\a", ".."},
        {"Files/a/b/l", "..\\x", "../x"},
        {"Files/a/b/l", "x\\.\\y", "x/y"},
        {"Files/a/b/l", "\\x", "../../x"},
        {"Files/l", "C:\\", "."},
        {"Files/ab/l", "C:\\a", "../a"},
        {"UtilityVM/Files/a/l", "C:\\b", "../b"},
        {"Files/l", "..\\x", NULL},
        {"Files/a/l", "..\\..\\Hives", NULL},
        {"Files/l", "C:\\..\\x", NULL},
        {"Files/l", "D:\\x", NULL},
        {"Files/l", "C:x", NULL},
        {"Files/l", "\\\\srv\\share\\x", NULL},
        {"Files/l", "\\\\?\\Volume{1}:\\x", NULL},
        {"Files/l", "a:b", NULL},
        {"Files/l", "", NULL},
        {"Hives/l", "C:\\x", NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        wcow_autofree char *got = NULL;
        assert_ok(wcow_reparse_posix_target(cases[i].name, cases[i].target, &got, &err));
        if ((got == NULL) != (cases[i].want == NULL) || (got && strcmp(got, cases[i].want) != 0))
            fail_msg("%s -> %s: %s", cases[i].name, cases[i].target, got ? got : "nowhere");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(targets_round_trip_with_their_substitute_names),
        cmocka_unit_test(names_are_found_by_their_offsets),
        cmocka_unit_test(without_a_print_name_the_substitute_counts),
        cmocka_unit_test(bad_reparse_points_are_refused),
        cmocka_unit_test(links_lead_somewhere_on_linux_too),
    };
    return cmocka_run_group_tests_name("layer/reparse", tests, NULL, NULL);
}
