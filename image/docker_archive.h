/* SPDX-License-Identifier: Apache-2.0 */
/** @file docker_archive.h
 *  manifest.json of an archive in Docker's own form, as `docker save` before version 25, skopeo,
 *  podman, crane and .NET write it: which of the archive's files are an image's config and layers
 *  (moby, image/tarexport). */
#ifndef WCOW_IMAGE_DOCKER_ARCHIVE_H
#define WCOW_IMAGE_DOCKER_ARCHIVE_H

#include "image/strings.h"

/** One image of an archive: names of files in it. Zero-initialise. */
struct wcow_docker_image {
    char *config;
    struct wcow_str_list layers; /**< the base first */
    struct wcow_str_list names;  /**< "nanoserver:ltsc2022"; maybe none */
};

/** @param tag one of the names, or what stands behind its colon; NULL: the only image there is.
 *  WCOW_E_CORRUPT; WCOW_E_NOT_FOUND and WCOW_E_INVALID (several images, no tag) list the names. */
WCOW_NODISCARD int wcow_docker_image_parse(const void *manifest_json, size_t len, const char *tag,
                                           struct wcow_docker_image *ret, struct wcow_error *err);
void wcow_docker_image_done(struct wcow_docker_image *image);

#define wcow_auto_docker_image WCOW_CLEANUP(wcow_docker_image_done) struct wcow_docker_image

#endif
