/* SPDX-License-Identifier: Apache-2.0 */
/** @file config.h
 *  The image config: what `docker image inspect` shows (OCI image-spec v1.1, config.md, and
 *  Docker's Healthcheck, OnBuild and Shell; ArgsEscaped for Windows). Loaded from JSON with
 *  unknown fields kept; written in the order of the OCI Go types, so that the same content has
 *  the same digest. One thread at a time. */
#ifndef WCOW_IMAGE_CONFIG_H
#define WCOW_IMAGE_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/digest.h"
#include "image/platform.h"
#include "image/strings.h"

enum {
    WCOW_CONFIG_MAX_BYTES = 8 << 20, /**< of one config document */
    WCOW_CONFIG_MAX_LAYERS = 10000,
};

struct wcow_image_config;

/** An empty config for @p platform with no layer: FROM scratch. */
WCOW_NODISCARD int wcow_image_config_new(const struct wcow_platform *platform,
                                         struct wcow_image_config **ret, struct wcow_error *err);
/** Read a config document. WCOW_E_CORRUPT names the field that is wrong; WCOW_E_LIMIT. Also
 *  checked: that the history's entries that are not empty are as many as the diff IDs (a config
 *  without history passes). */
WCOW_NODISCARD int wcow_image_config_parse(const void *data, size_t len,
                                           struct wcow_image_config **ret, struct wcow_error *err);
/** A deep copy. */
WCOW_NODISCARD int wcow_image_config_copy(const struct wcow_image_config *config,
                                          struct wcow_image_config **ret, struct wcow_error *err);
/** Remove what Docker's classic builder noted about its own container and its parent (container,
 *  container_config, docker_version, id, parent; Image in the config): not true of an image made
 *  from this one. */
void wcow_image_config_drop_legacy(struct wcow_image_config *config);
/** Append the document to @p out. */
WCOW_NODISCARD int wcow_image_config_write(const struct wcow_image_config *config,
                                           struct wcow_buf *out, struct wcow_error *err);
void wcow_image_config_free(struct wcow_image_config *config);
WCOW_DEFINE_CLEANUP(struct wcow_image_config, wcow_image_config_free)

/** @name Top level */
/** @{ */
struct wcow_platform wcow_image_config_platform(const struct wcow_image_config *config);
bool wcow_image_config_is_windows(const struct wcow_image_config *config);
/** RFC 3339 as it stands, borrowed; NULL when absent. */
const char *wcow_image_config_created(const struct wcow_image_config *config);
/** Seconds since 1970 and nanoseconds, written as Go writes a time in UTC. */
WCOW_NODISCARD int wcow_image_config_set_created(struct wcow_image_config *config, int64_t seconds,
                                                 uint32_t nanoseconds, struct wcow_error *err);
WCOW_NODISCARD int wcow_image_config_set_author(struct wcow_image_config *config,
                                                const char *author, struct wcow_error *err);
/** BuildKit's inline cache, which the image carries with it: base64 as it stands, borrowed; NULL
 *  when absent. NULL removes it. */
const char *wcow_image_config_inline_cache(const struct wcow_image_config *config);
WCOW_NODISCARD int wcow_image_config_set_inline_cache(struct wcow_image_config *config,
                                                      const char *base64, struct wcow_error *err);
/** @} */

/** @name Strings of the "config" object */
/** @{ */
enum wcow_config_string {
    WCOW_CONFIG_USER,
    WCOW_CONFIG_WORKING_DIR,
    WCOW_CONFIG_STOP_SIGNAL,
};
/** Borrowed until the config changes; "" when absent. */
const char *wcow_image_config_string(const struct wcow_image_config *config,
                                     enum wcow_config_string which);
/** "" or NULL removes it. */
WCOW_NODISCARD int wcow_image_config_set_string(struct wcow_image_config *config,
                                                enum wcow_config_string which, const char *value,
                                                struct wcow_error *err);
/** @} */

/** @name Lists of the "config" object */
/** @{ */
enum wcow_config_list {
    WCOW_CONFIG_ENTRYPOINT,
    WCOW_CONFIG_CMD,
    WCOW_CONFIG_SHELL,
    WCOW_CONFIG_ON_BUILD,
    WCOW_CONFIG_ENV, /**< "NAME=value"; change it with wcow_image_config_set_env() */
};
/** Add the items to @p ret (zeroed by the caller); nothing when absent. */
WCOW_NODISCARD int wcow_image_config_list(const struct wcow_image_config *config,
                                          enum wcow_config_list which, struct wcow_str_list *ret,
                                          struct wcow_error *err);
/** Replace it; NULL removes the field, an empty list stays as []. */
WCOW_NODISCARD int wcow_image_config_set_list(struct wcow_image_config *config,
                                              enum wcow_config_list which,
                                              const struct wcow_str_list *value,
                                              struct wcow_error *err);
/** Whether the field is there at all ([] counts). */
bool wcow_image_config_has_list(const struct wcow_image_config *config,
                                enum wcow_config_list which);
/** @} */

/** @name Environment
 *  Names compare without regard to case where the image's OS is windows (only A to Z fold,
 *  which is what names in practice use). */
