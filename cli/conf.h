/* SPDX-License-Identifier: Apache-2.0 */
/** @file conf.h
 *  wcow.conf, what the command wcow takes for granted on this machine: "name = value" lines.
 *  $XDG_CONFIG_HOME/wcow/wcow.conf (~/.config), else /etc/wcow/wcow.conf. */
#ifndef WCOW_CLI_CONF_H
#define WCOW_CLI_CONF_H

#include "base/error.h"
#include "builder/run.h"

/** NULL: not set. Zero-initialise. */
struct wcow_conf {
    char *executor;        /**< what --executor=auto stands for */
    char *run_timeout;     /**< seconds */
    char *max_parallelism; /**< steps at work at once */
    struct wcow_run_limits run_limits;
};

/** No file is fine. WCOW_E_INVALID names the line. */
WCOW_NODISCARD int wcow_conf_load(struct wcow_conf *ret, struct wcow_error *err);
WCOW_NODISCARD int wcow_conf_parse(const char *text, struct wcow_conf *ret, struct wcow_error *err);
/** A size such as "512m", of 1m at least. */
WCOW_NODISCARD int wcow_conf_size(const char *text, int64_t *ret_bytes, struct wcow_error *err);
void wcow_conf_done(struct wcow_conf *conf);

#endif
