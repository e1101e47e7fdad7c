/* SPDX-License-Identifier: Apache-2.0 */
/** @file image_layout.h
 *  --build-context NAME=oci-layout://FOLDER[:TAG|@DIGEST]: an image of an OCI image layout (OCI
 *  image-spec, image-layout.md) as a base. */
#ifndef WCOW_BUILDER_IMAGE_LAYOUT_H
#define WCOW_BUILDER_IMAGE_LAYOUT_H

#include "builder/images.h"

/** Whether the value of --build-context names one. */
bool wcow_image_layout_is(const char *value);

/** The image for @p platform: its documents in containerd's content store, held by the build's
 * lease; its layers are taken from the folder when somebody needs them. WCOW_E_NOT_FOUND names the
 * tags that there are; WCOW_E_CORRUPT for what is no layout. */
WCOW_NODISCARD int wcow_image_layout_load(struct wcow_backend *b, const char *value,
                                          const struct wcow_platform *platform, unsigned step,
                                          struct wcow_local_image *ret, struct wcow_error *err);

#endif
