/* SPDX-License-Identifier: Apache-2.0 */
/** @file listener.h
 *  The server's listening socket: bound under a lock, or inherited (systemd's LISTEN_FDS, which is
 *  also how a new server takes over from an old one). */
#ifndef WCOW_RPC_LISTENER_H
#define WCOW_RPC_LISTENER_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "rpc/greeter.h"

/** sun_path without its NUL and a byte for the name that a socket has while it starts; as many as
 *  containerd takes for its own. */
enum { WCOW_SOCKET_PATH_MAX = 106 };

/** Names the descriptor of the lock beside LISTEN_FDS, and the socket's path: "7:/run/x.sock". */
#define WCOW_LISTENER_LOCK_ENV "WCOW_LISTENER_LOCK"
/** Names the descriptors of connections that were greeted, "9,11,12". */
#define WCOW_LISTENER_GREETED_ENV "WCOW_LISTENER_GREETED"

struct wcow_listener {
    int fd;      /**< non-blocking, listening */
    int lock_fd; /**< -1 for an inherited socket */
    bool owned;  /**< the path is ours to unlink */
    dev_t dev;   /**< of the bound socket's file */
    ino_t ino;
    char path[WCOW_SOCKET_PATH_MAX + 1]; /**< "" where unknown */
    struct wcow_greeter *greeter;        /**< at work, or NULL */
};

/** No listener yet. */
#define WCOW_LISTENER_NONE ((struct wcow_listener){.fd = -1, .lock_fd = -1})

/** An inherited socket alone, if one was passed: who connects is greeted from now on, so this may
 *  come long before anybody serves.
 *  @return 1, 0 where none was passed, or WCOW_E_INVALID */
WCOW_NODISCARD int wcow_listener_inherit(struct wcow_listener *ret, struct wcow_error *err);
/** Ends the greeting. @param ret_fds connections that were greeted, the caller's from now on */
size_t wcow_listener_take_greeted(struct wcow_listener *listener, int *ret_fds);

/** @param address path, with or without "unix://"; NULL: only an inherited one.
 *  WCOW_E_EXISTS: another server has the path. WCOW_E_INVALID: no path, too long, or no socket was
 *  inherited. WCOW_E_DENIED, WCOW_E_IO. */
WCOW_NODISCARD int wcow_listener_open(const char *address, struct wcow_listener *ret,
                                      struct wcow_error *err);
/** Unlinks the path if it is still ours, then closes. */
void wcow_listener_close(struct wcow_listener *listener);
/** A second hold on socket and lock, for wcow_listener_exec(); closing the first one then neither
 *  closes nor unlinks. Who connects is greeted from now on. WCOW_E_LIMIT. */
WCOW_NODISCARD int wcow_listener_pass_on(struct wcow_listener *listener, struct wcow_listener *ret,
                                         struct wcow_error *err);
/** Become @p program with the socket as its inherited one, and with the connections that were
 *  greeted. Returns only an error. */
WCOW_NODISCARD int wcow_listener_exec(struct wcow_listener *listener, const char *program,
                                      char *const argv[], struct wcow_error *err);
/** The path behind "unix://PATH", "unix:PATH" or PATH. */
const char *wcow_socket_path(const char *address);
/** One plain connection to see who is there. @return 0, or an errno: ENOENT, ECONNREFUSED, ... */
int wcow_socket_probe(const char *path);

#endif
