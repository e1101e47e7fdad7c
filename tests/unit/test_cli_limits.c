/* SPDX-License-Identifier: Apache-2.0 */
#include "wcow_test.h"

#include <string.h>

#include "cli/limits.h"

static void what_is_named_is_set_and_the_rest_is_the_default(void **state)
{
    (void)state;
    struct wcow_layer_limits l = {.ratio = 7};
    assert_ok(wcow_limits_parse("bytes=200G, file=3M,entries=5000000", &l, &err));
    assert_true(l.tar.max_total_bytes == UINT64_C(200) << 30);
    assert_true(l.tar.max_entry_bytes == 3 << 20);
    assert_true(l.tar.max_entries == 5000000);
    assert_int_equal(l.tar.max_depth, 0);
    assert_int_equal(l.ratio, 0);
    assert_ok(wcow_limits_parse("depth=12,header=64K,ratio=50", &l, &err));
    assert_int_equal(l.tar.max_depth, 12);
    assert_int_equal(l.tar.max_header_bytes, 65536);
    assert_int_equal(l.ratio, 50);
    assert_ok(wcow_limits_parse("", &l, &err));
    assert_int_equal(l.ratio, 0);
}

static void what_is_not_understood_is_named(void **state)
{
    (void)state;
    static const char *const bad[] = {"size=3",      "bytes",
                                      "bytes=",      "bytes=0",
                                      "bytes=-1",    "bytes=3X",
                                      "bytes=3GG",   "depth=3K",
                                      "ratio=1e3",   "ratio=5000000000",
                                      "entries= 3",  "bytes=9999999T",
                                      "depth=3;x=4", "file=99999999999999999999"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct wcow_layer_limits l = {.ratio = 7};
        struct wcow_error err = {0};
        int r = wcow_limits_parse(bad[i], &l, &err);
        if (r != WCOW_E_INVALID || !strstr(err.msg, "--layer-limits") || l.ratio != 7)
            fail_msg("%s: %d %s", bad[i], r, err.msg);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_named_is_set_and_the_rest_is_the_default),
        cmocka_unit_test(what_is_not_understood_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
