/* SPDX-License-Identifier: Apache-2.0 */
/** @file media.h
 *  Media types of manifests, configs and layers (OCI image-spec v1.1, media-types.md; Docker
 *  image manifest version 2, schema 2). */
#ifndef WCOW_IMAGE_MEDIA_H
#define WCOW_IMAGE_MEDIA_H

#include <stdbool.h>

enum { WCOW_MEDIA_TYPE_MAX = 255 };

#define WCOW_MEDIA_OCI_INDEX           "application/vnd.oci.image.index.v1+json"
#define WCOW_MEDIA_OCI_MANIFEST        "application/vnd.oci.image.manifest.v1+json"
#define WCOW_MEDIA_OCI_CONFIG          "application/vnd.oci.image.config.v1+json"
#define WCOW_MEDIA_OCI_EMPTY           "application/vnd.oci.empty.v1+json"
#define WCOW_MEDIA_OCI_LAYER           "application/vnd.oci.image.layer.v1.tar"
#define WCOW_MEDIA_OCI_LAYER_GZIP      "application/vnd.oci.image.layer.v1.tar+gzip"
#define WCOW_MEDIA_OCI_LAYER_ZSTD      "application/vnd.oci.image.layer.v1.tar+zstd"
#define WCOW_MEDIA_OCI_FOREIGN         "application/vnd.oci.image.layer.nondistributable.v1.tar"
#define WCOW_MEDIA_OCI_FOREIGN_GZIP    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
#define WCOW_MEDIA_OCI_FOREIGN_ZSTD    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd"
#define WCOW_MEDIA_DOCKER_INDEX        "application/vnd.docker.distribution.manifest.list.v2+json"
#define WCOW_MEDIA_DOCKER_MANIFEST     "application/vnd.docker.distribution.manifest.v2+json"
#define WCOW_MEDIA_DOCKER_MANIFEST_V1  "application/vnd.docker.distribution.manifest.v1+json"
#define WCOW_MEDIA_DOCKER_CONFIG       "application/vnd.docker.container.image.v1+json"
#define WCOW_MEDIA_DOCKER_LAYER        "application/vnd.docker.image.rootfs.diff.tar"
#define WCOW_MEDIA_DOCKER_LAYER_GZIP   "application/vnd.docker.image.rootfs.diff.tar.gzip"
#define WCOW_MEDIA_DOCKER_LAYER_ZSTD   "application/vnd.docker.image.rootfs.diff.tar.zstd"
#define WCOW_MEDIA_DOCKER_FOREIGN      "application/vnd.docker.image.rootfs.foreign.diff.tar"
#define WCOW_MEDIA_DOCKER_FOREIGN_GZIP "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
#define WCOW_MEDIA_IN_TOTO             "application/vnd.in-toto+json"

bool wcow_media_is_index(const char *media_type);
bool wcow_media_is_manifest(const char *media_type);
/** A layer that comes from its URLs and is not pushed unless asked. */
bool wcow_media_is_foreign(const char *media_type);
/** Whether it is one of Docker's own types (manifest, config or layer). */
bool wcow_media_is_docker(const char *media_type);
/** The OCI type for Docker's (what may stand in an OCI manifest); others come back unchanged. */
const char *wcow_media_to_oci(const char *media_type);
/** The Docker type for an OCI one; others (zstd layers and indexes too) have one as well or come
 *  back unchanged. */
const char *wcow_media_to_docker(const char *media_type);

#endif
