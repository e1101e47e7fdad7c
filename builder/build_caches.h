/* SPDX-License-Identifier: Apache-2.0 */
/** @file build_caches.h
 *  Private to build*.c: --cache-from and --cache-to. */
#ifndef WCOW_BUILDER_BUILD_CACHES_H
#define WCOW_BUILDER_BUILD_CACHES_H

#include "builder/build_internal.h"

/** What is wrong with the options is said before anything is built. */
WCOW_NODISCARD int wcow_build_check_caches(struct wcow_build *b, struct wcow_error *err);
/** Read the caches of --cache-from. One that cannot be read is told of, and the build goes on: it
 *  is as good without. */
WCOW_NODISCARD int wcow_build_import_caches(struct wcow_build *b, struct wcow_error *err);
/** Put the cache into the config of the image that @p s has come to, where --cache-to type=inline
 *  asks for it; what the base carried is taken out. */
WCOW_NODISCARD int wcow_build_inline_cache(struct wcow_build *b, struct wcow_stage_state *s,
                                           struct wcow_error *err);
/** Write those of --cache-to. Layers that came from other caches and are here by now are remembered
 *  like those that were made here. */
WCOW_NODISCARD int wcow_build_export_caches(struct wcow_build *b, struct wcow_error *err);

#endif
