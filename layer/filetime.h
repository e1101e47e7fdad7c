/* SPDX-License-Identifier: Apache-2.0 */
/** @file filetime.h
 *  FILETIME (100 ns since 1601-01-01 UTC, [MS-DTYP] 2.3.3) from and to PAX times.
 *  Go reaches FILETIME through a 64-bit count of nanoseconds that wraps around: FILETIME 0 is
 *  written as 6802270473.709551616. Both directions wrap the same way, so that it round-trips. */
#ifndef WCOW_LAYER_FILETIME_H
#define WCOW_LAYER_FILETIME_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define WCOW_FILETIME_UNIX_EPOCH UINT64_C(116444736000000000)

/** From seconds and nanoseconds of a Unix time. */
uint64_t wcow_filetime_of_unix(int64_t secs, uint32_t nsec);
/** To seconds and nanoseconds (0 to 999,999,999) of a Unix time. */
void wcow_filetime_to_unix(uint64_t filetime, int64_t *ret_secs, uint32_t *ret_nsec);

enum { WCOW_PAX_TIME_MAX = 40 };
/** PAX text: "secs[.frac]", nine digits less trailing zeros, "-" for times before 1970. */
void wcow_filetime_to_pax(uint64_t filetime, char ret[WCOW_PAX_TIME_MAX]);
/** WCOW_E_INVALID where the text is no PAX time (Go's rules). */
WCOW_NODISCARD int wcow_filetime_of_pax(const char *text, size_t len, uint64_t *ret,
                                        struct wcow_error *err);

#endif
