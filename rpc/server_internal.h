/* SPDX-License-Identifier: Apache-2.0 */
/** @file server_internal.h
 *  Inside rpc/: what the server, its loop, its connections and calls share. */
#ifndef WCOW_RPC_SERVER_INTERNAL_H
#define WCOW_RPC_SERVER_INTERNAL_H

#include "rpc/call.h"
#include "rpc/h2.h"
#include "rpc/health.h"
#include "rpc/listener.h"

/** For one connection at a time. */
struct wcow_loop_buffers {
    uint8_t in[64 << 10];
    uint8_t out[128 << 10];
};

/** How far the end has come. */
enum wcow_server_phase {
    WCOW_SERVER_SERVES,
    WCOW_SERVER_DRAINS, /**< connections end with their last call */
    WCOW_SERVER_ABORTS, /**< now */
    WCOW_SERVER_ENDS,   /**< the loop too */
};

/** A connection that the accept thread has taken. */
struct wcow_arrival {
    struct wcow_arrival *next;
    int fd;
    bool greeted;
    bool refused;
    struct wcow_error refusal;
};

struct wcow_rpc_server {
    struct wcow_listener listener;
    struct wcow_pool *pool;
    struct wcow_health *health;
    struct wcow_method *methods; /**< the callers', health's, and the two catch-alls last */
    size_t n_methods;
    uint32_t stop_grace_ms;
    uint32_t close_grace_ms; /**< for a connection without a call */
    wcow_rpc_observer observer;
    void *observer_ctx;
    wcow_rpc_admit admit;
    void *admit_ctx;
    struct wcow_rpc_rounds rounds;

    pthread_t looper, acceptor;
    int wake_fd; /**< eventfd: ends the accept thread */
    bool started, has_acceptor, stopped;

    /* the loop's thread only */
    int epoll_fd;
    struct wcow_loop_buffers *buffers;
    struct wcow_h2 *connections;
    struct wcow_h2 *dirty;
    struct wcow_rpc_call *ready;
    struct wcow_rpc_call **ready_last;
    struct wcow_rpc_call *free_calls;
    size_t n_free_calls;
    uint64_t next_id;
    uint64_t next_deadline_ns; /**< of no call is earlier; 0: there is none */
    uint64_t crowded_until_ns; /**< several callers are at work */
    enum wcow_server_phase phase;

    int loop_fd;               /**< eventfd: wakes the loop */
    atomic_bool awake;         /**< it need not be woken */
    atomic_bool has_answers;   /**< rounds.answer has something to do */
    pthread_mutex_t post_lock; /**< the next three */
    struct wcow_rpc_call *posted;
    struct wcow_rpc_call **posted_last;
    struct wcow_arrival *arrivals;

    pthread_mutex_t lock; /**< the rest */
    pthread_cond_t changed;
    size_t n_active;      /**< calls of which anything has come, and not over */
    size_t n_connections; /**< and arrivals */
    enum wcow_server_phase wanted;
};

void wcow_server_observe(struct wcow_rpc_server *server, const struct wcow_rpc_call *call, int code,
                         const char *message);
/** accept.c: the thread that takes connections. */
void *wcow_server_accept(void *arg);

/* ---- loop.c ---- */

/** The loop's thread. */
void *wcow_server_loop(void *arg);
/** From any thread: the loop looks at the call's reply. @param over the handler is done with it */
void wcow_server_post(struct wcow_rpc_server *server, struct wcow_rpc_call *call, bool over);
/** A connection for the loop.
 *  @param refusal NULL, or what each of its calls is answered
 *  @param greeted an empty SETTINGS frame was sent on it already */
void wcow_server_adopt(struct wcow_rpc_server *server, int fd, const struct wcow_error *refusal,
                       bool greeted);
void wcow_server_want(struct wcow_rpc_server *server, enum wcow_server_phase phase);

/* ---- on the loop's thread, for its connections ---- */

struct wcow_loop_buffers *wcow_server_buffers(struct wcow_rpc_server *server);
/** A new call, or a used one made ready; NULL when out of memory. */
struct wcow_rpc_call *wcow_server_take_call(struct wcow_rpc_server *server);
/** The request is whole. */
void wcow_server_ready(struct wcow_rpc_server *server, struct wcow_rpc_call *call);
/** Answer an error before the request is whole. */
void wcow_server_refuse(struct wcow_rpc_server *server, struct wcow_rpc_call *call,
                        const struct wcow_error *err);
/** The call's stream is closed. */
void wcow_server_closed(struct wcow_rpc_server *server, struct wcow_rpc_call *call);
/** There is something to send. */
void wcow_server_dirty(struct wcow_rpc_server *server, struct wcow_h2 *h2);
void wcow_server_watch_writable(struct wcow_rpc_server *server, struct wcow_h2 *h2, bool watch);

/* ---- dispatch.c ---- */

/** Hand a whole request to its method. */
void wcow_server_dispatch(struct wcow_rpc_server *server, struct wcow_rpc_call *call);
/** A call is under way, or over. */
void wcow_server_count(struct wcow_rpc_server *server, struct wcow_rpc_call *call, bool begun);

#endif
