/* SPDX-License-Identifier: Apache-2.0 */
/** @file wine_renamed.h
 *  A directory of the image that was renamed: overlayfs notes only where it came from. A layer has
 *  to hold all of it under the new name. */
#ifndef WCOW_BUILDER_WINE_RENAMED_H
#define WCOW_BUILDER_WINE_RENAMED_H

#include "differ/chain.h"

struct wcow_wine_renamed {
    int fd;            /**< of the directory in the upper folder */
    const char *path;  /**< its new name, "Files/new", for messages */
    const char *lower; /**< its old one in the layers */
    const struct wcow_layer_chain *below;
};

/** Copy what lies below in the layers and was not changed since. WCOW_E_UNSUPPORTED for links. */
WCOW_NODISCARD int wcow_wine_fill_renamed(const struct wcow_wine_renamed *renamed,
                                          struct wcow_error *err);

#endif
