/* SPDX-License-Identifier: Apache-2.0 */
/** @file words_text.h
 *  What counts as white space, a letter or a digit in a Dockerfile: Unicode's, as Go sees it. */
#ifndef WCOW_BUILDER_WORDS_TEXT_H
#define WCOW_BUILDER_WORDS_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** The code point at @p text (len > 0); a byte that is no UTF-8 stands for itself, above U+10FFFF.
 *  @return its bytes, 1 to 4 */
size_t wcow_text_decode(const char *text, size_t len, uint32_t *ret);

/** Unicode's White_Space. */
bool wcow_text_is_space(uint32_t code_point);
/** Letters; beyond ASCII whatever is no white space, punctuation or symbol of the common blocks. */
bool wcow_text_is_letter(uint32_t code_point);
bool wcow_text_is_digit(uint32_t code_point);

/** ASCII white space within a line, where a Dockerfile's words end: tab, VT, FF, CR, space. */
bool wcow_text_is_blank(char c);

/** Cut white space off both ends, or the left end. */
void wcow_text_trim(const char **text, size_t *len);
void wcow_text_trim_left(const char **text, size_t *len);

/** ASCII letters only; the locale has no say. */
char wcow_text_lower(char c);
char wcow_text_upper(char c);
/** Compare without regard to the case of ASCII letters. */
int wcow_text_casecmp(const char *a, const char *b);

#endif
