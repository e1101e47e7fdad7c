/* SPDX-License-Identifier: Apache-2.0 */
/** @file listing.h
 *  What a layer holds, without its files: the index alone, made from the blob by reading it
 * through, and kept beside the step cache by diff ID. COPY needs no more of its base. Who has one
 * open, or is making it, holds its folder (base/owned_dir.h): it stays for as long. */
#ifndef WCOW_BUILDER_LISTING_H
#define WCOW_BUILDER_LISTING_H

#include "builder/backend.h"
#include "builder/layers.h"

/** The folder of listings beside the step cache @p cache_file; caller frees. */
WCOW_NODISCARD int wcow_listings_path(const char *cache_file, char **ret, struct wcow_error *err);
/** Whether folder @p root has the listing of the layer. */
bool wcow_listing_is_there(const char *root, const char *diff_id);
/** Open it: 1, or 0 where there is none that can be read. One that a disk has lost, or that another
 *  version of wcow made, is removed: it can be made again. */
WCOW_NODISCARD int wcow_listing_open(const char *root, const char *diff_id,
                                     struct wcow_layer_source **ret, struct wcow_error *err);
/** Make it from the blob, which must be in the content store, and open it.
 *  WCOW_E_UNSUPPORTED for a layer that names files without their directories: where it lies decides
 *  what those are. WCOW_E_DATA_LOSS where the blob does not unpack to @p diff_id. */
WCOW_NODISCARD int wcow_listing_make(struct wcow_backend *b, const char *root,
                                     const struct wcow_descriptor *blob, const char *diff_id,
                                     struct wcow_layer_source **ret, struct wcow_error *err);
/** Remove all that nobody holds. */
WCOW_NODISCARD int wcow_listings_remove(const char *root, struct wcow_error *err);

#endif
