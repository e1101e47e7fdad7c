/* SPDX-License-Identifier: Apache-2.0 */
/** @file settings.h
 *  What wcowd can be told, on its command line and, under the same names, in wcowd.conf. */
#ifndef WCOW_CLI_SETTINGS_H
#define WCOW_CLI_SETTINGS_H

#include <stdbool.h>

#include "base/log.h"
#include "cli/limits.h"
#include "cli/options.h"

struct wcow_settings {
    const char *root;
    const char *address;
    const char *containerd_address;
    const char *content_root;
    const char *mount_type;      /**< "windows-layer" or "overlay" */
    const char *services;        /**< "snapshots,diff" or one of them */
    const char *metrics_address; /**< NULL: none */
    const char *layer_limits;    /**< see cli/limits.h */
    const char *missing_parents; /**< "refuse" or "accept" */
    const char *log_level;
    const char *log_format;
    const char *config;
    bool version;
    bool adopt; /**< the next containerd that comes becomes the owner of the snapshots */

    /* worked out from the above */
    bool serve_snapshots;
    bool serve_diff;
    bool overlay;
    bool allow_missing_parents;
    struct wcow_layer_limits limits;
    enum wcow_log_level level;
    enum wcow_log_format format;

    char *kept; /**< the text of the configuration file, which the strings point into */
};

#define WCOW_DEFAULT_ROOT               "/var/lib/wcow"
#define WCOW_DEFAULT_ADDRESS            "/run/wcow/wcowd.sock"
#define WCOW_DEFAULT_CONFIG             "/etc/wcow/wcowd.conf"
#define WCOW_DEFAULT_CONTAINERD_ADDRESS "/run/containerd/containerd.sock"

/** Defaults, then the configuration file, then the command line.
 *  @return WCOW_PARSE_RUN, or what wcow_options_parse() says; errors are told on standard error */
enum wcow_parse wcow_settings_load(struct wcow_settings *ret, int argc, char **argv);

/** Read the configuration file again and say which log level it asks for now; the command line
 * still wins. */
WCOW_NODISCARD int wcow_settings_reload_level(int argc, char **argv, enum wcow_log_level *ret,
                                              struct wcow_error *err);
void wcow_settings_done(struct wcow_settings *settings);

#endif
