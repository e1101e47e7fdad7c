/* SPDX-License-Identifier: Apache-2.0 */
/** @file blob_tar.h
 *  A layer's tar out of its blob in the content store, read through once. */
#ifndef WCOW_BUILDER_BLOB_TAR_H
#define WCOW_BUILDER_BLOB_TAR_H

#include "builder/backend.h"
#include "image/descriptor.h"
#include "layer/tar_reader.h"
#include "store/layer_index.h"

/** One entry, borrowed for the call; its data may be read from @p reader. */
typedef int (*wcow_blob_tar_fn)(void *arg, const struct wcow_entry *entry,
                                struct wcow_tar_reader *reader, struct wcow_error *err);

/** Each entry of the tar in its order; @p ret is told about the tar (its origin is not set).
 *  @return WCOW_E_DATA_LOSS where the blob does not unpack to @p diff_id: then nothing is to be
 *          kept of what @p fn was given. WCOW_E_CANCELLED, or what @p fn returned */
WCOW_NODISCARD int wcow_blob_tar_each(struct wcow_backend *b, const struct wcow_descriptor *blob,
                                      const char *diff_id, wcow_blob_tar_fn fn, void *arg,
                                      struct wcow_layer_info *ret, struct wcow_error *err);

#endif
