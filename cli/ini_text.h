/* SPDX-License-Identifier: Apache-2.0 */
/** @file ini_text.h
 *  Configuration files: "name = value" lines, comments behind ';' and '#', no sections. */
#ifndef WCOW_CLI_INI_TEXT_H
#define WCOW_CLI_INI_TEXT_H

#include "base/error.h"

typedef int (*wcow_ini_fn)(void *arg, const char *name, const char *value, struct wcow_error *err);

/** Each setting in order, until one fails.
 *  @param ret_line of what is wrong; set where the result is an error
 *  @return WCOW_OK, fn's error, or WCOW_E_INVALID for a line that is no setting, or a section */
WCOW_NODISCARD int wcow_ini_parse(const char *text, wcow_ini_fn fn, void *arg, int *ret_line,
                                  struct wcow_error *err);

#endif
