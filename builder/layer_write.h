/* SPDX-License-Identifier: Apache-2.0 */
/** @file layer_write.h
 *  A tree as a layer: its tar, and the key that finds the same layer again without writing it. */
#ifndef WCOW_BUILDER_LAYER_WRITE_H
#define WCOW_BUILDER_LAYER_WRITE_H

#include <stdatomic.h>

#include "base/digest.h"
#include "base/stream.h"
#include "builder/tree.h"

struct wcow_layer_write {
    bool has_epoch;            /**< SOURCE_DATE_EPOCH: no time of what is new is later */
    uint64_t epoch;            /**< FILETIME */
    uint64_t now;              /**< FILETIME that the build gives to what it makes itself, in this
                                    layer and those below: no part of the key */
    const atomic_bool *cancel; /**< polled; may be NULL */
    /** Told the bytes of tar written so far; may be NULL. */
    void (*progress)(void *ctx, uint64_t done_bytes);
    void *progress_ctx;
};

/** Write the tar of @p tree, its end included.
 *  @param ret_key  what wcow_layer_key() would give, made on the way; "" where it could not be;
 *                  may be NULL
 *  WCOW_E_PRECONDITION where a file has not the size that it had when it was listed. */
WCOW_NODISCARD int wcow_layer_write(struct wcow_tree *tree, const struct wcow_layer_write *options,
                                    const struct wcow_sink *sink, struct wcow_digest *ret_key,
                                    struct wcow_error *err);

/** What the layer would hold, without reading files: names, attributes, descriptors, sizes. Times
 * of what is new do not count, unless SOURCE_DATE_EPOCH makes them part of the promise. */
WCOW_NODISCARD int wcow_layer_shape(struct wcow_tree *tree, const struct wcow_layer_write *options,
                                    struct wcow_digest *ret, struct wcow_error *err);
/** The shape and the bytes of every file; reads the files whose digest is not known. */
WCOW_NODISCARD int wcow_layer_key(struct wcow_tree *tree, const struct wcow_layer_write *options,
                                  struct wcow_digest *ret, struct wcow_error *err);

#endif
