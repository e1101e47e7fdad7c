/* SPDX-License-Identifier: Apache-2.0 */
/** @file message.h
 *  protobuf-c messages to and from bytes, with the check that protobuf-c leaves out: strings must
 * be UTF-8, for Go rejects a whole message over one that isn't, and have no NUL within, for a C
 * string ends there. */
#ifndef WCOW_RPC_MESSAGE_H
#define WCOW_RPC_MESSAGE_H

#include <grpc/byte_buffer.h>
#include <protobuf-c/protobuf-c.h>

#include "base/error.h"
#include "base/stream.h"

/** Longest message either side takes, as containerd has it. */
enum { WCOW_RPC_MAX_MESSAGE_BYTES = 16 << 20 };

/** WCOW_E_INVALID names the first string that isn't UTF-8: "labels[2].value". */
WCOW_NODISCARD int wcow_message_check(const ProtobufCMessage *message, struct wcow_error *err);
/** How many bytes it takes packed; WCOW_E_LIMIT. */
WCOW_NODISCARD int wcow_message_measure(const ProtobufCMessage *message, size_t *ret_size,
                                        struct wcow_error *err);
/** Packs into @p out of as many bytes as were measured; strings that aren't UTF-8 get '?' for each
 *  bad byte. */
WCOW_NODISCARD int wcow_message_write(const ProtobufCMessage *message, size_t size, uint8_t *out,
                                      struct wcow_error *err);
/** Unpacks and checks; WCOW_E_INVALID. @param allocator NULL: malloc */
WCOW_NODISCARD int wcow_message_read(const uint8_t *data, size_t len,
                                     const ProtobufCMessageDescriptor *type,
                                     ProtobufCAllocator *allocator, ProtobufCMessage **ret,
                                     struct wcow_error *err);
/** The same to and from gRPC's buffers. Caller destroys *ret. */
WCOW_NODISCARD int wcow_message_pack(const ProtobufCMessage *message, grpc_byte_buffer **ret,
                                     struct wcow_error *err);
/** @p lent becomes the message's bytes field @p field, without a copy. */
WCOW_NODISCARD int wcow_message_pack_lent(const ProtobufCMessage *message, uint32_t field,
                                          const struct wcow_lent *lent, grpc_byte_buffer **ret,
                                          struct wcow_error *err);
WCOW_NODISCARD int wcow_message_unpack(grpc_byte_buffer *buffer,
                                       const ProtobufCMessageDescriptor *type,
                                       ProtobufCAllocator *allocator, ProtobufCMessage **ret,
                                       struct wcow_error *err);
/** In place: '?' for each byte that isn't part of UTF-8. */
void wcow_message_sanitize(char *text);

#endif
