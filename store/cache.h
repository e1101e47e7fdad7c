/* SPDX-License-Identifier: Apache-2.0 */
/** @file cache.h
 *  What the builder remembers between builds: the digests of context files by what stat says of
 *  them, and the layers that steps came to. The layers' blobs are in containerd's content store;
 * this is only how to find them. Threads may share a cache, processes its file. */
#ifndef WCOW_STORE_CACHE_H
#define WCOW_STORE_CACHE_H

#include <stdint.h>

#include "base/digest.h"

struct wcow_build_cache;

/** Open or create @p path, its folder too (mode 0700). A file that is no cache, or of another
 *  version, is set aside and begun anew: what it held can be made again. */
WCOW_NODISCARD int wcow_build_cache_open(const char *path, struct wcow_build_cache **ret,
                                         struct wcow_error *err);
/** What was remembered is written when this returns, as far as it can be. */
void wcow_build_cache_close(struct wcow_build_cache *c);
WCOW_DEFINE_CLEANUP(struct wcow_build_cache, wcow_build_cache_close)

/** What says that a file is still the same. */
struct wcow_file_stamp {
    uint64_t dev;
    uint64_t ino;
    uint64_t size_bytes;
    int64_t mtime_ns;
    int64_t ctime_ns;
};

/** 1 and the digest of its bytes, 0 where it is not known. */
WCOW_NODISCARD int wcow_build_cache_file(struct wcow_build_cache *c,
                                         const struct wcow_file_stamp *stamp,
                                         struct wcow_digest *ret, struct wcow_error *err);
/** Written to the file with the next layer, with thousands of others, or at the end: until then
 * this cache alone knows it. */
WCOW_NODISCARD int wcow_build_cache_remember_file(struct wcow_build_cache *c,
                                                  const struct wcow_file_stamp *stamp,
                                                  const struct wcow_digest *digest,
                                                  struct wcow_error *err);

/** The same for this process alone: of a file that changed just now, and so may change again
 * without another stamp. */
WCOW_NODISCARD int wcow_build_cache_note_file(struct wcow_build_cache *c,
                                              const struct wcow_file_stamp *stamp,
                                              const struct wcow_digest *digest,
                                              struct wcow_error *err);

/** A layer that a step came to. */
struct wcow_cached_layer {
    struct wcow_digest diff_id;
    struct wcow_digest digest; /**< of the blob */
    uint64_t size_bytes;       /**< of the blob */
    uint64_t tar_bytes;
    int64_t created_s; /**< when it was made, Unix seconds: its line in the history says so again */
    int64_t used_s;    /**< when it was last used, Unix seconds */
};

/** Whether any layer of this shape is known: 1 or 0. */
WCOW_NODISCARD int wcow_build_cache_has_shape(struct wcow_build_cache *c,
                                              const struct wcow_digest *shape,
                                              struct wcow_error *err);
/** 1 and the layer that a step of this key came to (its time of use is set to now, unless another
 *  build writes for so long that this cannot be waited for), or 0. */
WCOW_NODISCARD int wcow_build_cache_layer(struct wcow_build_cache *c, const struct wcow_digest *key,
                                          struct wcow_cached_layer *ret, struct wcow_error *err);
WCOW_NODISCARD int wcow_build_cache_remember_layer(struct wcow_build_cache *c,
                                                   const struct wcow_digest *shape,
                                                   const struct wcow_digest *key,
                                                   const struct wcow_cached_layer *layer,
                                                   struct wcow_error *err);
/** 1 and a key of another shape that leads to the blob @p digest, too; or 0. */
WCOW_NODISCARD int
wcow_build_cache_other_key(struct wcow_build_cache *c, const struct wcow_digest *digest,
                           const struct wcow_digest *key, const struct wcow_digest *shape,
                           struct wcow_digest *ret_key, struct wcow_digest *ret_shape,
                           struct wcow_error *err);

/** A text that was worked out once, by the key of all that it depends on: 1 and the text (the
 *  caller frees), or 0. */
WCOW_NODISCARD int wcow_build_cache_text(struct wcow_build_cache *c, const struct wcow_digest *key,
                                         char **ret, struct wcow_error *err);
WCOW_NODISCARD int wcow_build_cache_remember_text(struct wcow_build_cache *c,
                                                  const struct wcow_digest *key, const char *text,
                                                  struct wcow_error *err);

/** Each layer, the one used last first. Return < 0 to stop. The cache must not be changed
 * meanwhile. */
typedef int (*wcow_cached_layer_fn)(void *arg, const struct wcow_digest *key,
                                    const struct wcow_cached_layer *layer, struct wcow_error *err);
WCOW_NODISCARD int wcow_build_cache_each_layer(struct wcow_build_cache *c, wcow_cached_layer_fn fn,
                                               void *arg, struct wcow_error *err);
/** Forget the digests of all files, and all texts. */
WCOW_NODISCARD int wcow_build_cache_forget_files(struct wcow_build_cache *c,
                                                 struct wcow_error *err);
WCOW_NODISCARD int wcow_build_cache_forget_layer(struct wcow_build_cache *c,
                                                 const struct wcow_digest *key,
                                                 struct wcow_error *err);

#endif
