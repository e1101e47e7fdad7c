/* SPDX-License-Identifier: Apache-2.0 */
/** @file h2_reply.h
 *  Inside rpc/: the answering half of h2.h. */
#ifndef WCOW_RPC_H2_REPLY_H
#define WCOW_RPC_H2_REPLY_H

#include "rpc/h2.h"

/** Begin the response, or go on with it. */
void wcow_h2_reply(struct wcow_h2 *h2, struct wcow_rpc_call *call);
/** Answer in the handler's place that the time is over; what it says later is dropped. */
void wcow_h2_reply_late(struct wcow_h2 *h2, struct wcow_rpc_call *call);
/** A bare HTTP response, to what is no gRPC call. */
void wcow_h2_reply_http(struct wcow_h2 *h2, struct wcow_rpc_call *call, const char *status);

#endif
