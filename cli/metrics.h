/* SPDX-License-Identifier: Apache-2.0 */
/** @file metrics.h
 *  Prometheus metrics of wcowd, served over HTTP on a loopback port or a socket: calls by method
 * and status, their durations, and gauges that are asked for when somebody looks. Text format:
 * Prometheus exposition formats, version 0.0.4. */
#ifndef WCOW_CLI_METRICS_H
#define WCOW_CLI_METRICS_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/cleanup.h"

struct wcow_metrics;

/** Appends more metrics in the text format; called on the server's thread. */
typedef int (*wcow_metrics_source)(void *ctx, struct wcow_buf *out, struct wcow_error *err);

WCOW_NODISCARD int wcow_metrics_new(wcow_metrics_source more, void *more_ctx,
                                    struct wcow_metrics **ret, struct wcow_error *err);

/** Count one finished call; any thread. */
void wcow_metrics_call(struct wcow_metrics *metrics, const char *method, int code,
                       uint64_t duration_ns);

/** Append everything as text. */
WCOW_NODISCARD int wcow_metrics_write(struct wcow_metrics *metrics, struct wcow_buf *out,
                                      struct wcow_error *err);

/** Begin to serve GET /metrics. @p address is "127.0.0.1:PORT", "[::1]:PORT" or a socket path (mode
 *  0600, replaced when stale). WCOW_E_INVALID for any other: the metrics are for this machine. */
WCOW_NODISCARD int wcow_metrics_serve(struct wcow_metrics *metrics, const char *address,
                                      struct wcow_error *err);
/** Stops serving. NULL allowed. */
void wcow_metrics_free(struct wcow_metrics *metrics);
WCOW_DEFINE_CLEANUP(struct wcow_metrics, wcow_metrics_free)

#endif
