/* SPDX-License-Identifier: Apache-2.0 */
/** @file status.h
 *  Each wcow_code once to a gRPC status and back (grpc/status.h's numbers). */
#ifndef WCOW_RPC_STATUS_H
#define WCOW_RPC_STATUS_H

#include "base/error.h"

int wcow_rpc_status_of_code(int code); /**< 0 (OK) to 16 */
int wcow_rpc_code_of_status(int grpc_status);

#endif
