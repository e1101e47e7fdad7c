/* SPDX-License-Identifier: Apache-2.0 */
/** @file call.h
 *  Inside rpc/: the server's calls. A call's memory is used again and again.
 *
 *  Who touches what: the dispatch thread alone gives a call its beginning and its end. Between
 *  them it belongs to the handler, on whatever thread, until wcow_rpc_call_finish(). The lock
 *  covers what the handler's sends and the dispatch thread's completions share. After a batch has
 *  been started for finishing, nobody but the dispatch thread touches the call. */
#ifndef WCOW_RPC_CALL_H
#define WCOW_RPC_CALL_H

#include <grpc/grpc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "rpc/arena.h"
#include "rpc/pool.h"
#include "rpc/server.h"
#include "rpc/write_gate.h"

struct wcow_rpc_call;

/** What a completion is about. */
enum wcow_tag_kind { WCOW_TAG_NEW, WCOW_TAG_CLOSE, WCOW_TAG_SEND, WCOW_TAG_FINISH, WCOW_TAG_STOP };
struct wcow_tag {
    enum wcow_tag_kind kind;
    struct wcow_rpc_call *call;
};

/** A method as the server keeps it. */
struct wcow_method {
    struct wcow_rpc_method def;
    grpc_server *grpc;
    void *registered; /**< gRPC's handle; NULL for the catch-alls */
};

/** A message that waits to be sent. */
struct wcow_outgoing {
    struct wcow_outgoing *next;
    grpc_byte_buffer *buffer;
};

struct wcow_rpc_call {
    struct wcow_rpc_call *next; /**< in the server's free list */
    struct wcow_rpc_server *server;
    struct wcow_method *method;
    struct wcow_rpc_arena arena_memory;
    struct wcow_rpc_arena *arena; /**< &arena_memory, reachable through a const call */
    struct wcow_pool_job job;
    struct wcow_tag tag_new, tag_close, tag_send, tag_finish;
    char id[20];

    grpc_call *call;
    grpc_metadata_array headers;
    grpc_call_details details; /**< of the catch-alls */
    gpr_timespec deadline;
    grpc_byte_buffer *payload;
    ProtobufCMessage *request;
    uint64_t started_ns;

    atomic_bool cancelled;
    int close_cancelled; /**< set by gRPC */
    bool watching;       /**< RECV_CLOSE was asked for by itself */
    bool close_done;     /**< dispatch thread only, as is the next */
    bool finish_done;
    /** Called on the dispatch thread when the caller goes away before the finish. */
    void (*on_cancel)(struct wcow_rpc_call *call);
    struct wcow_rpc_call *watch_next; /**< in the health service's list */

    struct wcow_write_gate_visitor at_gate; /**< with the next batch to be written */
    bool ending;                            /**< that batch is the last one */

    pthread_mutex_t lock;
    bool sending; /**< a message is in gRPC's hands, or at the gate */
    bool sent_headers;
    bool finishing; /**< finish() came while a message was being sent */
    struct wcow_outgoing *out_first;
    struct wcow_outgoing **out_last;
    size_t n_out;           /**< that wait */
    pthread_cond_t drained; /**< fewer wait, or the caller went away */
    grpc_byte_buffer *sent; /**< the message in gRPC's hands */
    grpc_status_code status;
    grpc_slice status_text;
};

struct wcow_rpc_call *wcow_call_new(struct wcow_rpc_server *server);
/** Ready for the next use. */
void wcow_call_reset(struct wcow_rpc_call *call);
void wcow_call_free(struct wcow_rpc_call *call);
/** Ask gRPC for RECV_CLOSE, so that the cancelled flag is kept; on the dispatch thread, before the
 *  handler's end. Calls that are over in a moment do without: it goes with their last batch. */
void wcow_call_watch_close(struct wcow_rpc_call *call);
/** Completions, on the dispatch thread. */
void wcow_call_on_close(struct wcow_rpc_call *call);
void wcow_call_on_sent(struct wcow_rpc_call *call, bool ok);
uint64_t wcow_now_ns(void);

#endif
