/* SPDX-License-Identifier: Apache-2.0 */
#include "base/number.h"

/* Digits come last first. */
static size_t write_digits(uint64_t value, unsigned base, unsigned width, char *ret)
{
    static const char digits[] = "0123456789abcdef";
    char reversed[WCOW_NUMBER_BYTES];
    size_t n = 0;
    do {
        reversed[n++] = digits[value % base];
        value /= base;
    } while (value || n < width);
    for (size_t i = 0; i < n; i++)
        ret[i] = reversed[n - 1 - i];
    ret[n] = '\0';
    return n;
}

size_t wcow_number_decimal(uint64_t value, char ret[WCOW_NUMBER_BYTES])
{
    return write_digits(value, 10, 1, ret);
}

size_t wcow_number_hex(uint64_t value, unsigned width, char ret[WCOW_NUMBER_BYTES])
{
    return write_digits(value, 16, width, ret);
}
