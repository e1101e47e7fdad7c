/* SPDX-License-Identifier: Apache-2.0 */
#include "wcow_test.h"

#include <string.h>

#include "layer/names.h"

static void keys_fold_as_ntfs_does(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"Files/Windows/notepad.exe", "FILES/WINDOWS/NOTEPAD.EXE"},
        {"", ""},
        {"\xc3\xa9\xc3\xbf", "\xc3\x89\xc5\xb8"},                 /* e acute, y diaeresis */
        {"\xd0\xb6\xd1\x97", "\xd0\x96\xd0\x87"},                 /* Cyrillic */
        {"\xcf\x82\xcf\x83", "\xce\xa3\xce\xa3"},                 /* both sigmas */
        {"\xef\xbd\x81", "\xef\xbc\xa1"},                         /* full width a */
        {"\xe1\xbe\x80", "\xe1\xbe\x88"},                         /* Greek with iota subscript */
        {"\xe2\x93\x90", "\xe2\x92\xb6"},                         /* circled a */
        {"\xc7\xb3\xc7\xb2", "\xc7\xb1\xc7\xb2"},                 /* dz: title case stays */
        {"\xc4\xb1\xc4\xb0", "\xc4\xb1\xc4\xb0"},                 /* dotless and dotted i */
        {"\xc5\xbf\xc2\xb5\xc3\x9f", "\xc5\xbf\xc2\xb5\xc3\x9f"}, /* long s, micro, sharp s */
        {"\xe1\x83\x90\xea\xad\xb0", "\xe1\x83\x90\xea\xad\xb0"}, /* Georgian, Cherokee */
        {"\xf0\x90\x90\xa8", "\xf0\x90\x90\xa8"},                 /* Deseret: outside the plane */
        {"\xed\xa0\x80x", "\xed\xa0\x80X"},                       /* a lone surrogate */
        {"\xed\xa0\x81\xed\xb0\xa8", "\xf0\x90\x90\xa8"},         /* a pair is the character */
    };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        wcow_autofree char *key = NULL;
        wcow_autofree char *again = NULL;
        assert_ok(wcow_name_key(pairs[i][0], &key, &err));
        assert_string_equal(key, pairs[i][1]);
        assert_ok(wcow_name_key(key, &again, &err));
        assert_string_equal(again, key);
    }
    char *key = NULL;
    assert_fails(wcow_name_key("a\x80", &key, &err), WCOW_E_INVALID);
    assert_null(key);
}

static void components_that_windows_takes(void **state)
{
    (void)state;
    char longest[256];
    memset(longest, 'x', 255);
    longest[255] = '\0';
    const char *const good[] = {
        "a",         "notepad.exe",  ".gitignore", "a b",      "CONx",      "com",
        "COM10",     "COM0",         "LPT",        "nully",    "aux-file",  "$Recycle.Bin",
        "a;b=c,d'e", "\xed\xa0\x80", "\xc3\xbc",   "[x]{y}~1", "x.con.txt", longest,
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_ok(wcow_name_check_component(good[i], strlen(good[i]), &err));
}

static void components_that_windows_refuses(void **state)
{
    (void)state;
    char long_name[257];
    memset(long_name, 'x', 256);
    long_name[256] = '\0';
    char wide[4 * 128 + 1]; /* 256 units in 128 characters */
    for (size_t i = 0; i < 128; i++)
        memcpy(wide + 4 * i, "\xf0\x9f\x98\x80", 4);
    wide[sizeof(wide) - 1] = '\0';
    const struct {
        const char *name;
        const char *words;
    } bad[] = {
        {"", "empty"},
        {".", "not allowed"},
        {"..", "not allowed"},
        {"...", "dot or a space"},
        {"a.", "dot or a space"},
        {"a ", "dot or a space"},
        {"con", "device name"},
        {"NUL.tar.gz", "device name"},
        {"aux .txt", "device name"},
        {"Com9.log", "device name"},
        {"lpt1", "device name"},
        {"COM\xc2\xb9", "device name"},
        {"conin$", "device name"},
        {"a<b", "'<'"},
        {"a>b", "'>'"},
        {"a:b", "':'"},
        {"a\"b", "'\"'"},
        {"a|b", "'|'"},
        {"a?b", "'?'"},
        {"a*b", "'*'"},
        {"a\\b", "'\\'"},
        {"a/b", "'/'"},
        {"a\tb", "0x09"},
        {"a\xc0\x80", "not UTF-8"},
        {"\xed\xa0\x81\xed\xb0\xa8", "surrogate pair"},
        {".wh.a.txt", "would delete"},
        {".wh..wh..opq", "would delete"},
        {"dir.$wcidirs$", "importers' own"},
        {".$WciDirs$", "importers' own"},
        {long_name, "256 UTF-16 units"},
        {wide, "256 UTF-16 units"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct wcow_error err = {0};
        int r = wcow_name_check_component(bad[i].name, strlen(bad[i].name), &err);
        if (r != WCOW_E_INVALID || err.code != r || !strstr(err.msg, bad[i].words))
            fail_msg("\"%s\": %d, %s", bad[i].name, r, err.msg);
    }
    assert_fails(wcow_name_check_component("a\0b", 3, &err), WCOW_E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_fold_as_ntfs_does),
        cmocka_unit_test(components_that_windows_takes),
        cmocka_unit_test(components_that_windows_refuses),
    };
    return cmocka_run_group_tests_name("layer/names", tests, NULL, NULL);
}
