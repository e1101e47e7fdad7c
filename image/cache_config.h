/* SPDX-License-Identifier: Apache-2.0 */
/** @file cache_config.h
 *  A build cache as it travels through a registry: BuildKit's cache config, version 0 (the comment
 *  in moby/buildkit's cache/remotecache/v1/types/doc.go). Layers, and records that say which key
 *  leads to which layer.
 *
 *  The config is a blob of its own beside its layers, in an index or in a manifest whose config it
 *  is. The inline kind stands in an image's config under "moby.buildkit.cache.v0": the records
 * alone, whose layers are those of the image, bottom first.
 *
 *  What a step needs here beyond that stands under "wcow" in the records, which other readers pass
 *  over. */
#ifndef WCOW_IMAGE_CACHE_CONFIG_H
#define WCOW_IMAGE_CACHE_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "image/descriptor.h"

#define WCOW_MEDIA_CACHE_CONFIG "application/vnd.buildkit.cacheconfig.v0"

enum {
    WCOW_CACHE_CONFIG_MAX_BYTES = 8 << 20,
    WCOW_CACHE_CONFIG_MAX_ITEMS = 100000, /**< layers, records or links */
    WCOW_CACHE_NONE = -1,                 /**< no layer, no parent */
};

struct wcow_cache_layer {
    struct wcow_digest blob;
    int parent; /**< number of the layer that it lies on; WCOW_CACHE_NONE: none that is here */
    char media_type[WCOW_MEDIA_TYPE_MAX + 1]; /**< "" where the config does not say; so below */
    struct wcow_digest diff_id;
    uint64_t size_bytes;
    int64_t created_s;
};

struct wcow_cache_record {
    struct wcow_digest digest; /**< the key */
    size_t *links;             /**< numbers of the records that it builds upon, one an input */
    size_t n_links;
    int layer; /**< what it comes to, or WCOW_CACHE_NONE */
    int64_t created_s;
    struct wcow_digest shape; /**< under "wcow": text "" where it does not say */
    uint64_t tar_bytes;       /**< under "wcow": of the layer */
    bool is_empty;            /**< under "wcow": the step changed nothing: no layer */
    char *text;               /**< under "wcow": what the key stands for, or NULL */
};

/** Zero-initialise; release with wcow_cache_config_done(). */
struct wcow_cache_config {
    struct wcow_cache_layer *layers;
    size_t n_layers;
    struct wcow_cache_record *records;
    size_t n_records;
};
void wcow_cache_config_done(struct wcow_cache_config *config);

/** Append a copy of @p layer. */
WCOW_NODISCARD int wcow_cache_config_add_layer(struct wcow_cache_config *config,
                                               const struct wcow_cache_layer *layer,
                                               struct wcow_error *err);
/** Append a copy of @p record; @p ret_index its number, or NULL. */
WCOW_NODISCARD int wcow_cache_config_add_record(struct wcow_cache_config *config,
                                                const struct wcow_cache_record *record,
                                                size_t *ret_index, struct wcow_error *err);

/** Read a config. Results that are chains of layers keep their last. WCOW_E_CORRUPT says which
 *  field is wrong; WCOW_E_LIMIT. @p ret must be zeroed. */
WCOW_NODISCARD int wcow_cache_config_parse(const void *data, size_t len,
                                           struct wcow_cache_config *ret, struct wcow_error *err);
/** Append the document to @p out: the same content always as the same bytes. */
WCOW_NODISCARD int wcow_cache_config_write(const struct wcow_cache_config *config,
                                           struct wcow_buf *out, struct wcow_error *err);
/** The records alone, a JSON list. The numbers of layers are those of an image of @p n_layers. */
WCOW_NODISCARD int wcow_cache_config_parse_records(const void *data, size_t len, size_t n_layers,
                                                   struct wcow_cache_config *ret,
                                                   struct wcow_error *err);
WCOW_NODISCARD int wcow_cache_config_write_records(const struct wcow_cache_config *config,
                                                   struct wcow_buf *out, struct wcow_error *err);

/** Seconds since 1970 of an RFC 3339 time in UTC, its fraction passed over; 0 for anything else. */
int64_t wcow_time_parse(const char *text);

#endif