/** @{ */
/** The value, borrowed; NULL when absent. */
const char *wcow_image_config_env(const struct wcow_image_config *config, const char *name);
/** Set in place, keeping the position and, on Windows, the spelling of the name that is there. */
WCOW_NODISCARD int wcow_image_config_set_env(struct wcow_image_config *config, const char *name,
                                             const char *value, struct wcow_error *err);
/** @} */

/** @name Sets and maps of the "config" object */
/** @{ */
enum wcow_config_set {
    WCOW_CONFIG_EXPOSED_PORTS, /**< "80/tcp" */
    WCOW_CONFIG_VOLUMES,       /**< "C:\\data" */
};
WCOW_NODISCARD int wcow_image_config_add_to_set(struct wcow_image_config *config,
                                                enum wcow_config_set which, const char *key,
                                                struct wcow_error *err);
WCOW_NODISCARD int wcow_image_config_set_members(const struct wcow_image_config *config,
                                                 enum wcow_config_set which,
                                                 struct wcow_str_list *ret, struct wcow_error *err);
/** Borrowed; NULL when absent. */
const char *wcow_image_config_label(const struct wcow_image_config *config, const char *key);
/** NULL as value removes the label. */
WCOW_NODISCARD int wcow_image_config_set_label(struct wcow_image_config *config, const char *key,
                                               const char *value, struct wcow_error *err);
/** @} */

/** Whether Entrypoint and Cmd are already one escaped command line (Windows). */
bool wcow_image_config_args_escaped(const struct wcow_image_config *config);
WCOW_NODISCARD int wcow_image_config_set_args_escaped(struct wcow_image_config *config,
                                                      bool escaped, struct wcow_error *err);

/** Docker's health check; durations in nanoseconds, 0 means inherited. */
struct wcow_healthcheck {
    struct wcow_str_list test; /**< ["NONE"], ["CMD", …] or ["CMD-SHELL", …] */
    int64_t interval_ns;
    int64_t timeout_ns;
    int64_t start_period_ns;
    int64_t start_interval_ns;
    int64_t retries;
};
/** NULL removes it. */
WCOW_NODISCARD int wcow_image_config_set_healthcheck(struct wcow_image_config *config,
                                                     const struct wcow_healthcheck *check,
                                                     struct wcow_error *err);
/** Fills @p ret (zeroed; release ret->test); *ret_has tells whether there is one. */
WCOW_NODISCARD int wcow_image_config_healthcheck(const struct wcow_image_config *config,
                                                 struct wcow_healthcheck *ret, bool *ret_has,
                                                 struct wcow_error *err);

/** One instruction's line in the history; strings may be NULL. */
struct wcow_history {
    bool has_created;
    int64_t created_s; /**< seconds since 1970 */
    uint32_t created_ns;
    const char *created_by;
    const char *author;
    const char *comment;
    bool empty_layer;
};
WCOW_NODISCARD int wcow_image_config_add_history(struct wcow_image_config *config,
                                                 const struct wcow_history *entry,
                                                 struct wcow_error *err);
size_t wcow_image_config_history_count(const struct wcow_image_config *config);
/** Entry @p index as borrowed strings (has_created is false: `created` stays text and is given in
 *  *ret_created, NULL when absent). */
WCOW_NODISCARD int wcow_image_config_history(const struct wcow_image_config *config, size_t index,
                                             struct wcow_history *ret, const char **ret_created,
                                             struct wcow_error *err);

/** Append the diff ID of one more layer (the digest of its uncompressed tar). */
WCOW_NODISCARD int wcow_image_config_add_diff_id(struct wcow_image_config *config,
                                                 const char *diff_id, struct wcow_error *err);
/** Replace the one at @p index. */
WCOW_NODISCARD int wcow_image_config_set_diff_id(struct wcow_image_config *config, size_t index,
                                                 const char *diff_id, struct wcow_error *err);
size_t wcow_image_config_diff_id_count(const struct wcow_image_config *config);
/** Borrowed; NULL past the end. */
const char *wcow_image_config_diff_id(const struct wcow_image_config *config, size_t index);

/** The chain ID of a layer: sha256(@p parent + " " + @p diff_id), of the bottom layer (@p parent
 * NULL or "") its diff ID. WCOW_E_INVALID for a bad digest. */
WCOW_NODISCARD int wcow_chain_id_next(const char *parent, const char *diff_id,
                                      struct wcow_digest *ret, struct wcow_error *err);
/** The same of the first @p count layers of @p config; WCOW_E_INVALID where it has fewer, or for
 *  none. */
WCOW_NODISCARD int wcow_image_config_chain_id(const struct wcow_image_config *config, size_t count,
                                              struct wcow_digest *ret, struct wcow_error *err);

enum { WCOW_TIME_TEXT_MAX = 40 };
/** RFC 3339 in UTC with trailing zeros of the fraction trimmed, as Go's time.RFC3339Nano. */
WCOW_NODISCARD int wcow_time_format(int64_t seconds, uint32_t nanoseconds,
                                    char out[WCOW_TIME_TEXT_MAX], struct wcow_error *err);

#endif
