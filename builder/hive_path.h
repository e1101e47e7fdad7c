/* SPDX-License-Identifier: Apache-2.0 */
/** @file hive_path.h
 *  The PATH of a Windows image. It stands in the registry, not in the image's config: in the SYSTEM
 *  hive of the base, or in the System_Delta of a layer on it (setx /M). */
#ifndef WCOW_BUILDER_HIVE_PATH_H
#define WCOW_BUILDER_HIVE_PATH_H

#include "builder/layers.h"

/** What Windows falls back to where no registry says otherwise. */
#define WCOW_DEFAULT_PATH "c:\\Windows\\System32;c:\\Windows"

/** Whether the layers have a registry at all. 1, 0 or an error. */
WCOW_NODISCARD int wcow_layers_have_registry(const struct wcow_layers *layers,
                                             struct wcow_error *err);

/** The PATH that the registry of @p layers gives, with %SystemRoot% and its like replaced; the
 *  default where there is no registry or no value in it. WCOW_E_CORRUPT names the hive. */
WCOW_NODISCARD int wcow_layers_path(const struct wcow_layers *layers, char **ret,
                                    struct wcow_error *err);

/** Replace %NAME% as Windows does, by what @p value gives; a name that it does not know (NULL)
 *  stays as written. Appended to @p out. */
typedef const char *(*wcow_percent_fn)(void *ctx, const char *name, size_t len);
WCOW_NODISCARD int wcow_percent_expand(const char *text, wcow_percent_fn value, void *ctx,
                                       struct wcow_buf *out, struct wcow_error *err);

#endif
