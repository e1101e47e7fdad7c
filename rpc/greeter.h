/* SPDX-License-Identifier: Apache-2.0 */
/** @file greeter.h
 *  Inside rpc/: connections that come while no server is there to serve them, between one and its
 *  successor, or before the store is open. A client that hears nothing gives a connection up
 *  (containerd's proxy plugins: after a second), so each is accepted and told the first word of
 *  HTTP/2's server, an empty SETTINGS frame (RFC 9113, 3.4), and then kept. What its client sends
 *  waits in the socket. */
#ifndef WCOW_RPC_GREETER_H
#define WCOW_RPC_GREETER_H

#include <stddef.h>

#include "base/error.h"

struct wcow_greeter;

/** Beyond, connections wait in the listening socket. */
enum { WCOW_GREETED_MAX = 256 };

/** @param fds of connections that were greeted already; the greeter's from now on */
WCOW_NODISCARD int wcow_greeter_new(int listener_fd, const int *fds, size_t n_fds,
                                    struct wcow_greeter **ret, struct wcow_error *err);
/** Ends and frees it. @param ret_fds the caller's from now on. @return how many; 0 for NULL */
size_t wcow_greeter_stop(struct wcow_greeter *greeter, int ret_fds[WCOW_GREETED_MAX]);
/** Say the first word on a new connection. */
void wcow_greet(int fd);

#endif
