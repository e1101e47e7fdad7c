/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers are written as printf(3) writes them. */
#include "wcow_test.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/number.h"

static const uint64_t numbers[] = {0,          1,          7,           9,         10,
                                   15,         16,         99,          100,       255,
                                   256,        999,        1000,        4095,      65535,
                                   1000000,    0xffffffff, 0x100000000, INT64_MAX, INT64_MAX - 1,
                                   UINT64_MAX, 1u << 31,   0xfffffff,   0x10000000};
enum { N_NUMBERS = sizeof(numbers) / sizeof(numbers[0]) };

static void decimal_ones_are_those_of_printf(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_NUMBERS; i++) {
        char wanted[32];
        char got[WCOW_NUMBER_BYTES];
        (void)snprintf(wanted, sizeof(wanted), "%" PRIu64, numbers[i]);
        assert_int_equal(wcow_number_decimal(numbers[i], got), strlen(wanted));
        assert_string_equal(got, wanted);
    }
}

static void hexadecimal_ones_are_those_of_printf(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_NUMBERS; i++) {
        for (int width = 1; width <= 16; width++) {
            char wanted[32];
            char got[WCOW_NUMBER_BYTES];
            (void)snprintf(wanted, sizeof(wanted), "%0*" PRIx64, width, numbers[i]);
            assert_int_equal(wcow_number_hex(numbers[i], (unsigned)width, got), strlen(wanted));
            assert_string_equal(got, wanted);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decimal_ones_are_those_of_printf),
        cmocka_unit_test(hexadecimal_ones_are_those_of_printf),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
