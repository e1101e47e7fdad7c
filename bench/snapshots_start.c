/* SPDX-License-Identifier: Apache-2.0 */
/* How long wcowd takes from exec(2) to its first answer to a Stat, in milliseconds:
 *
 *   snapshots-start WCOWD SOCKET ROOT */
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "proto/snapshots.pb-c.h"
#include "rpc/client.h"
#include "rpc/listener.h"

enum { LIMIT_MS = 60000 };

static double now_ms(void)
{
    struct timespec t = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* There is no such snapshot, which is an answer too. */
static int ask(const char *socket, struct wcow_error *err)
{
    static char key[] = "none such";
    struct wcow_rpc_channel *channel = NULL;
    Containerd__Services__Snapshots__V1__StatSnapshotRequest request =
        CONTAINERD__SERVICES__SNAPSHOTS__V1__STAT_SNAPSHOT_REQUEST__INIT;
    const struct wcow_rpc_call_options options = {.timeout_ms = LIMIT_MS, .peer = "wcowd"};
    ProtobufCMessage *reply = NULL;
    request.key = key;
    int r = wcow_rpc_channel_new(socket, &channel, err);
    if (r == WCOW_OK)
        r = wcow_rpc_unary(
            channel, &options, "/containerd.services.snapshots.v1.Snapshots/Stat", &request.base,
            &containerd__services__snapshots__v1__stat_snapshot_response__descriptor, &reply, err);
    wcow_rpc_channel_free(channel);
    return r;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        (void)fprintf(stderr, "usage: snapshots-start WCOWD SOCKET ROOT\n");
        return 2;
    }
    static char address[] = "--address";
    static char root[] = "--root";
    static char level[] = "--log-level=warn";
    char *args[] = {argv[1], address, argv[2], root, argv[3], level, NULL};
    pid_t pid = 0;
    double begin = now_ms();
    if (posix_spawn(&pid, argv[1], NULL, NULL, args, environ) != 0) {
        perror(argv[1]);
        return 1;
    }
    while (wcow_socket_probe(argv[2]) != 0 && now_ms() - begin < LIMIT_MS)
        (void)usleep(200);
    double listens = now_ms();
    struct wcow_error err = {0};
    int r = ask(argv[2], &err);
    (void)printf("start: listens_ms=%.1f first_answer_ms=%.1f\n", listens - begin,
                 now_ms() - begin);
    (void)kill(pid, SIGTERM);
    (void)waitpid(pid, NULL, 0);
    if (r == WCOW_E_NOT_FOUND)
        return 0;
    (void)fprintf(stderr, "snapshots-start: %s\n", err.msg);
    return 1;
}
