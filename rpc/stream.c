/* SPDX-License-Identifier: Apache-2.0 */
/* Streams on the client's side. At most one send and one receive are in gRPC's hands; every wait
 * takes whatever completes next and notes it. */
#include <stdlib.h>

#include "rpc/client_internal.h"
#include "rpc/core.h"
#include "rpc/message.h"

/* One completion: its address is the tag. */
struct pending {
    bool waiting;
    bool ok;
};

struct wcow_rpc_stream {
    struct wcow_client_call call;
    struct pending status, begin, send, recv;
    bool closed; /* our side */
    grpc_byte_buffer *sent;
    grpc_byte_buffer *received;
};

static void start(struct wcow_rpc_stream *stream, const grpc_op *ops, size_t n, struct pending *p)
{
    p->waiting = true;
    wcow_core_start(stream->call.call, ops, n, p);
}

static void wait_for(struct wcow_rpc_stream *stream, const struct pending *p)
{
    while (p->waiting) {
        bool ok = false;
        struct pending *done = wcow_client_call_next(&stream->call, &ok);
        done->waiting = false;
        done->ok = ok;
        if (done == &stream->send) {
            grpc_byte_buffer_destroy(stream->sent);
            stream->sent = NULL;
        }
    }
}

int wcow_rpc_stream_open(struct wcow_rpc_channel *channel,
                         const struct wcow_rpc_call_options *options, const char *method,
                         struct wcow_rpc_stream **ret, struct wcow_error *err)
{
    struct wcow_rpc_stream *stream = calloc(1, sizeof(*stream));
    if (!stream)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a stream");
    int r = wcow_client_call_begin(&stream->call, channel, options, method, err);
    if (r < 0) {
        wcow_client_call_end(&stream->call);
        free(stream);
        return r;
    }
    grpc_op status = wcow_client_op_status(&stream->call);
    start(stream, &status, 1, &stream->status);
    grpc_op begin[2] = {wcow_client_op_headers(&stream->call),
                        wcow_client_op_initial(&stream->call)};
    start(stream, begin, 2, &stream->begin);
    *ret = stream;
    return WCOW_OK;
}

/* The stream cannot go on: wait for the reason. */
static int broken(struct wcow_rpc_stream *stream, struct wcow_error *err)
{
    wait_for(stream, &stream->status);
    int r = wcow_client_call_result(&stream->call, err);
    if (r < 0)
        return r;
    return WCOW_FAIL(err, WCOW_E_PRECONDITION, "%s ended the stream before all was sent",
                     stream->call.peer);
}

/* Have nothing on its way that was sent before. */
static int be_free(struct wcow_rpc_stream *stream, struct wcow_error *err)
{
    wait_for(stream, &stream->send);
    return stream->status.waiting ? WCOW_OK : broken(stream, err);
}

static void send_buffer(struct wcow_rpc_stream *stream, grpc_byte_buffer *buffer)
{
    stream->sent = buffer;
    grpc_op op = {.op = GRPC_OP_SEND_MESSAGE};
    op.data.send_message.send_message = buffer;
    start(stream, &op, 1, &stream->send);
}

int wcow_rpc_stream_send(struct wcow_rpc_stream *stream, const ProtobufCMessage *message,
                         struct wcow_error *err)
{
    grpc_byte_buffer *buffer = NULL;
    int r = be_free(stream, err);
    if (r == WCOW_OK)
        r = wcow_message_check(message, err);
    if (r == WCOW_OK)
        r = wcow_message_pack(message, &buffer, err);
    if (r == WCOW_OK)
        send_buffer(stream, buffer);
    return r;
}

int wcow_rpc_stream_send_lent(struct wcow_rpc_stream *stream, const ProtobufCMessage *message,
                              uint32_t field, const struct wcow_lent *lent, struct wcow_error *err)
{
    grpc_byte_buffer *buffer = NULL;
    int r = be_free(stream, err);
    if (r == WCOW_OK)
        r = wcow_message_check(message, err);
    if (r < 0) {
        lent->release(lent->arg);
        return r;
    }
    r = wcow_message_pack_lent(message, field, lent, &buffer, err);
    if (r == WCOW_OK)
        send_buffer(stream, buffer);
    return r;
}

int wcow_rpc_stream_close_send(struct wcow_rpc_stream *stream, struct wcow_error *err)
{
    wait_for(stream, &stream->send);
    if (stream->closed)
        return WCOW_FAIL(err, WCOW_E_INVALID, "the stream to %s is closed already",
                         stream->call.peer);
    stream->closed = true;
    grpc_op op = {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT};
    start(stream, &op, 1, &stream->send);
    return WCOW_OK;
}

int wcow_rpc_stream_recv(struct wcow_rpc_stream *stream, const ProtobufCMessageDescriptor *type,
                         ProtobufCMessage **ret, struct wcow_error *err)
{
    grpc_op op = {.op = GRPC_OP_RECV_MESSAGE};
    op.data.recv_message.recv_message = &stream->received;
    start(stream, &op, 1, &stream->recv);
    wait_for(stream, &stream->recv);
    if (!stream->received) {
        wait_for(stream, &stream->status);
        return wcow_client_call_result(&stream->call, err);
    }
    int r = wcow_message_unpack(stream->received, type, NULL, ret, err);
    grpc_byte_buffer_destroy(stream->received);
    stream->received = NULL;
    return r < 0 ? r : 1;
}

void wcow_rpc_stream_free(struct wcow_rpc_stream *stream)
{
    if (!stream)
        return;
    if (stream->status.waiting)
        (void)grpc_call_cancel(stream->call.call, NULL);
    wait_for(stream, &stream->send);
    wait_for(stream, &stream->recv);
    wait_for(stream, &stream->begin);
    wait_for(stream, &stream->status);
    grpc_byte_buffer_destroy(stream->received);
    wcow_client_call_end(&stream->call);
    free(stream);
}
