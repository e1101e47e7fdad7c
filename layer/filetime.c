/* SPDX-License-Identifier: Apache-2.0 */
#include "layer/filetime.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

#define NSEC_PER_SEC INT64_C(1000000000)
/* (0 - WCOW_FILETIME_UNIX_EPOCH) * 100 modulo 2^64: what Go writes for FILETIME 0. */
#define WRAPPED_ZERO INT64_C(6802270473709551616)

/* 2^64 leaves 16 when divided by 100, so a count of nanoseconds that wrapped once shows by its
 * last two digits. Times of files do not look like that: those before 1970 and after 2185 never
 * have odd nanoseconds in practice. */
static bool is_wrapped_early(int64_t nsec)
{
    return nsec >= WRAPPED_ZERO && nsec % 100 == WRAPPED_ZERO % 100;
}

static bool is_wrapped_late(int64_t nsec)
{
    return nsec < 0 && nsec % 100 == -16;
}

uint64_t wcow_filetime_of_unix(int64_t secs, uint32_t nsec)
{
    uint64_t bits = (uint64_t)secs * (uint64_t)NSEC_PER_SEC + nsec;
    int64_t total = (int64_t)bits;
    if (is_wrapped_early(total))
        return (uint64_t)(total - WRAPPED_ZERO) / 100;
    if (is_wrapped_late(total)) /* (2^64 + total) / 100, exact */
        return WCOW_FILETIME_UNIX_EPOCH + (UINT64_MAX - 15) / 100 + (uint64_t)((total + 16) / 100);
    return WCOW_FILETIME_UNIX_EPOCH + (uint64_t)(total / 100);
}

void wcow_filetime_to_unix(uint64_t filetime, int64_t *ret_secs, uint32_t *ret_nsec)
{
    int64_t total = (int64_t)((filetime - WCOW_FILETIME_UNIX_EPOCH) * 100);
    int64_t secs = total / NSEC_PER_SEC;
    int64_t nsec = total % NSEC_PER_SEC;
    if (nsec < 0) {
        secs--;
        nsec += NSEC_PER_SEC;
    }
    *ret_secs = secs;
    *ret_nsec = (uint32_t)nsec;
}

void wcow_filetime_to_pax(uint64_t filetime, char ret[WCOW_PAX_TIME_MAX])
{
    int64_t secs = 0;
    uint32_t nsec = 0;
    wcow_filetime_to_unix(filetime, &secs, &nsec);
    if (nsec == 0) {
        (void)snprintf(ret, WCOW_PAX_TIME_MAX, "%" PRId64, secs);
        return;
    }
    const char *sign = "";
    if (secs < 0) {
        sign = "-";
        secs = -(secs + 1);
        nsec = (uint32_t)NSEC_PER_SEC - nsec;
    }
    int n = snprintf(ret, WCOW_PAX_TIME_MAX, "%s%" PRId64 ".%09" PRIu32, sign, secs, nsec);
    while (n > 0 && ret[n - 1] == '0')
        ret[--n] = '\0';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Decimal with an optional sign, as Go's strconv.ParseInt. @return characters read, 0 on error. */
static size_t parse_secs(const char *text, size_t len, bool *ret_negative, int64_t *ret)
{
    size_t i = 0;
    bool negative = false;
    if (len && (text[0] == '-' || text[0] == '+'))
        negative = text[i++] == '-';
    size_t first = i;
    int64_t v = 0;
    for (; i < len && is_digit(text[i]); i++)
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_sub_overflow(v, text[i] - '0', &v))
            return 0;
    if (i == first || (!negative && v == INT64_MIN))
        return 0;
    *ret = negative ? v : -v;
    *ret_negative = negative;
    return i;
}

int wcow_filetime_of_pax(const char *text, size_t len, uint64_t *ret, struct wcow_error *err)
{
    int shown = len > 60 ? 60 : (int)len;
    bool negative = false;
    int64_t secs = 0;
    size_t i = parse_secs(text, len, &negative, &secs);
    if (!i || (i < len && text[i] != '.'))
        return WCOW_FAIL(err, WCOW_E_INVALID, "\"%.*s\" is no PAX time (seconds[.fraction])", shown,
                         text);
    uint32_t nsec = 0;
    uint32_t unit = (uint32_t)NSEC_PER_SEC / 10;
    for (i++; i < len; i++, unit /= 10) {
        if (!is_digit(text[i]))
            return WCOW_FAIL(err, WCOW_E_INVALID, "\"%.*s\" is no PAX time: bad fraction", shown,
                             text);
        nsec += unit * (uint32_t)(text[i] - '0');
    }
    /* Unsigned: a time at the edge of the range wraps as Go's does. */
    if (negative && nsec) {
        secs = (int64_t)((uint64_t)secs - 1);
        nsec = (uint32_t)NSEC_PER_SEC - nsec;
    }
    *ret = wcow_filetime_of_unix(secs, nsec);
    return WCOW_OK;
}
