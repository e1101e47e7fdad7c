/* SPDX-License-Identifier: Apache-2.0 */
/** @file daemon.h
 *  The parts of wcowd put together: store, snapshotter, differ, server, metrics. */
#ifndef WCOW_CLI_DAEMON_H
#define WCOW_CLI_DAEMON_H

#include "base/cleanup.h"
#include "cli/settings.h"
#include "rpc/listener.h"

struct wcow_daemon;

/** Open (or make) the root, recover, and serve; returns once the socket answers.
 *  @param settings borrowed, must outlive the daemon */
WCOW_NODISCARD int wcow_daemon_start(const struct wcow_settings *settings, struct wcow_daemon **ret,
                                     struct wcow_error *err);
/** The path of the socket that it serves on, whoever made it. */
const char *wcow_daemon_address(const struct wcow_daemon *daemon);
/** How long the oldest call that runs has been running, of those that may take long. */
uint32_t wcow_daemon_busy_ms(const struct wcow_daemon *daemon);
/** Keep the socket for a successor; wcow_daemon_free() then lets running calls end. */
WCOW_NODISCARD int wcow_daemon_pass_on(struct wcow_daemon *daemon, struct wcow_listener *ret,
                                       struct wcow_error *err);
/** Stop within the grace time and close everything. NULL allowed. */
void wcow_daemon_free(struct wcow_daemon *daemon);
WCOW_DEFINE_CLEANUP(struct wcow_daemon, wcow_daemon_free)

#endif
