/* SPDX-License-Identifier: Apache-2.0 */
/** @file repair_manifest.h
 *  The image of one platform mended: its layers from the base up, each with what the mended ones
 *  below it have, then the config and the manifest that go with them. What has nothing to mend
 *  stays the blob it is. */
#ifndef WCOW_CLI_REPAIR_MANIFEST_H
#define WCOW_CLI_REPAIR_MANIFEST_H

#include "cli/image_source.h"
#include "image/oci_layout.h"

struct wcow_manifest_repair {
    struct wcow_image_source *image; /**< manifest and config are loaded, and are changed */
    struct wcow_oci_writer *writer;  /**< NULL: nothing is written */
    const char *scratch;             /**< name of the file that a mended layer is written to */
    const char *place;               /**< in front of what is told: "windows/amd64, ", or "" */
    bool quiet;                      /**< do not tell each change */
    /* results */
    uint64_t n_mended;
    uint64_t n_left; /**< errors and warnings that remain */
};

/** @param desc of the manifest; digest and size become those of the mended one */
WCOW_NODISCARD int wcow_repair_manifest(struct wcow_manifest_repair *repair,
                                        struct wcow_descriptor *desc, struct wcow_error *err);
/** A manifest of an index as it is, with all its blobs: an image for another system than Windows,
 * or what was attested of one. */
WCOW_NODISCARD int wcow_repair_keep_manifest(const struct wcow_image_source *image,
                                             struct wcow_oci_writer *writer,
                                             const struct wcow_descriptor *desc,
                                             struct wcow_error *err);

#endif
