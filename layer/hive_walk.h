/* SPDX-License-Identifier: Apache-2.0 */
/** @file hive_walk.h
 *  All keys and values of a hive, layered ones with what they do to the layers below. By way of
 *  libhivex, which knows nothing of layers: their marks are read from the bytes. */
#ifndef WCOW_LAYER_HIVE_WALK_H
#define WCOW_LAYER_HIVE_WALK_H

#include "layer/hive.h"

/** What is told; borrowed for the call. Return < 0 to stop. Either may be NULL. */
struct wcow_hive_visitor {
    /** A key, before its values and what lies below it. @p path from where the walk began; "" */
    int (*key)(void *arg, const char *path, enum wcow_hive_layer layer, struct wcow_error *err);
    /** @p data NULL: the value is deleted in the layers below */
    int (*value)(void *arg, const char *path, const char *name, uint32_t type, const void *data,
                 size_t len, struct wcow_error *err);
    void *arg;
};

/** Walk from @p top ("" is the root). @return 1, 0 where there is no such key, WCOW_E_CORRUPT,
 *  WCOW_E_LIMIT */
WCOW_NODISCARD int wcow_hive_walk(int fd, const char *top, const struct wcow_hive_visitor *visitor,
                                  struct wcow_error *err);

#endif
