/* SPDX-License-Identifier: Apache-2.0 */
/** @file repair_image.h
 *  A whole image mended, of each platform that a layout or an archive has, and written as an OCI
 *  layout. Images for other systems stay as they are; attestations of what was mended go. */
#ifndef WCOW_CLI_REPAIR_IMAGE_H
#define WCOW_CLI_REPAIR_IMAGE_H

#include "cli/target.h"

struct wcow_image_repair {
    const struct wcow_target_options *where;
    const char *input;  /**< a layout, or the name of an image of containerd */
    const char *output; /**< a folder; not needed where dry_run */
    const char *tag;    /**< its name in index.json, NULL: as before */
    bool one_platform;  /**< that of `where` alone; so it is always in containerd */
    bool dry_run;
    bool quiet;
};

/** Whether @p text is an image: a layout, or no file at all. 1, 0, or an error. */
WCOW_NODISCARD int wcow_repair_is_image(const char *text, struct wcow_error *err);
/** @param ret_n_left errors and warnings that remain in the layers */
WCOW_NODISCARD int wcow_repair_image(const struct wcow_image_repair *repair, uint64_t *ret_n_left,
                                     struct wcow_error *err);

#endif
