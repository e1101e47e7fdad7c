/* SPDX-License-Identifier: Apache-2.0 */
/** @file call.h
 *  Inside rpc/: the server's calls. A call's memory is used again and again.
 *
 *  Who touches what: the loop's thread alone gives a call its beginning and its end. Between them
 * it belongs to the handler, on whatever thread, until wcow_rpc_call_finish(). The lock covers what
 *  the handler sends and the loop takes. After finish() has told the loop, nobody else touches the
 *  call. */
#ifndef WCOW_RPC_CALL_H
#define WCOW_RPC_CALL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/number.h"
#include "rpc/arena.h"
#include "rpc/pool.h"
#include "rpc/server.h"

struct wcow_h2;
struct wcow_rpc_call;

/** A method as the server keeps it. */
struct wcow_method {
    struct wcow_rpc_method def;
    size_t path_len;
};

/** A message that waits to be sent, with gRPC's prefix of five bytes. */
struct wcow_outgoing {
    struct wcow_outgoing *next;
    size_t len;
    size_t sent;
    uint8_t data[];
};

/** A request header; both strings are the call's. */
struct wcow_call_header {
    struct wcow_call_header *next;
    const char *key;
    const char *value;
};

enum { WCOW_RPC_PREFIX_BYTES = 5 };

/** The message of a request as it comes in. */
struct wcow_incoming {
    uint8_t *data;
    size_t len;
    size_t cap;
};

struct wcow_rpc_call {
    struct wcow_rpc_call *next; /**< in the server's free list, or among those that are ready */
    struct wcow_rpc_server *server;
    const struct wcow_method *method;
    struct wcow_rpc_arena arena_memory;
    struct wcow_rpc_arena *arena; /**< &arena_memory, reachable through a const call */
    struct wcow_pool_job job;
    wcow_rpc_handler go_on;
    bool on_worker; /**< where it may wait */
    char id[WCOW_NUMBER_BYTES];

    /* the loop's thread only, until the handler has the call */
    struct wcow_call_header *headers;
    size_t header_bytes;
    const char *path;
    struct wcow_incoming incoming;
    ProtobufCMessage *request;
    uint64_t started_ns;
    uint64_t deadline_ns; /**< 0: none */

    /* the loop's thread only */
    struct wcow_h2 *connection; /**< NULL once the stream is closed */
    int32_t stream_id;
    struct wcow_rpc_call *open_next; /**< of the same connection */
    struct wcow_rpc_call **open_at;
    bool half_closed; /**< the client has said all */
    bool begun;       /**< the handler had it */
    bool counted;     /**< among the server's active ones */
    bool over;        /**< the handler has finished */
    bool responded;   /**< the response's headers are on their way */
    bool ended;       /**< and its trailers */
    /** Called on the loop's thread when the caller goes away before the finish. */
    void (*on_cancel)(struct wcow_rpc_call *call);
    struct wcow_rpc_call *watch_next; /**< in the health service's list */

    atomic_bool cancelled;

    /* under the server's post_lock */
    struct wcow_rpc_call *posted_next;
    bool posted;
    bool posted_over;

    pthread_mutex_t lock; /**< the rest */
    struct wcow_outgoing *out_first;
    struct wcow_outgoing **out_last;
    size_t n_out;           /**< that wait */
    bool no_more;           /**< after them comes the status */
    pthread_cond_t drained; /**< fewer wait, or the caller went away */
    int status;
    char *status_text; /**< the call's; NULL: none */
};

struct wcow_rpc_call *wcow_call_new(struct wcow_rpc_server *server);
/** Ready for the next use. */
void wcow_call_reset(struct wcow_rpc_call *call);
void wcow_call_free(struct wcow_rpc_call *call);
/** Add what came of the request's message. WCOW_E_LIMIT, WCOW_E_UNSUPPORTED (compressed),
 *  WCOW_E_NOMEM. */
WCOW_NODISCARD int wcow_call_receive(struct wcow_rpc_call *call, const uint8_t *data, size_t len,
                                     struct wcow_error *err);
/** Whether the whole message is there. */
bool wcow_call_has_message(const struct wcow_rpc_call *call);
/** The caller went away, or its time is over; on the loop's thread. */
void wcow_call_cancel(struct wcow_rpc_call *call);
uint64_t wcow_now_ns(void);

#endif
