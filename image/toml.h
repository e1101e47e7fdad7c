/* SPDX-License-Identifier: Apache-2.0 */
/** @file toml.h
 *  As much of TOML 1.0 as hosts.toml needs: tables, quoted and bare keys, strings, booleans,
 *  whole numbers, arrays. Read as a stream of values; nothing is kept. */
#ifndef WCOW_IMAGE_TOML_H
#define WCOW_IMAGE_TOML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "image/strings.h"

/** A value; arrays come as their elements one by one. */
struct wcow_toml_value {
    enum { WCOW_TOML_STRING, WCOW_TOML_BOOL, WCOW_TOML_INTEGER } type;
    const char *string; /**< borrowed for the call */
    bool boolean;
    int64_t integer;
    unsigned depth; /**< arrays around it: 0, or 1 for ["a"], 2 for [["a"]] */
    size_t index;   /**< in the outermost array */
};

/** Called for each value. @p path is the table's name and the key: ["host", "https://x", "ca"].
 *  An error ends the reading; the line is put before its message. */
typedef int wcow_toml_fn(void *ctx, const struct wcow_str_list *path,
                         const struct wcow_toml_value *value, struct wcow_error *err);

/** Also called with a NULL value for each table header, so that empty tables are seen.
 *  WCOW_E_CORRUPT with "line N" for what is not this subset; WCOW_E_LIMIT for arrays too deep. */
WCOW_NODISCARD int wcow_toml_read(const char *text, wcow_toml_fn *fn, void *ctx,
                                  struct wcow_error *err);

#endif
