/* SPDX-License-Identifier: Apache-2.0 */
#include "wcow_test.h"

#include <string.h>

#include "layer/entry.h"
#include "layer/view.h"

static void a_copy_is_deep_and_whole(void **state)
{
    (void)state;
    wcow_autoentry e = {.type = WCOW_ENTRY_REPARSE,
                        .name = strdup("Files/a"),
                        .link = strdup("C:\\x"),
                        .attributes = 1040,
                        .mtime = 7};
    assert_ok(wcow_entry_set_sd(&e, "descriptor", 10, &err));
    e.has |= WCOW_HAS_SDDL;
    assert_ok(wcow_entry_add_ea(&e, "one", "1", 1, &err));
    assert_ok(wcow_entry_add_ea(&e, "none", NULL, 0, &err));
    wcow_autoentry copy = {0};
    assert_ok(wcow_entry_copy(&e, &copy, &err));
    assert_ptr_not_equal(copy.name, e.name);
    assert_string_equal(copy.name, "Files/a");
    assert_string_equal(copy.link, "C:\\x");
    assert_int_equal(copy.has, WCOW_HAS_RAWSD | WCOW_HAS_SDDL);
    assert_int_equal(copy.sd_len_bytes, 10);
    assert_memory_equal(copy.sd, "descriptor", 10);
    assert_int_equal(copy.n_eas, 2);
    assert_string_equal(copy.eas[1].name, "none");
    assert_int_equal(copy.eas[1].len_bytes, 0);
    assert_int_equal(copy.mtime, 7);
}

static void the_last_attribute_of_a_name_wins(void **state)
{
    (void)state;
    wcow_autoentry e = {0};
    assert_ok(wcow_entry_add_ea(&e, "a", "old", 3, &err));
    assert_ok(wcow_entry_add_ea(&e, "b", "x", 1, &err));
    assert_ok(wcow_entry_add_ea(&e, "a", "newer", 5, &err));
    assert_int_equal(e.n_eas, 2);
    assert_int_equal(e.eas[0].len_bytes, 5);
    assert_memory_equal(e.eas[0].value, "newer", 5);
}

static void a_descriptor_can_be_taken_away(void **state)
{
    (void)state;
    wcow_autoentry e = {0};
    assert_ok(wcow_entry_set_sd(&e, "d", 1, &err));
    assert_int_equal(e.has, WCOW_HAS_RAWSD);
    assert_ok(wcow_entry_set_sd(&e, NULL, 0, &err));
    assert_null(e.sd);
    assert_int_equal(e.has, 0);
}

static void keys_of_entries(void **state)
{
    (void)state;
    static const struct {
        enum wcow_entry_type type;
        const char *name;
        const char *key;
    } cases[] = {
        {WCOW_ENTRY_FILE, "Files/a.txt", "FILES/A.TXT"},
        {WCOW_ENTRY_WHITEOUT, "Files/.wh.gone.txt", "FILES/GONE.TXT"},
        {WCOW_ENTRY_OPAQUE, "Files/d/.wh..wh..opq", "FILES/D/.WH..WH..OPQ"},
        {WCOW_ENTRY_STREAM, "Files/a.txt:Zone", "FILES/A.TXT"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        wcow_autoentry e = {.type = cases[i].type, .name = strdup(cases[i].name)};
        wcow_autofree char *key = NULL;
        assert_ok(wcow_entry_key(&e, &key, &err));
        assert_string_equal(key, cases[i].key);
    }
    wcow_autofree char *opaque = NULL;
    assert_ok(wcow_opaque_key("FILES/D", &opaque, &err));
    assert_string_equal(opaque, "FILES/D/.WH..WH..OPQ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_is_deep_and_whole),
        cmocka_unit_test(the_last_attribute_of_a_name_wins),
        cmocka_unit_test(a_descriptor_can_be_taken_away),
        cmocka_unit_test(keys_of_entries),
    };
    return cmocka_run_group_tests_name("layer/entry", tests, NULL, NULL);
}
