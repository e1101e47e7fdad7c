/* SPDX-License-Identifier: Apache-2.0 */
/** @file core.h
 *  gRPC C core, started and stopped by count, and with its messages in our log. */
#ifndef WCOW_RPC_CORE_H
#define WCOW_RPC_CORE_H

#include <grpc/grpc.h>

void wcow_core_init(void);
void wcow_core_done(void);
/** Start a batch that can only fail by a fault of this program, and then must not be survived: its
 *  completion would never come. */
void wcow_core_start(grpc_call *call, const grpc_op *ops, size_t n_ops, void *tag);

#endif
