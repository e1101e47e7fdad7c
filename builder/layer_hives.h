/* SPDX-License-Identifier: Apache-2.0 */
/** @file layer_hives.h
 *  The registry hives that a layer on top of others carries: five that change nothing. Windows' own
 *  importers want all of them. */
#ifndef WCOW_BUILDER_LAYER_HIVES_H
#define WCOW_BUILDER_LAYER_HIVES_H

#include "builder/tree.h"

/** Add Hives/ with the five *_Delta files. @p time FILETIME */
WCOW_NODISCARD int wcow_layer_add_hives(struct wcow_tree *tree, uint64_t time,
                                        struct wcow_error *err);

#endif
