/* SPDX-License-Identifier: Apache-2.0 */
/** @file image_docker.h
 *  An archive in Docker's own form as an image like others: Docker names files and no digests, so
 *  the documents that an OCI layout has are made here. One thread. */
#ifndef WCOW_CLI_IMAGE_DOCKER_H
#define WCOW_CLI_IMAGE_DOCKER_H

#include "cli/image_source.h"

/** A file of an archive, or NULL; symbolic and hard links are followed within it. */
const struct wcow_listed *wcow_image_archive_find(const struct wcow_entry_list *list,
                                                  const char *name);

/** Manifest, config and files of @p source, whose archive and list are set. @p tag may be NULL.
 *  WCOW_E_NOT_FOUND and WCOW_E_INVALID list what images there are. */
WCOW_NODISCARD int wcow_image_docker_load(struct wcow_image_source *source, const char *tag,
                                          struct wcow_error *err);

#endif
