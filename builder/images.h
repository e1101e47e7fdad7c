/* SPDX-License-Identifier: Apache-2.0 */
/** @file images.h
 *  Images in containerd: found, pulled where they are missing, unpacked. */
#ifndef WCOW_BUILDER_IMAGES_H
#define WCOW_BUILDER_IMAGES_H

#include "builder/backend.h"
#include "builder/layers.h"
#include "containerd/snapshots.h"
#include "image/config.h"
#include "image/manifest.h"

/** An image of one platform. Zero-initialise; release with wcow_local_image_done(). */
struct wcow_local_image {
    char *name; /**< as containerd has it */
    struct wcow_reference ref;
    struct wcow_digest target_digest; /**< of what the name stands for: index or manifest */
    struct wcow_digest manifest_digest;
    struct wcow_manifest manifest;
    struct wcow_image_config *config;
    struct wcow_layers layers; /**< for whoever opens them; the sources are borrowed */
};
void wcow_local_image_done(struct wcow_local_image *image);

/** The image @p name for @p platform, from containerd's image store.
 *  @return WCOW_OK; WCOW_E_NOT_FOUND where there is no such image, or its content is not there for
 *          this platform */
WCOW_NODISCARD int wcow_image_find(struct wcow_backend *b, const char *name,
                                   const struct wcow_platform *platform,
                                   struct wcow_local_image *ret, struct wcow_error *err);

/** Pull @p name for @p platform into containerd's content store, and record the image. */
WCOW_NODISCARD int wcow_image_pull(struct wcow_backend *b, const char *name,
                                   const struct wcow_platform *platform, unsigned step,
                                   struct wcow_error *err);

/** Unpack those layers that the snapshotter has not got. */
WCOW_NODISCARD int wcow_image_unpack(struct wcow_backend *b, const struct wcow_local_image *image,
                                     unsigned step, struct wcow_error *err);

/** The same for layers that are no image's yet: the build's lease holds them. Of @p image only the
 *  manifest's layers and the config's diff IDs are looked at. */
WCOW_NODISCARD int wcow_image_unpack_layers(struct wcow_backend *b,
                                            const struct wcow_local_image *image, unsigned step,
                                            struct wcow_error *err);

/** Open the layer folders of an unpacked image, bottom first. The folders stay as long as the
 *  backend lives. The sources are appended to @p ret, whose owner frees them. */
struct wcow_layer_sources {
    struct wcow_layer_source **items;
    size_t n;
};
void wcow_layer_sources_done(struct wcow_layer_sources *sources);
WCOW_NODISCARD int wcow_layer_sources_add(struct wcow_layer_sources *sources,
                                          struct wcow_layer_source *source, struct wcow_error *err);
WCOW_NODISCARD int wcow_image_open_layers(struct wcow_backend *b,
                                          const struct wcow_local_image *image,
                                          struct wcow_layer_sources *ret, struct wcow_error *err);

/** The same without the lowest @p skip layers. */
WCOW_NODISCARD int wcow_image_open_upper_layers(struct wcow_backend *b,
                                                const struct wcow_local_image *image, size_t skip,
                                                struct wcow_layer_sources *ret,
                                                struct wcow_error *err);
/** The folders below a snapshot, nearest first, from the mounts that the snapshotter gave. */
WCOW_NODISCARD int wcow_mounts_parents(const struct wcow_mounts *mounts, struct wcow_str_list *ret,
                                       struct wcow_error *err);

#endif
