/* SPDX-License-Identifier: Apache-2.0 */
/** @file linux_image.h
 *  The files of an image for another system, as a source of COPY --from: its layers (OCI
 * image-spec, layer.md) merged into one tree. Owners and modes stay behind; so does what no Windows
 * layer can hold, which is told. */
#ifndef WCOW_BUILDER_LINUX_IMAGE_H
#define WCOW_BUILDER_LINUX_IMAGE_H

#include "builder/images.h"

/** Layers whose blobs are there are read, the uppermost first.
 *  @param step  of the progress, for what is left out
 *  @param ret   sealed; frees with wcow_layer_source_free() */
WCOW_NODISCARD int wcow_linux_image_read(struct wcow_backend *b,
                                         const struct wcow_local_image *image, unsigned step,
                                         struct wcow_layer_source **ret, struct wcow_error *err);

#endif
