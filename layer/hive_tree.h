/* SPDX-License-Identifier: Apache-2.0 */
/** @file hive_tree.h
 *  A hive's keys and values in memory. Private to hive.c and hive_write.c. */
#ifndef WCOW_LAYER_HIVE_TREE_H
#define WCOW_LAYER_HIVE_TREE_H

#include "layer/hive.h"

struct wcow_hive_value {
    char *name;
    char *folded; /* wcow_name_key() of it */
    uint32_t type;
    bool is_tombstone;
    uint8_t *data;
    size_t len;
};

struct wcow_hive_key {
    char *name;
    char *folded;
    enum wcow_hive_layer layer;
    struct wcow_hive_key **subkeys; /* sorted by folded name, as regf wants it */
    size_t n_subkeys;
    struct wcow_hive_value *values;
    size_t n_values;
};

struct wcow_hive {
    enum wcow_hive_kind kind;
    char *name;
    uint64_t filetime;
    size_t n_keys;
    struct wcow_hive_key *root;
};

#endif
