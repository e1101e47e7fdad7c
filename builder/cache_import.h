/* SPDX-License-Identifier: Apache-2.0 */
/** @file cache_import.h
 *  --cache-from: what other builders' steps came to. Only manifest and config are read; a layer is
 *  fetched when somebody needs its bytes. Read-only once imported: threads may share it. */
#ifndef WCOW_BUILDER_CACHE_IMPORT_H
#define WCOW_BUILDER_CACHE_IMPORT_H

#include "builder/backend.h"
#include "builder/cache_place.h"
#include "store/cache.h"

struct wcow_cache_imports;

WCOW_NODISCARD int wcow_cache_imports_new(struct wcow_cache_imports **ret, struct wcow_error *err);
void wcow_cache_imports_free(struct wcow_cache_imports *imports);
WCOW_DEFINE_CLEANUP(struct wcow_cache_imports, wcow_cache_imports_free)

/** Read the cache at @p place: one that --cache-to exported, or an image that carries one.
 *  WCOW_E_NOT_FOUND where there is none, and the errors of registries and of cache configs. */
WCOW_NODISCARD int wcow_cache_import(struct wcow_cache_imports *imports, struct wcow_backend *b,
                                     const struct wcow_cache_place *place, struct wcow_error *err);

/** A step that somebody made. */
struct wcow_imported {
    struct wcow_digest shape;
    struct wcow_cached_layer layer; /**< size_bytes 0: the step changed nothing */
    const char *text;               /**< of a record that is no step; or NULL */
};
/** By its key, borrowed; NULL: not known. */
const struct wcow_imported *wcow_cache_imported(const struct wcow_cache_imports *imports,
                                                const struct wcow_digest *key);
/** Each key that leads to the layer @p digest. */
typedef void (*wcow_imported_fn)(void *arg, const struct wcow_digest *key,
                                 const struct wcow_imported *imported);
void wcow_cache_imported_each(const struct wcow_cache_imports *imports,
                              const struct wcow_digest *digest, wcow_imported_fn fn, void *arg);
/** Whether any step of this shape is known. */
bool wcow_cache_imported_shape(const struct wcow_cache_imports *imports,
                               const struct wcow_digest *shape);

#endif
