/* SPDX-License-Identifier: Apache-2.0 */
/** @file hive_read.h
 *  Single values out of a registry hive, by way of libhivex: the PATH of a base image stands in
 *  Files/Windows/System32/config/SYSTEM, key "ControlSet001\Control\Session Manager\Environment".
 */
#ifndef WCOW_LAYER_HIVE_READ_H
#define WCOW_LAYER_HIVE_READ_H

#include "base/bytes.h"

/** A string (REG_SZ, REG_EXPAND_SZ; of REG_MULTI_SZ the first).
 *  @param fd    of the hive's file, any offset; borrowed
 *  @param key   "A\B", letter case ignored; "" is the root
 *  @param value "" is the key's default value
 *  @param ret   WTF-8, caller frees
 *  @return 1 with *ret set, 0 where there is no such key or value, WCOW_E_CORRUPT (no hive, or a
 *          damaged one), WCOW_E_INVALID (the value is no string), WCOW_E_LIMIT, WCOW_E_IO */
WCOW_NODISCARD int wcow_hive_read_string(int fd, const char *key, const char *value, char **ret,
                                         struct wcow_error *err);

#endif
