/* SPDX-License-Identifier: Apache-2.0 */
/** @file health.h
 *  grpc.health.v1 for every service among the server's methods, and for "".
 *  Source: gRPC's health checking protocol. */
#ifndef WCOW_RPC_HEALTH_H
#define WCOW_RPC_HEALTH_H

#include "rpc/server.h"

enum { WCOW_HEALTH_METHODS = 2 };

struct wcow_health;

WCOW_NODISCARD int wcow_health_new(const struct wcow_rpc_method *methods, size_t n_methods,
                                   struct wcow_health **ret, struct wcow_error *err);
/** Check and Watch, for the server's table. */
void wcow_health_methods(struct wcow_health *health,
                         struct wcow_rpc_method ret[WCOW_HEALTH_METHODS]);
/** The server stops: NOT_SERVING from now on, and the end of every Watch. */
void wcow_health_stop(struct wcow_health *health);
void wcow_health_free(struct wcow_health *health);
WCOW_DEFINE_CLEANUP(struct wcow_health, wcow_health_free)

#endif
