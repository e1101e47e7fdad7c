/* SPDX-License-Identifier: Apache-2.0 */
/** @file layer_blob.h
 *  A tree as a compressed layer in containerd's content store: written, hashed and compressed in
 * one pass, nothing of it ever whole in memory or in a file of its own. */
#ifndef WCOW_BUILDER_LAYER_BLOB_H
#define WCOW_BUILDER_LAYER_BLOB_H

#include "builder/backend.h"
#include "builder/layer_write.h"
#include "store/cache.h"

/** Write it as gzip. @param ret  used_s is not set
 *  @param ret_key  as wcow_layer_write() gives it */
WCOW_NODISCARD int wcow_layer_blob_write(struct wcow_backend *backend, struct wcow_tree *tree,
                                         const struct wcow_layer_write *options,
                                         struct wcow_cached_layer *ret, struct wcow_digest *ret_key,
                                         struct wcow_error *err);

/** Writes a layer's tar into a sink. */
typedef int (*wcow_layer_tar_fn)(void *arg, const struct wcow_sink *sink, struct wcow_error *err);
/** The same for whatever writes a tar. */
WCOW_NODISCARD int wcow_layer_blob_of(struct wcow_backend *backend, wcow_layer_tar_fn fn, void *arg,
                                      struct wcow_cached_layer *ret, struct wcow_error *err);

#endif
