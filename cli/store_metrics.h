/* SPDX-License-Identifier: Apache-2.0 */
/** @file store_metrics.h
 *  What Prometheus gets to know of the store: its transactions, its size, what is in it. */
#ifndef WCOW_CLI_STORE_METRICS_H
#define WCOW_CLI_STORE_METRICS_H

#include "base/bytes.h"
#include "store/db.h"

WCOW_NODISCARD int wcow_store_metrics_write(struct wcow_store *store, struct wcow_buf *out,
                                            struct wcow_error *err);

#endif
