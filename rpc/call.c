/* SPDX-License-Identifier: Apache-2.0 */
#include "rpc/call.h"

#include <grpc/slice.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "rpc/core.h"
#include "rpc/message.h"
#include "rpc/server_internal.h"
#include "rpc/status.h"

enum {
    MAX_WAITING_MESSAGES = 16, /* beyond, a sender waits for the caller to read */
    SEND_WAIT_S = 30,
};

uint64_t wcow_now_ns(void)
{
    struct timespec ts = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

struct wcow_rpc_call *wcow_call_new(struct wcow_rpc_server *server)
{
    struct wcow_rpc_call *call = calloc(1, sizeof(*call));
    if (!call)
        return NULL;
    call->server = server;
    call->arena = &call->arena_memory;
    call->tag_new = (struct wcow_tag){WCOW_TAG_NEW, call};
    call->tag_close = (struct wcow_tag){WCOW_TAG_CLOSE, call};
    call->tag_send = (struct wcow_tag){WCOW_TAG_SEND, call};
    call->tag_finish = (struct wcow_tag){WCOW_TAG_FINISH, call};
    call->out_last = &call->out_first;
    call->status_text = grpc_empty_slice();
    grpc_metadata_array_init(&call->headers);
    grpc_call_details_init(&call->details);
    (void)pthread_mutex_init(&call->lock, NULL);
    pthread_condattr_t attr;
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&call->drained, &attr);
    (void)pthread_condattr_destroy(&attr);
    return call;
}

static void drop_outgoing(struct wcow_rpc_call *call)
{
    while (call->out_first) {
        struct wcow_outgoing *next = call->out_first->next;
        grpc_byte_buffer_destroy(call->out_first->buffer);
        free(call->out_first);
        call->out_first = next;
    }
    call->out_last = &call->out_first;
    call->n_out = 0;
}

void wcow_call_reset(struct wcow_rpc_call *call)
{
    if (call->call)
        grpc_call_unref(call->call);
    call->call = NULL;
    call->headers.count = 0; /* its slices were the grpc_call's */
    grpc_call_details_destroy(&call->details);
    grpc_call_details_init(&call->details);
    grpc_byte_buffer_destroy(call->payload);
    call->payload = NULL;
    grpc_byte_buffer_destroy(call->sent);
    call->sent = NULL;
    drop_outgoing(call);
    grpc_slice_unref(call->status_text);
    call->status_text = grpc_empty_slice();
    call->request = NULL;
    wcow_rpc_arena_reset(call->arena);
    atomic_store(&call->cancelled, false);
    call->watching = call->close_done = call->finish_done = false;
    call->on_cancel = NULL;
    call->sending = call->sent_headers = call->finishing = call->ending = false;
}

void wcow_call_free(struct wcow_rpc_call *call)
{
    wcow_call_reset(call);
    grpc_metadata_array_destroy(&call->headers);
    grpc_call_details_destroy(&call->details);
    wcow_rpc_arena_done(call->arena);
    (void)pthread_cond_destroy(&call->drained);
    (void)pthread_mutex_destroy(&call->lock);
    free(call);
}

/* gRPC wants it once a call. */
static grpc_op close_op(struct wcow_rpc_call *call)
{
    grpc_op op = {.op = GRPC_OP_RECV_CLOSE_ON_SERVER};
    op.data.recv_close_on_server.cancelled = &call->close_cancelled;
    return op;
}

void wcow_call_watch_close(struct wcow_rpc_call *call)
{
    call->watching = true;
    grpc_op op = close_op(call);
    wcow_core_start(call->call, &op, 1, &call->tag_close);
}

void wcow_call_on_close(struct wcow_rpc_call *call)
{
    if (!call->close_cancelled)
        return;
    (void)pthread_mutex_lock(&call->lock);
    atomic_store(&call->cancelled, true);
    (void)pthread_cond_signal(&call->drained);
    (void)pthread_mutex_unlock(&call->lock);
    if (call->on_cancel && !call->finish_done)
        call->on_cancel(call);
}

/* ---- what handlers use ---- */

const ProtobufCMessage *wcow_rpc_call_request(const struct wcow_rpc_call *call)
{
    return call->request;
}

void *wcow_rpc_call_alloc(struct wcow_rpc_call *call, size_t size)
{
    return wcow_rpc_arena_alloc(call->arena, size);
}

char *wcow_rpc_call_strdup(struct wcow_rpc_call *call, const char *s)
{
    return wcow_rpc_arena_strndup(call->arena, s, strlen(s));
}

const char *wcow_rpc_call_header(const struct wcow_rpc_call *call, const char *key)
{
    for (size_t i = 0; i < call->headers.count; i++) {
        const grpc_metadata *md = &call->headers.metadata[i];
        if (grpc_slice_str_cmp(md->key, key) == 0)
            return wcow_rpc_arena_strndup(call->arena, GRPC_SLICE_START_PTR(md->value),
                                          GRPC_SLICE_LENGTH(md->value));
    }
    return NULL;
}

const char *wcow_rpc_call_id(const struct wcow_rpc_call *call)
{
    return call->id;
}

const char *wcow_rpc_call_method(const struct wcow_rpc_call *call)
{
    return call->method->def.path;
}

const atomic_bool *wcow_rpc_call_cancelled(const struct wcow_rpc_call *call)
{
    return &call->cancelled;
}

/* ---- replies ---- */

static grpc_op headers_op(void)
{
    return (grpc_op){.op = GRPC_OP_SEND_INITIAL_METADATA};
}

static grpc_op message_op(grpc_byte_buffer *buffer)
{
    grpc_op op = {.op = GRPC_OP_SEND_MESSAGE};
    op.data.send_message.send_message = buffer;
    return op;
}

