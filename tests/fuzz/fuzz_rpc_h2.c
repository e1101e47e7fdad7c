/* SPDX-License-Identifier: Apache-2.0 */
/* A connection's bytes behind the preface of HTTP/2: whatever they say, the server ends the
 * connection when they end, and goes on. */
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"
#include "proto/snapshots.pb-c.h"
#include "rpc/server_internal.h"

enum { MAX_BYTES = 64 << 10, WAIT_S = 10 };

static char folder[] = "/tmp/wcow-fuzz-XXXXXX";
static struct wcow_rpc_server *server;

static void answer(struct wcow_rpc_call *call, void *ctx)
{
    (void)ctx;
    Containerd__Services__Snapshots__V1__StatSnapshotResponse reply =
        CONTAINERD__SERVICES__SNAPSHOTS__V1__STAT_SNAPSHOT_RESPONSE__INIT;
    (void)wcow_rpc_call_header(call, "containerd-namespace");
    wcow_rpc_call_finish(call, &reply.base, WCOW_OK, NULL);
}

static void start(void)
{
    const ProtobufCMessageDescriptor *request =
        &containerd__services__snapshots__v1__stat_snapshot_request__descriptor;
    const struct wcow_rpc_method methods[] = {{"/s/I", request, WCOW_RPC_INLINE, answer, NULL},
                                              {"/s/W", request, WCOW_RPC_WORKER, answer, NULL}};
    char path[sizeof(folder) + 8];
    if (!mkdtemp(folder))
        abort();
    (void)snprintf(path, sizeof(path), "%s/s", folder);
    const struct wcow_rpc_server_options options = {.address = path};
    if (wcow_rpc_server_new(&options, methods, 2, &server, NULL) < 0 ||
        wcow_rpc_server_start(server, NULL) < 0)
        abort();
    (void)unlink(path);
    (void)snprintf(path, sizeof(path), "%s/s.lock", folder);
    (void)unlink(path);
    (void)rmdir(folder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char begin[] = NGHTTP2_CLIENT_MAGIC "\0\0\0\4\0\0\0\0";
    int ends[2];
    if (!server)
        start();
    if (size > MAX_BYTES || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return 0;
    struct timeval wait = {.tv_sec = WAIT_S};
    (void)setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    wcow_server_adopt(server, ends[1], NULL, false);
    (void)send(ends[0], begin, sizeof(begin), MSG_NOSIGNAL);
    (void)send(ends[0], data, size, MSG_NOSIGNAL);
    (void)shutdown(ends[0], SHUT_WR);
    char bytes[4096];
    ssize_t n = 0;
    do
        n = recv(ends[0], bytes, sizeof(bytes), 0);
    while (n > 0);
    if (n < 0 && errno == EAGAIN)
        abort(); /* the connection hangs */
    (void)close(ends[0]);
    return 0;
}
