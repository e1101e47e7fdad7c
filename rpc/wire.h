/* SPDX-License-Identifier: Apache-2.0 */
/** @file wire.h
 *  A look at a message as it came, for what is lost once it is unpacked into C strings.
 *  Source: protobuf.dev, "Encoding". */
#ifndef WCOW_RPC_WIRE_H
#define WCOW_RPC_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

/** Whether a string of the message has a NUL within: unpacked it would stand for a shorter one.
 *  @param ret_name the field's name, static; set where the answer is true */
bool wcow_wire_has_nul(const uint8_t *data, size_t len, const ProtobufCMessageDescriptor *type,
                       const char **ret_name);

#endif
