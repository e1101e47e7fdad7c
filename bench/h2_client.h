/* SPDX-License-Identifier: Apache-2.0 */
/** @file h2_client.h
 *  gRPC calls by a client that costs next to nothing: a connection of its own, one call at a time,
 *  blocking in read(2) on the caller's thread. A load of it measures the server; one of gRPC's own
 *  client measures that client too, which takes more of two processors than the server does. */
#ifndef WCOW_BENCH_H2_CLIENT_H
#define WCOW_BENCH_H2_CLIENT_H

#include <protobuf-c/protobuf-c.h>

#include "base/error.h"

struct h2_client;

/** @param socket path of a unix socket */
int h2_client_new(const char *socket, struct h2_client **ret, struct wcow_error *err);
/** One request; what comes back, one message or many, is read and only its status looked at.
 *  @return WCOW_E_UNAVAILABLE where the connection breaks, WCOW_E_INTERNAL for a status that is not
 * OK */
int h2_client_call(struct h2_client *c, const char *path, const ProtobufCMessage *request,
                   struct wcow_error *err);
/** NULL allowed. */
void h2_client_free(struct h2_client *c);

#endif
