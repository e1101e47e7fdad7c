/* SPDX-License-Identifier: Apache-2.0 */
/** @file cache_export.h
 *  --cache-to: a cache config and its layers into a registry or a folder. A layer that the registry
 *  has, there or in a repository that it can be mounted from, is not sent. */
#ifndef WCOW_BUILDER_CACHE_EXPORT_H
#define WCOW_BUILDER_CACHE_EXPORT_H

#include "builder/backend.h"
#include "builder/cache_place.h"
#include "image/cache_config.h"

/** @param ret what the cache's name stands for; NULL allowed */
WCOW_NODISCARD int wcow_cache_export(struct wcow_backend *b, const struct wcow_cache_place *place,
                                     const struct wcow_cache_config *config, unsigned step,
                                     struct wcow_digest *ret, struct wcow_error *err);

#endif
