/* SPDX-License-Identifier: Apache-2.0 */
#include <grpc/slice.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rpc/call.h"
#include "rpc/client_internal.h"
#include "rpc/core.h"
#include "rpc/listener.h"
#include "rpc/message.h"
#include "rpc/status.h"

enum { POLL_MS = 50 };

static int copy_headers(struct wcow_client_call *call, const struct wcow_rpc_call_options *options,
                        struct wcow_error *err)
{
    call->headers = calloc(options->n_headers + 1, sizeof(*call->headers));
    if (!call->headers)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a call's headers");
    for (size_t i = 0; i < options->n_headers; i++) {
        grpc_slice value = grpc_slice_from_copied_string(options->headers[i].value);
        /* gRPC refuses the whole batch over a value that HTTP/2 cannot carry. */
        if (!grpc_header_nonbin_value_is_legal(value)) {
            grpc_slice_unref(value);
            return WCOW_FAIL(err, WCOW_E_INVALID,
                             "the header %s has a value that isn't printable ASCII",
                             options->headers[i].key);
        }
        call->headers[i].key = grpc_slice_from_copied_string(options->headers[i].key);
        call->headers[i].value = value;
        call->n_headers++;
    }
    return WCOW_OK;
}

int wcow_client_call_begin(struct wcow_client_call *call, struct wcow_rpc_channel *channel,
                           const struct wcow_rpc_call_options *options, const char *method,
                           struct wcow_error *err)
{
    call->channel = channel;
    call->cancel = options->cancel;
    call->status_text = grpc_empty_slice();
    grpc_metadata_array_init(&call->initial);
    grpc_metadata_array_init(&call->trailing);
    (void)snprintf(call->peer, sizeof(call->peer), "%s",
                   options->peer ? options->peer : "the server");
    int r = copy_headers(call, options, err);
    if (r == WCOW_OK)
        r = wcow_queue_take(channel, &call->queue, err);
    if (r == WCOW_OK)
        r = wcow_channel_ready(channel, call->queue, options, err);
    if (r < 0)
        return r;
    gpr_timespec deadline = gpr_inf_future(GPR_CLOCK_MONOTONIC);
    if (options->timeout_ms)
        deadline = gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                                gpr_time_from_millis(options->timeout_ms, GPR_TIMESPAN));
    grpc_slice path = grpc_slice_from_copied_string(method);
    call->call = grpc_channel_create_call(channel->channel, NULL, GRPC_PROPAGATE_DEFAULTS,
                                          call->queue->cq, path, NULL, deadline, NULL);
    grpc_slice_unref(path);
    return WCOW_OK;
}

void *wcow_client_call_next(struct wcow_client_call *call, bool *ret_ok)
{
    for (;;) {
        bool poll = call->cancel && !call->cancelled;
        gpr_timespec until = gpr_inf_future(GPR_CLOCK_MONOTONIC);
        if (poll)
            until = gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                                 gpr_time_from_millis(POLL_MS, GPR_TIMESPAN));
        if (poll && atomic_load(call->cancel)) {
            (void)grpc_call_cancel(call->call, NULL);
            call->cancelled = true;
        }
        grpc_event event = grpc_completion_queue_next(call->queue->cq, until, NULL);
        if (event.type == GRPC_OP_COMPLETE) {
            *ret_ok = event.success != 0;
            return event.tag;
        }
    }
}

grpc_op wcow_client_op_headers(const struct wcow_client_call *call)
{
    grpc_op op = {.op = GRPC_OP_SEND_INITIAL_METADATA};
    op.data.send_initial_metadata.count = call->n_headers;
    op.data.send_initial_metadata.metadata = call->headers;
    return op;
}

grpc_op wcow_client_op_status(struct wcow_client_call *call)
{
    grpc_op op = {.op = GRPC_OP_RECV_STATUS_ON_CLIENT};
    op.data.recv_status_on_client.trailing_metadata = &call->trailing;
    op.data.recv_status_on_client.status = &call->status;
    op.data.recv_status_on_client.status_details = &call->status_text;
    return op;
}

