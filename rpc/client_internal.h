/* SPDX-License-Identifier: Apache-2.0 */
/** @file client_internal.h
 *  Inside rpc/: what unary calls and streams share on the client's side. */
#ifndef WCOW_RPC_CLIENT_INTERNAL_H
#define WCOW_RPC_CLIENT_INTERNAL_H

#include <grpc/grpc.h>
#include <pthread.h>
#include <stdbool.h>

#include "rpc/client.h"

/** A completion queue, empty between calls, so that the next call can have it. */
struct wcow_queue {
    struct wcow_queue *next;
    grpc_completion_queue *cq;
};

struct wcow_rpc_channel {
    grpc_channel *channel;
    char *path;
    pthread_mutex_t lock;
    struct wcow_queue *idle_queues;
};

/** What both kinds of call have: the call, its queue, and how it ended. */
struct wcow_client_call {
    struct wcow_rpc_channel *channel;
    struct wcow_queue *queue;
    grpc_call *call;
    char peer[64];
    uint64_t until_ns;         /**< 0: no deadline */
    const atomic_bool *cancel; /**< or NULL */
    bool cancelled;            /**< we did */
    char *method;
    grpc_metadata *headers;
    size_t n_headers;
    grpc_metadata_array initial, trailing;
    grpc_status_code status;
    grpc_slice status_text;
};

WCOW_NODISCARD int wcow_queue_take(struct wcow_rpc_channel *channel, struct wcow_queue **ret,
                                   struct wcow_error *err);
void wcow_queue_give(struct wcow_rpc_channel *channel, struct wcow_queue *queue);
/** Connects if need be, or says at once why nobody answers. */
WCOW_NODISCARD int wcow_channel_ready(struct wcow_rpc_channel *channel, struct wcow_queue *queue,
                                      const struct wcow_rpc_call_options *options,
                                      struct wcow_error *err);
/** Says why nobody answers at the channel's path. @param sys_errno as wcow_socket_probe() gave it
 */
int wcow_channel_unreachable(const struct wcow_rpc_channel *channel, const char *peer,
                             int sys_errno, struct wcow_error *err);
/** @param call zeroed; wcow_client_call_end() whatever the result */
WCOW_NODISCARD int wcow_client_call_begin(struct wcow_client_call *call,
                                          struct wcow_rpc_channel *channel,
                                          const struct wcow_rpc_call_options *options,
                                          const char *method, struct wcow_error *err);
/** The next completion; cancels the call when the flag is set and then goes on waiting. */
void *wcow_client_call_next(struct wcow_client_call *call, bool *ret_ok);
/** The batches that all calls need. */
grpc_op wcow_client_op_headers(const struct wcow_client_call *call);
grpc_op wcow_client_op_status(struct wcow_client_call *call);
grpc_op wcow_client_op_initial(struct wcow_client_call *call);
/** The status that came, as code and message. */
WCOW_NODISCARD int wcow_client_call_result(const struct wcow_client_call *call,
                                           struct wcow_error *err);
/** With every tag drained. */
void wcow_client_call_end(struct wcow_client_call *call);

#endif
