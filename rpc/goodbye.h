/* SPDX-License-Identifier: Apache-2.0 */
/** @file goodbye.h
 *  Inside rpc/: telling clients to take their next calls elsewhere, before the server stops.
 *
 *  gRPC's own shutdown refuses calls from its first moment on, and tells clients only then: a call
 *  that is on its way meanwhile is lost (1.51's Server::ShutdownAndNotify sets its flag first, and
 * a call that comes after is destroyed unanswered). So the GOAWAY of HTTP/2 (RFC 9113, 6.8) that
 *  begins a graceful shutdown is written here, while everything is still served: with the highest
 *  stream id, which means that nothing is refused yet. Clients then open no more calls on the
 *  connection, wait for the answers of those they have, close it, and connect anew. */
#ifndef WCOW_RPC_GOODBYE_H
#define WCOW_RPC_GOODBYE_H

#include <stdbool.h>
#include <stddef.h>

/** Write GOAWAY to each connection that was accepted from @p listener_fd. Nothing may be half
 *  written meanwhile, and each must have its SETTINGS.
 *  @param sure false where something may be: then only to those whose peer has read all
 *  @return how many connections there are */
size_t wcow_goodbye_say(int listener_fd, bool sure);
/** How many connections are left that were accepted from @p listener_fd. */
size_t wcow_goodbye_left(int listener_fd);

#endif
