/* SPDX-License-Identifier: Apache-2.0 */
/* The thread that takes connections from our own listener and gives them to gRPC, whose own
 * listener would unlink another server's socket. */
#include <errno.h>
#include <grpc/grpc.h>
#include <grpc/grpc_posix.h>
#include <grpc/grpc_security.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "rpc/server_internal.h"

enum { RETRY_MS = 100 };

static void log_peer(int fd)
{
    struct ucred peer = {0};
    socklen_t len = sizeof(peer);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0)
        wcow_log(WCOW_LOG_DEBUG, "connection", WCOW_INT("pid", peer.pid), WCOW_INT("uid", peer.uid),
                 WCOW_INT("gid", peer.gid));
}

/* False where accept(2) has nothing left. */
static bool accept_one(struct wcow_rpc_server *server, grpc_server_credentials *credentials)
{
    int fd = accept4(server->listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        log_peer(fd);
        grpc_server_add_channel_from_fd(server->server, fd, credentials);
        return true;
    }
    if (errno == EINTR || errno == ECONNABORTED)
        return true;
    if (errno != EAGAIN) {
        /* Out of descriptors, mostly: the connection waits in the backlog until some are free. */
        wcow_log(WCOW_LOG_WARN, "cannot accept a connection", WCOW_INT("errno", errno));
        struct pollfd wake = {.fd = server->wake_fd, .events = POLLIN};
        (void)poll(&wake, 1, RETRY_MS);
    }
    return false;
}

void *wcow_server_accept(void *arg)
{
    struct wcow_rpc_server *server = arg;
    grpc_server_credentials *credentials = grpc_insecure_server_credentials_create();
    for (;;) {
        struct pollfd fds[] = {{.fd = server->listener.fd, .events = POLLIN},
                               {.fd = server->wake_fd, .events = POLLIN}};
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            break;
        if (fds[1].revents)
            break;
        if (fds[0].revents)
            while (accept_one(server, credentials))
                ;
    }
    grpc_server_credentials_release(credentials);
    return NULL;
}
