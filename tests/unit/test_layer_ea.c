/* SPDX-License-Identifier: Apache-2.0 */
#include "wcow_test.h"

#include <string.h>

#include "layer/ea.h"

/* foo=bar, fizz=buzz. */
static const uint8_t two[] = {0x10, 0,   0,   0,   0, 3,   3,   0,   'f', 'o', 'o', 0,
                              'b',  'a', 'r', 0,   0, 0,   0,   0,   0,   4,   4,   0,
                              'f',  'i', 'z', 'z', 0, 'b', 'u', 'z', 'z', 0,   0,   0};

static void a_list_round_trips(void **state)
{
    (void)state;
    wcow_autoentry e = {0};
    assert_ok(wcow_ea_decode(two, sizeof(two), &e, &err));
    assert_int_equal(e.n_eas, 2);
    assert_string_equal(e.eas[0].name, "foo");
    assert_memory_equal(e.eas[0].value, "bar", 3);
    assert_string_equal(e.eas[1].name, "fizz");
    assert_int_equal(e.eas[1].len_bytes, 4);
    wcow_autobuf out = {0};
    assert_ok(wcow_ea_encode(&e, &out, &err));
    assert_int_equal(out.len, sizeof(two));
    assert_memory_equal(out.data, two, sizeof(two));
}

static void the_last_padding_may_be_missing_and_nothing_else(void **state)
{
    (void)state;
    wcow_autoentry none = {0};
    assert_ok(wcow_ea_decode(two, 0, &none, &err));
    assert_int_equal(none.n_eas, 0);
    for (size_t len = 1; len < sizeof(two); len++) {
        wcow_autoentry e = {0};
        if (len >= sizeof(two) - 3)
            assert_ok(wcow_ea_decode(two, len, &e, &err));
        else
            assert_fails(wcow_ea_decode(two, len, &e, &err), WCOW_E_INVALID);
    }
}

static void damage_is_named(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        uint8_t value;
        const char *words;
    } damage[] = {{0, 8, "further"},  {0, 0x12, "further"}, {0, 0xf0, "before the next"},
                  {5, 0, "bad name"}, {5, 2, "bad name"},   {7, 9, "end within"}};
    for (size_t i = 0; i < sizeof(damage) / sizeof(damage[0]); i++) {
        uint8_t bad[sizeof(two)];
        memcpy(bad, two, sizeof(two));
        bad[damage[i].at] = damage[i].value;
        wcow_autoentry e = {0};
        struct wcow_error err = {0};
        if (wcow_ea_decode(bad, sizeof(bad), &e, &err) != WCOW_E_INVALID ||
            !strstr(err.msg, damage[i].words))
            fail_msg("damage %zu: \"%s\"", i, err.msg);
    }
    wcow_autoentry e = {0};
    wcow_autobuf out = {0};
    assert_ok(wcow_entry_add_ea(&e, "", "x", 1, &err));
    assert_fails(wcow_ea_encode(&e, &out, &err), WCOW_E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_round_trips),
        cmocka_unit_test(the_last_padding_may_be_missing_and_nothing_else),
        cmocka_unit_test(damage_is_named),
    };
    return cmocka_run_group_tests_name("layer/ea", tests, NULL, NULL);
}
