/* SPDX-License-Identifier: Apache-2.0 */
/** @file server.h
 *  gRPC services on a local socket. Callers see requests, replies and calls, never the transport.
 *
 *  One thread, the loop, reads and writes all connections. A method marked WCOW_RPC_INLINE is
 *  handled on that thread and must not block; one marked WCOW_RPC_WORKER is handled on the worker
 *  pool. Either may finish its call later, from any thread. */
#ifndef WCOW_RPC_SERVER_H
#define WCOW_RPC_SERVER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <protobuf-c/protobuf-c.h>

#include "base/cleanup.h"
#include "base/error.h"

struct wcow_rpc_server;
struct wcow_rpc_call;

enum wcow_rpc_where { WCOW_RPC_INLINE, WCOW_RPC_WORKER };

/** Must see to it that wcow_rpc_call_finish() is called exactly once. */
typedef void (*wcow_rpc_handler)(struct wcow_rpc_call *call, void *ctx);

struct wcow_rpc_method {
    const char *path; /**< "/containerd.services.snapshots.v1.Snapshots/Prepare" */
    const ProtobufCMessageDescriptor *request; /**< unpacked before the handler runs */
    enum wcow_rpc_where where;
    wcow_rpc_handler handle;
    void *ctx;
};

/* ---- a call, valid until it is finished ---- */

/** The request, unpacked into the call's memory. */
const ProtobufCMessage *wcow_rpc_call_request(const struct wcow_rpc_call *call);
/** Memory that lives as long as the call; NULL when out of memory. One thread at a time. */
void *wcow_rpc_call_alloc(struct wcow_rpc_call *call, size_t size);
char *wcow_rpc_call_strdup(struct wcow_rpc_call *call, const char *s);
/** A request header ("containerd-namespace", "containerd-lease"), or NULL. */
const char *wcow_rpc_call_header(const struct wcow_rpc_call *call, const char *key);
/** True from the moment the caller went away or its deadline passed. To poll or hand on. */
const atomic_bool *wcow_rpc_call_cancelled(const struct wcow_rpc_call *call);

/** Add a message to a server-streaming reply (queued, sent in order). Where many wait because the
 *  caller does not read, who runs on the worker pool waits here: WCOW_E_DEADLINE after 30 s,
 *  WCOW_E_CANCELLED when the caller goes away. */
WCOW_NODISCARD int wcow_rpc_call_send(struct wcow_rpc_call *call, const ProtobufCMessage *message,
                                      struct wcow_error *err);
/** Go on with an inline method's call on the worker pool, with what takes time; the last thing the
 *  inline handler does. */
void wcow_rpc_call_go_on(struct wcow_rpc_call *call, wcow_rpc_handler handler);
/** End the call and free it. @param code WCOW_OK with @p reply (NULL for a streaming method), or an
 *  error whose class becomes the gRPC status and whose err->msg becomes its text (made valid
 * UTF-8). */
void wcow_rpc_call_finish(struct wcow_rpc_call *call, const ProtobufCMessage *reply, int code,
                          const struct wcow_error *err);

/* ---- the server ---- */

/** Called after each finished call, on any thread: for logs and metrics. */
typedef void (*wcow_rpc_observer)(void *ctx, const char *method, const char *call_id, int code,
                                  const char *message, uint64_t duration_ns);

/** Whether the process @p pid may call here; asked once a connection, on the accept thread.
 *  WCOW_E_UNAVAILABLE: cannot be said yet, ask again in a moment (for 10 s, then it may). Another
 *  error: each call on the connection gets it as its answer.
 *  @param pid 0 where the peer is unknown */
typedef int (*wcow_rpc_admit)(void *ctx, pid_t pid, struct wcow_error *err);

/** Called on the loop's thread before and after the calls that came at once are handled: where
 *  several can share their work, it is done at the end.
 *  @param several the round has more than one call: no other comes in before the end
 *  @param alone the round has one call, no other is under way, and callers come one by one: then
 * the end may do in place what takes a fraction of a millisecond */
struct wcow_rpc_rounds {
    void (*begin)(void *ctx, bool several); /**< NULL: none is called */
    void (*end)(void *ctx, bool alone);
    void (*answer)(void *ctx); /**< after wcow_rpc_server_has_answers() */
    void (*after)(void *ctx);  /**< the answers are on their way */
    void *ctx;
};

struct wcow_rpc_server_options {
    const char *address;             /**< socket path, at most 107 bytes; NULL: only systemd's */
    struct wcow_listener *inherited; /**< wcow_listener_inherit()'s, taken over; may be NULL */
    unsigned n_workers;              /**< 0: the number of processors, at least 2 */
    uint32_t stop_grace_ms;          /**< how long running calls may go on after stop; 0: 10 s */
    wcow_rpc_observer observer;      /**< may be NULL */
    void *observer_ctx;
    wcow_rpc_admit admit; /**< NULL: everybody */
    void *admit_ctx;
    struct wcow_rpc_rounds rounds;
};

/** Own the socket: takes a lock beside it ("ADDRESS.lock", flock), so that a second server on the
 *  path gets WCOW_E_EXISTS and the first keeps its socket; a stale socket is replaced; mode 0600.
 *  With LISTEN_FDS (systemd socket activation) the passed descriptor is taken instead. Peer
 *  credentials of each connection are logged at debug level. grpc.health.v1 is served for each
 *  service named in the methods and for "". */
WCOW_NODISCARD int wcow_rpc_server_new(const struct wcow_rpc_server_options *options,
                                       const struct wcow_rpc_method *methods, size_t n_methods,
                                       struct wcow_rpc_server **ret, struct wcow_error *err);
/** The path of its socket, which may be another than the option's; "" where it has none. Until
 * stop.
 */
const char *wcow_rpc_server_address(const struct wcow_rpc_server *server);
/** Begin to serve; returns at once. */
WCOW_NODISCARD int wcow_rpc_server_start(struct wcow_rpc_server *server, struct wcow_error *err);
/** From any thread: calls that rounds took wait for rounds.answer. */
void wcow_rpc_server_has_answers(struct wcow_rpc_server *server);
/** How long the oldest of the WCOW_RPC_WORKER calls that run has been running. */
uint32_t wcow_rpc_server_busy_ms(const struct wcow_rpc_server *server);
/** Take no new connections, tell clients to connect anew, answer what they call until they have
 * gone or the grace time is over, cancel the rest, wait for all. A client that connects meanwhile,
 * and who was told so, waits in the socket: none of them loses a call if a successor has it. */
void wcow_rpc_server_stop(struct wcow_rpc_server *server);
/** Keep the socket beyond the server's end, for a successor (rpc/listener.h); before stop.
 *  @param grace_ms how long running calls may go on after stop, instead of the option's */
struct wcow_listener;
WCOW_NODISCARD int wcow_rpc_server_pass_on(struct wcow_rpc_server *server, uint32_t grace_ms,
                                           struct wcow_listener *ret, struct wcow_error *err);
/** Stops first if need be. */
void wcow_rpc_server_free(struct wcow_rpc_server *server);
WCOW_DEFINE_CLEANUP(struct wcow_rpc_server, wcow_rpc_server_free)

#endif
