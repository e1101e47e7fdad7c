/* SPDX-License-Identifier: Apache-2.0 */
/** @file service.h
 *  containerd.services.snapshots.v1.Snapshots over a snapshotter: protobuf to domain and back. */
#ifndef WCOW_SNAPSHOTTER_SERVICE_H
#define WCOW_SNAPSHOTTER_SERVICE_H

#include "rpc/server.h"
#include "snapshotter/snapshotter.h"

enum { WCOW_SNAPSHOTTER_METHODS = 10 };

/** The service's methods, for wcow_rpc_server_new().
 *  @param s borrowed, must outlive the server */
void wcow_snapshotter_methods(struct wcow_snapshotter *s,
                              struct wcow_rpc_method ret[WCOW_SNAPSHOTTER_METHODS]);

#endif
