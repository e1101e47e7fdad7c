/* SPDX-License-Identifier: Apache-2.0 */
/** @file build_cache.h
 *  The step cache as the commands see it: where it is, and what is in it. */
#ifndef WCOW_CLI_BUILD_CACHE_H
#define WCOW_CLI_BUILD_CACHE_H

#include <stdbool.h>

#include "store/cache.h"

/** $XDG_CACHE_HOME/wcow, or /var/lib/wcow for root, or ~/.cache/wcow; *ret is NULL where there is
 *  none of them. Caller frees. */
WCOW_NODISCARD int wcow_build_cache_path(char **ret, struct wcow_error *err);

struct wcow_cached_item {
    struct wcow_digest key;
    struct wcow_cached_layer layer;
};
/** All layers, the one used last first. Zero-initialise. */
struct wcow_cached_items {
    struct wcow_cached_item *items;
    size_t n;
};
void wcow_cached_items_done(struct wcow_cached_items *items);
WCOW_NODISCARD int wcow_cached_items_read(struct wcow_build_cache *cache,
                                          struct wcow_cached_items *ret, struct wcow_error *err);

/** Whether an item before @p at leads to the same layer. */
bool wcow_cached_items_repeats(const struct wcow_cached_items *items, size_t at);

/** --filter of du and prune: "until=24h" (or "unused-for="), "id=sha256:…" (or its beginning). */
struct wcow_cache_filter {
    bool is_given;
    int64_t used_before_s; /**< INT64_MAX: whenever */
    const char *id;        /**< borrowed; NULL: any */
};
/** @param texts each once given; WCOW_E_INVALID says what there is */
WCOW_NODISCARD int wcow_cache_filter_parse(const char *const *texts, size_t n, int64_t now_s,
                                           struct wcow_cache_filter *ret, struct wcow_error *err);
bool wcow_cache_filter_matches(const struct wcow_cache_filter *filter,
                               const struct wcow_cached_layer *layer);

enum { WCOW_SIZE_TEXT_MAX = 24 };
/** "12.3 MB" */
void wcow_size_text(uint64_t bytes, char ret[WCOW_SIZE_TEXT_MAX]);
/** "10GB", "512MiB", "1000". WCOW_E_INVALID */
WCOW_NODISCARD int wcow_size_parse(const char *text, uint64_t *ret, struct wcow_error *err);
/** "24h", "10m", "7d", "1h30m", "90" (seconds). WCOW_E_INVALID */
WCOW_NODISCARD int wcow_duration_parse(const char *text, int64_t *ret_s, struct wcow_error *err);

#endif