grpc_op wcow_client_op_initial(struct wcow_client_call *call)
{
    grpc_op op = {.op = GRPC_OP_RECV_INITIAL_METADATA};
    op.data.recv_initial_metadata.recv_initial_metadata = &call->initial;
    return op;
}

int wcow_client_call_result(const struct wcow_client_call *call, struct wcow_error *err)
{
    int code = wcow_rpc_code_of_status((int)call->status);
    if (code == WCOW_OK)
        return WCOW_OK;
    char text[400];
    size_t len = GRPC_SLICE_LENGTH(call->status_text);
    if (len >= sizeof(text))
        len = sizeof(text) - 1;
    memcpy(text, GRPC_SLICE_START_PTR(call->status_text), len);
    text[len] = '\0';
    wcow_message_sanitize(text);
    /* gRPC sees only with the next call that a connection at rest has ended. */
    int sys_errno = code == WCOW_E_UNAVAILABLE ? wcow_socket_probe(call->channel->path) : 0;
    if (sys_errno)
        return wcow_channel_unreachable(call->channel, call->peer, sys_errno, err);
    if (code == WCOW_E_UNAVAILABLE)
        return WCOW_FAIL(err, code, "%s at %s: %s", call->peer, call->channel->path, text);
    if (code == WCOW_E_DEADLINE)
        return WCOW_FAIL(err, code, "%s did not answer in time: %s", call->peer, text);
    return WCOW_FAIL(err, code, "%s: %s", call->peer, text);
}

void wcow_client_call_end(struct wcow_client_call *call)
{
    if (call->call)
        grpc_call_unref(call->call);
    if (call->queue)
        wcow_queue_give(call->channel, call->queue);
    for (size_t i = 0; i < call->n_headers; i++) {
        grpc_slice_unref(call->headers[i].key);
        grpc_slice_unref(call->headers[i].value);
    }
    free(call->headers);
    grpc_metadata_array_destroy(&call->initial);
    grpc_metadata_array_destroy(&call->trailing);
    grpc_slice_unref(call->status_text);
}

int wcow_rpc_unary(struct wcow_rpc_channel *channel, const struct wcow_rpc_call_options *options,
                   const char *method, const ProtobufCMessage *request,
                   const ProtobufCMessageDescriptor *reply_type, ProtobufCMessage **ret_reply,
                   struct wcow_error *err)
{
    struct wcow_client_call call = {0};
    grpc_byte_buffer *sent = NULL;
    grpc_byte_buffer *received = NULL;
    int r = wcow_message_check(request, err); /* mending would ask for something else */
    if (r == WCOW_OK)
        r = wcow_message_pack(request, &sent, err);
    if (r < 0)
        return r;
    r = wcow_client_call_begin(&call, channel, options, method, err);
    if (r == WCOW_OK) {
        grpc_op ops[6] = {wcow_client_op_status(&call),  wcow_client_op_headers(&call),
                          {.op = GRPC_OP_SEND_MESSAGE},  {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT},
                          wcow_client_op_initial(&call), {.op = GRPC_OP_RECV_MESSAGE}};
        ops[2].data.send_message.send_message = sent;
        ops[5].data.recv_message.recv_message = &received;
        wcow_core_start(call.call, ops, 6, &call);
        bool ok = false;
        (void)wcow_client_call_next(&call, &ok);
        r = wcow_client_call_result(&call, err);
        if (r == WCOW_OK && !received)
            r = WCOW_FAIL(err, WCOW_E_INTERNAL, "%s: no reply to %s", call.peer, method);
    }
    if (r == WCOW_OK)
        r = wcow_message_unpack(received, reply_type, NULL, ret_reply, err);
    grpc_byte_buffer_destroy(sent);
    grpc_byte_buffer_destroy(received);
    wcow_client_call_end(&call);
    return r;
}