static grpc_op status_op(struct wcow_rpc_call *call)
{
    grpc_op op = {.op = GRPC_OP_SEND_STATUS_FROM_SERVER};
    op.data.send_status_from_server.status = call->status;
    op.data.send_status_from_server.status_details =
        call->status == GRPC_STATUS_OK ? NULL : &call->status_text;
    return op;
}

/* Touches the call no more once started. */
static void start_batch(struct wcow_write_gate_visitor *at_gate)
{
    struct wcow_rpc_call *call =
        (struct wcow_rpc_call *)(void *)((char *)at_gate - offsetof(struct wcow_rpc_call, at_gate));
    grpc_op ops[4];
    size_t n = 0;
    if (!call->sent_headers)
        ops[n++] = headers_op();
    if (call->sent)
        ops[n++] = message_op(call->sent);
    if (call->ending)
        ops[n++] = status_op(call);
    if (call->ending && !call->watching)
        ops[n++] = close_op(call);
    call->sent_headers = true;
    wcow_core_start(call->call, ops, n, call->ending ? &call->tag_finish : &call->tag_send);
}

static void write_batch(struct wcow_rpc_call *call)
{
    call->at_gate.go = start_batch;
    if (wcow_write_gate_enter(&call->server->gate, &call->at_gate))
        start_batch(&call->at_gate);
}

/* The last batch; @p buffer, a unary reply, may be NULL. */
static void start_finish(struct wcow_rpc_call *call, grpc_byte_buffer *buffer)
{
    call->sent = buffer;
    call->ending = true;
    write_batch(call);
}

/* With the lock held and nothing in gRPC's hands. */
static void start_send(struct wcow_rpc_call *call, grpc_byte_buffer *buffer)
{
    call->sent = buffer;
    call->sending = true;
    write_batch(call);
}

/* With the lock held. A method that runs on the dispatch thread must not wait for it. */
static int wait_for_room(struct wcow_rpc_call *call, struct wcow_error *err)
{
    struct timespec until = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += SEND_WAIT_S;
    int e = 0;
    while (call->n_out >= MAX_WAITING_MESSAGES && !atomic_load(&call->cancelled) && e == 0 &&
           call->method->def.where == WCOW_RPC_WORKER)
        e = pthread_cond_timedwait(&call->drained, &call->lock, &until);
    if (atomic_load(&call->cancelled))
        return WCOW_FAIL(err, WCOW_E_CANCELLED, "the caller went away");
    if (call->n_out >= MAX_WAITING_MESSAGES)
        return WCOW_FAIL(err, WCOW_E_DEADLINE, "the caller did not read its reply for %d s",
                         SEND_WAIT_S);
    return WCOW_OK;
}

int wcow_rpc_call_send(struct wcow_rpc_call *call, const ProtobufCMessage *message,
                       struct wcow_error *err)
{
    grpc_byte_buffer *buffer = NULL;
    int r = wcow_message_pack(message, &buffer, err);
    if (r < 0)
        return r;
    struct wcow_outgoing *out = malloc(sizeof(*out));
    if (!out) {
        grpc_byte_buffer_destroy(buffer);
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a reply");
    }
    *out = (struct wcow_outgoing){.buffer = buffer};
    (void)pthread_mutex_lock(&call->lock);
    r = wait_for_room(call, err);
    if (r == WCOW_OK && call->sending) {
        *call->out_last = out;
        call->out_last = &out->next;
        call->n_out++;
        out = NULL;
    } else if (r == WCOW_OK) {
        start_send(call, buffer);
    }
    (void)pthread_mutex_unlock(&call->lock);
    free(out);
    if (r < 0)
        grpc_byte_buffer_destroy(buffer);
    return r;
}

void wcow_call_on_sent(struct wcow_rpc_call *call, bool ok)
{
    (void)pthread_mutex_lock(&call->lock);
    grpc_byte_buffer_destroy(call->sent);
    call->sent = NULL;
    call->sending = false;
    if (!ok)
        drop_outgoing(call);
    struct wcow_outgoing *out = call->out_first;
    if (out) {
        call->out_first = out->next;
        call->n_out--;
        if (!call->out_first)
            call->out_last = &call->out_first;
        start_send(call, out->buffer);
    }
    (void)pthread_cond_signal(&call->drained);
    bool finish = !out && call->finishing;
    (void)pthread_mutex_unlock(&call->lock);
    free(out);
    if (finish)
        start_finish(call, NULL);
}

static void set_status(struct wcow_rpc_call *call, int code, const char *text)
{
    call->status = (grpc_status_code)wcow_rpc_status_of_code(code);
    if (code != WCOW_OK)
        call->status_text = grpc_slice_from_copied_string(text);
}

void wcow_rpc_call_finish(struct wcow_rpc_call *call, const ProtobufCMessage *reply, int code,
                          const struct wcow_error *err)
{
    grpc_byte_buffer *buffer = NULL;
    struct wcow_error local = {0};
    if (code != WCOW_OK && err)
        local = *err;
    if (code == WCOW_OK && reply)
        code = wcow_message_pack(reply, &buffer, &local);
    wcow_message_sanitize(local.msg);
    set_status(call, code, local.msg);
    wcow_server_observe(call->server, call, code, local.msg);

    (void)pthread_mutex_lock(&call->lock);
    bool later = call->sending;
    call->finishing = later;
    (void)pthread_mutex_unlock(&call->lock);
    if (later)
        grpc_byte_buffer_destroy(buffer); /* a streaming method has no last message */
    else
        start_finish(call, buffer);
}
