/* SPDX-License-Identifier: Apache-2.0 */
/** @file number.h
 *  Numbers as text where printf(3), which takes several times as long, would be felt: in what each
 *  call of wcowd writes. */
#ifndef WCOW_BASE_NUMBER_H
#define WCOW_BASE_NUMBER_H

#include <stddef.h>
#include <stdint.h>

enum { WCOW_NUMBER_BYTES = 21 }; /**< room for any 64-bit number and a NUL */

/** In decimal. @return its length, without the NUL */
size_t wcow_number_decimal(uint64_t value, char ret[WCOW_NUMBER_BYTES]);
/** In lower-case hexadecimal, with zeros before it to at least @p width digits.
 *  @param width at most 16
 *  @return its length, without the NUL */
size_t wcow_number_hex(uint64_t value, unsigned width, char ret[WCOW_NUMBER_BYTES]);

#endif
