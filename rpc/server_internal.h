/* SPDX-License-Identifier: Apache-2.0 */
/** @file server_internal.h
 *  Inside rpc/: what the server, its calls and the health service share. */
#ifndef WCOW_RPC_SERVER_INTERNAL_H
#define WCOW_RPC_SERVER_INTERNAL_H

#include "rpc/call.h"
#include "rpc/health.h"
#include "rpc/listener.h"

struct wcow_rpc_server {
    grpc_server *server;
    grpc_server *refuser; /**< of connections that are not admitted: it answers why */
    grpc_completion_queue *cq;
    struct wcow_write_gate gate; /**< of what is written to clients */
    struct wcow_listener listener;
    struct wcow_pool *pool;
    struct wcow_health *health;
    struct wcow_method *methods; /**< the callers', health's, and the two catch-alls last */
    size_t n_methods;
    uint32_t stop_grace_ms;
    wcow_rpc_observer observer;
    void *observer_ctx;
    wcow_rpc_admit admit;
    void *admit_ctx;

    pthread_t dispatcher, acceptor;
    int wake_fd;          /**< eventfd: ends the accept thread */
    uint64_t accepted_ns; /**< the last connection; the accept thread's, then the stopping one's */
    bool started, stopped;

    struct wcow_rpc_call *free_calls; /**< dispatch thread only */
    size_t n_free_calls;
    uint64_t next_id;

    pthread_mutex_t lock; /**< the rest */
    pthread_cond_t changed;
    size_t n_active;           /**< calls begun and not over */
    unsigned n_shut_down;      /**< of the two: gRPC has let go of every connection */
    struct wcow_error refusal; /**< the last one */
};

void wcow_server_observe(struct wcow_rpc_server *server, const struct wcow_rpc_call *call, int code,
                         const char *message);
/** accept.c: the thread that takes connections. */
void *wcow_server_accept(void *arg);

#endif
