/* SPDX-License-Identifier: Apache-2.0 */
#include "wcow_test.h"

#include <string.h>

#include "base/base64.h"

static void round_trips(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foobar", "Zm9vYmFy"},
    };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        wcow_autobuf enc = {0};
        wcow_autobuf dec = {0};
        assert_ok(wcow_base64_encode(pairs[i][0], strlen(pairs[i][0]), &enc, &err));
        assert_int_equal(enc.len, strlen(pairs[i][1]));
        assert_memory_equal(enc.data, pairs[i][1], enc.len);
        assert_ok(wcow_base64_decode(pairs[i][1], strlen(pairs[i][1]), &dec, &err));
        assert_int_equal(dec.len, strlen(pairs[i][0]));
        assert_memory_equal(dec.data, pairs[i][0], dec.len);
    }
}

static void refuses_what_is_not_strict(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "Zg", "Zg=", "Z===", "====", "Zh==", "Zm9=", "Zg==Zg==", "Zm 9", "Zm9v\n", "Zm-_"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        wcow_autobuf dec = {0};
        assert_fails(wcow_base64_decode(bad[i], strlen(bad[i]), &dec, &err), WCOW_E_INVALID);
        assert_int_equal(dec.len, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trips),
        cmocka_unit_test(refuses_what_is_not_strict),
    };
    return cmocka_run_group_tests_name("base/base64", tests, NULL, NULL);
}
