/* SPDX-License-Identifier: Apache-2.0 */
/** @file client.h
 *  Calls to a gRPC server on a local socket: unary and bidirectional or server-streaming.
 *  A channel may be shared by threads; a stream belongs to one. */
#ifndef WCOW_RPC_CLIENT_H
#define WCOW_RPC_CLIENT_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/stream.h"

struct wcow_rpc_channel;
struct wcow_rpc_stream;

struct wcow_rpc_header {
    const char *key;
    const char *value;
};

struct wcow_rpc_call_options {
    const struct wcow_rpc_header *headers;
    size_t n_headers;
    uint32_t timeout_ms;       /**< 0: none */
    const atomic_bool *cancel; /**< polled at least every 50 ms; NULL: never */
    const char *peer;          /**< what to call the other side in messages: "containerd" */
};

/** Connects lazily. @param address socket path, with or without "unix://" */
WCOW_NODISCARD int wcow_rpc_channel_new(const char *address, struct wcow_rpc_channel **ret,
                                        struct wcow_error *err);
void wcow_rpc_channel_free(struct wcow_rpc_channel *channel);
WCOW_DEFINE_CLEANUP(struct wcow_rpc_channel, wcow_rpc_channel_free)

/** One request, one reply. A gRPC status becomes its wcow_code; its text the message.
 *  WCOW_E_UNAVAILABLE names the socket and what to do where nobody listens.
 *  @param ret_reply caller frees with protobuf_c_message_free_unpacked(reply, NULL) */
WCOW_NODISCARD int wcow_rpc_unary(struct wcow_rpc_channel *channel,
                                  const struct wcow_rpc_call_options *options, const char *method,
                                  const ProtobufCMessage *request,
                                  const ProtobufCMessageDescriptor *reply_type,
                                  ProtobufCMessage **ret_reply, struct wcow_error *err);

WCOW_NODISCARD int wcow_rpc_stream_open(struct wcow_rpc_channel *channel,
                                        const struct wcow_rpc_call_options *options,
                                        const char *method, struct wcow_rpc_stream **ret,
                                        struct wcow_error *err);
/** Waits while another message is being sent (one at a time is in gRPC's hands). */
WCOW_NODISCARD int wcow_rpc_stream_send(struct wcow_rpc_stream *stream,
                                        const ProtobufCMessage *message, struct wcow_error *err);
/** The same for a message whose bytes field @p field, left empty in it, holds what is lent: these
 *  bytes are not copied. */
WCOW_NODISCARD int wcow_rpc_stream_send_lent(struct wcow_rpc_stream *stream,
                                             const ProtobufCMessage *message, uint32_t field,
                                             const struct wcow_lent *lent, struct wcow_error *err);
/** No more messages from here. */
WCOW_NODISCARD int wcow_rpc_stream_close_send(struct wcow_rpc_stream *stream,
                                              struct wcow_error *err);
/** @return 1 with *ret (caller frees as above), 0 when the stream ended with status OK, or the
 *          stream's status as an error. */
WCOW_NODISCARD int wcow_rpc_stream_recv(struct wcow_rpc_stream *stream,
                                        const ProtobufCMessageDescriptor *type,
                                        ProtobufCMessage **ret, struct wcow_error *err);
/** Cancels what is under way. NULL allowed. */
void wcow_rpc_stream_free(struct wcow_rpc_stream *stream);
WCOW_DEFINE_CLEANUP(struct wcow_rpc_stream, wcow_rpc_stream_free)

#endif
