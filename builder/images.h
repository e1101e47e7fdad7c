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
    struct wcow_str_list folders; /**< of its layers, bottom first, where somebody asked */
    /** Of an image for another system instead: all its files, where somebody asked. */
    struct wcow_layer_source *files;
    uint64_t taken_bytes; /**< of its blobs, read for single files; under the build's lock */
    /** Only its documents are here: its layers are fetched when somebody needs them. */
    bool is_remote;
    char target_type[WCOW_MEDIA_TYPE_MAX + 1]; /**< of what the name stands for; so below */
    uint64_t target_bytes;
};
void wcow_local_image_done(struct wcow_local_image *image);
/** Whether it is for another system than Windows. */
bool wcow_image_is_foreign(const struct wcow_local_image *image);

struct wcow_image_record;

/** The record of image @p name in containerd's image store: of that very name, else of its full
 * form, as docker takes names ("app" is "docker.io/library/app:latest"). Caller:
 * wcow_image_record_done(). WCOW_E_NOT_FOUND where there is neither. */
WCOW_NODISCARD int wcow_image_find_record(struct wcow_backend *b, const char *name,
                                          struct wcow_image_record *ret, struct wcow_error *err);

/** Each of the following that finds an image for one platform alone, and that not Windows, takes it
 *  whatever @p platform says: its config tells.
 *
 *  The image @p name for @p platform, from containerd's image store.
 *  @return WCOW_OK; WCOW_E_NOT_FOUND where there is no such image, or its content is not there for
 *          this platform */
WCOW_NODISCARD int wcow_image_find(struct wcow_backend *b, const char *name,
                                   const struct wcow_platform *platform,
                                   struct wcow_local_image *ret, struct wcow_error *err);

/** The image @p name for @p platform from its registry: its documents, which the build's lease
 * keeps in containerd's content store. */
WCOW_NODISCARD int wcow_image_pull(struct wcow_backend *b, const char *name,
                                   const struct wcow_platform *platform,
                                   struct wcow_local_image *ret, struct wcow_error *err);
/** The layers of an image that was pulled, too, and its record in containerd's image store. Nothing
 *  is done for an image that is there. */
WCOW_NODISCARD int wcow_image_complete(struct wcow_backend *b, struct wcow_local_image *image,
                                       unsigned step, struct wcow_error *err);

/** The image that a record stands for, from documents in the content store. */
WCOW_NODISCARD int wcow_image_load(struct wcow_backend *b, const struct wcow_image_record *record,
                                   const struct wcow_platform *platform,
                                   struct wcow_local_image *ret, struct wcow_error *err);

/** Unpack those layers that the snapshotter has not got; a layer whose blob is not there is fetched
 *  first, where a registry is known that has it. */
WCOW_NODISCARD int wcow_image_unpack(struct wcow_backend *b, const struct wcow_local_image *image,
                                     unsigned step, struct wcow_error *err);

/** Whether the snapshotter has all its layers: 1, 0 or an error. */
WCOW_NODISCARD int wcow_image_is_unpacked(struct wcow_backend *b,
                                          const struct wcow_local_image *image,
                                          struct wcow_error *err);

/** The same for layers that are no image's yet: the build's lease holds them. Of @p image only the
 *  manifest's layers and the config's diff IDs are looked at. */
WCOW_NODISCARD int wcow_image_unpack_layers(struct wcow_backend *b,
                                            const struct wcow_local_image *image, unsigned step,
                                            struct wcow_error *err);

/** Layers that somebody opened. */
struct wcow_layer_sources {
    struct wcow_layer_source **items;
    size_t n;
};
void wcow_layer_sources_done(struct wcow_layer_sources *sources);
WCOW_NODISCARD int wcow_layer_sources_add(struct wcow_layer_sources *sources,
                                          struct wcow_layer_source *source, struct wcow_error *err);
/** Open the layers in these folders, and push them onto @p layers; @p owner frees them. */
WCOW_NODISCARD int wcow_layer_sources_open(struct wcow_layer_sources *owner,
                                           const struct wcow_str_list *folders,
                                           struct wcow_layers *layers, struct wcow_error *err);
/** The layers of another thread: handles of its own on what is in folders, the same trees. */
WCOW_NODISCARD int wcow_layer_sources_share(struct wcow_layer_sources *owner,
                                            const struct wcow_layers *from,
                                            struct wcow_layers *layers, struct wcow_error *err);

/** The layer folders of an unpacked image, bottom first, without the lowest @p skip. They stay as
 *  long as the backend lives. Of @p image the same is looked at as in
 *  wcow_image_unpack_layers(). */
WCOW_NODISCARD int wcow_image_folders(struct wcow_backend *b, const struct wcow_local_image *image,
                                      size_t skip, struct wcow_str_list *ret,
                                      struct wcow_error *err);
/** The folders below a snapshot, nearest first, from the mounts that the snapshotter gave. */
WCOW_NODISCARD int wcow_mounts_parents(const struct wcow_mounts *mounts, struct wcow_str_list *ret,
                                       struct wcow_error *err);

#endif
