/* SPDX-License-Identifier: Apache-2.0 */
/** @file regf.h
 *  Registry hives of a few keys for test images: one bin, one security cell, "lh" subkey lists.
 *  Source of the format: msuhanov/regf, "Windows registry file format specification". */
#ifndef WCOW_TESTS_TOOLS_REGF_H
#define WCOW_TESTS_TOOLS_REGF_H

#include "base/bytes.h"

enum { REGF_SZ = 1, REGF_EXPAND_SZ = 2, REGF_DWORD = 4 };

struct regf_value {
    const char *name;
    uint32_t type;
    const char *text; /**< ASCII, for the string types */
    uint32_t number;  /**< for REGF_DWORD */
};

/** Keys stand sorted by their upper-cased names. */
struct regf_key {
    const char *name;
    const struct regf_value *values;
    size_t n_values;
    const struct regf_key *keys;
    size_t n_keys;
};

/** A whole hive, appended to an empty @p out. */
WCOW_NODISCARD int regf_write(const struct regf_key *root, struct wcow_buf *out,
                              struct wcow_error *err);

#endif
