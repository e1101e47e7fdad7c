/* SPDX-License-Identifier: Apache-2.0 */
/* A wcowd of one's own in a private folder, and calls to its snapshots service. The program is that
 * of the environment's WCOWD, else the one beside the tests' folder. */
#ifndef WCOW_TESTS_WCOWD_PROCESS_H
#define WCOW_TESTS_WCOWD_PROCESS_H

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/dir_tree.h"
#include "google/protobuf/empty.pb-c.h"
#include "proto/snapshots.pb-c.h"
#include "rpc/client.h"

#define PB(name)      Containerd__Services__Snapshots__V1__##name
#define PB_INIT(name) CONTAINERD__SERVICES__SNAPSHOTS__V1__##name##__INIT
#define PB_TYPE(name) (&containerd__services__snapshots__v1__##name##__descriptor)

struct wcowd {
    char folder[64]; /* holds root, socket and log */
    char root[96];
    char socket[96];
    char mount_type[16];
    pid_t pid;
    struct wcow_rpc_channel *channel;
};

static inline void wcowd_program(char out[PATH_MAX])
{
    const char *given = getenv("WCOWD"); /* NOLINT(concurrency-mt-unsafe) */
    if (given) {
        (void)snprintf(out, PATH_MAX, "%s", given);
        return;
    }
    ssize_t n = readlink("/proc/self/exe", out, PATH_MAX - 32);
    out[n > 0 ? n : 0] = '\0';
    char *tests = strrchr(out, '/');
    if (tests)
        (void)strcpy(tests, "/../wcowd");
}

/* Until somebody listens, at most a minute. */
static inline bool wcowd_answers(const struct wcowd *d)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", d->socket);
    for (int i = 0; i < 12000; i++) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int r = connect(fd, (const struct sockaddr *)&address, sizeof(address));
        (void)close(fd);
        if (r == 0)
            return true;
        (void)usleep(5000);
    }
    return false;
}

static inline bool wcowd_start(struct wcowd *d)
{
    extern char **environ;
    char program[PATH_MAX];
    char log[96];
    wcowd_program(program);
    (void)snprintf(log, sizeof(log), "%s/log", d->folder);
    static char address[] = "--address";
    static char root[] = "--root";
    static char mount_type[] = "--mount-type";
    char *argv[] = {program, address, d->socket, root, d->root, mount_type, d->mount_type, NULL};
    posix_spawn_file_actions_t actions;
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_addopen(&actions, 2, log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    int e = posix_spawn(&d->pid, program, &actions, NULL, argv, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    struct wcow_error err = {0};
    return e == 0 && wcowd_answers(d) &&
           wcow_rpc_channel_new(d->socket, &d->channel, &err) == WCOW_OK;
}

static inline bool wcowd_begin(struct wcowd *d, const char *mount_type)
{
    *d = (struct wcowd){.folder = "/tmp/wcow-daemon-XXXXXX"};
    (void)snprintf(d->mount_type, sizeof(d->mount_type), "%s", mount_type);
    if (!mkdtemp(d->folder))
        return false;
    (void)snprintf(d->root, sizeof(d->root), "%s/root", d->folder);
    (void)snprintf(d->socket, sizeof(d->socket), "%s/socket", d->folder);
    return wcowd_start(d);
}

static inline void wcowd_kill(struct wcowd *d, int signal_number)
{
    wcow_rpc_channel_free(WCOW_TAKE_PTR(d->channel));
    if (d->pid > 0) {
        (void)kill(d->pid, signal_number);
        (void)waitpid(d->pid, NULL, 0);
    }
    d->pid = 0;
}

static inline void wcowd_end(struct wcowd *d)
{
    wcowd_kill(d, SIGTERM);
    (void)!wcow_dir_tree_delete(AT_FDCWD, d->folder, NULL, NULL);
}

/* One call; *ret_reply may be NULL where only the code matters. Waits for a daemon that starts. */
static inline int wcowd_call(struct wcowd *d, const char *method, const ProtobufCMessage *request,
                             const ProtobufCMessageDescriptor *type, ProtobufCMessage **ret_reply,
                             struct wcow_error *err)
{
    const struct wcow_rpc_call_options options = {.timeout_ms = 60000, .peer = "wcowd"};
    char path[96];
    (void)snprintf(path, sizeof(path), "/containerd.services.snapshots.v1.Snapshots/%s", method);
    ProtobufCMessage *reply = NULL;
    int r = wcow_rpc_unary(d->channel, &options, path, request, type, &reply, err);
    if (r < 0)
        return r;
    if (ret_reply)
        *ret_reply = reply;
    else
        protobuf_c_message_free_unpacked(reply, NULL);
    return WCOW_OK;
}

#define WCOWD_EMPTY (&google__protobuf__empty__descriptor)

/* protobuf-c has no const strings in messages to be packed. */
static inline char *wcowd_str(const char *s)
{
    char *p = NULL;
    memcpy(&p, &s, sizeof(p));
    return p;
}

/* *ret_mounts may be NULL. */
static inline int wcowd_prepare(struct wcowd *d, const char *key, const char *parent,
                                PB(PrepareSnapshotResponse) * *ret, struct wcow_error *err)
{
    PB(PrepareSnapshotRequest) r = PB_INIT(PREPARE_SNAPSHOT_REQUEST);
    r.key = wcowd_str(key);
    r.parent = wcowd_str(parent);
    return wcowd_call(d, "Prepare", &r.base, PB_TYPE(prepare_snapshot_response),
                      (ProtobufCMessage **)ret, err);
}

static inline int wcowd_view(struct wcowd *d, const char *key, const char *parent,
                             PB(ViewSnapshotResponse) * *ret, struct wcow_error *err)
{
    PB(ViewSnapshotRequest) r = PB_INIT(VIEW_SNAPSHOT_REQUEST);
    r.key = wcowd_str(key);
    r.parent = wcowd_str(parent);
    return wcowd_call(d, "View", &r.base, PB_TYPE(view_snapshot_response), (ProtobufCMessage **)ret,
                      err);
}

static inline int wcowd_commit(struct wcowd *d, const char *name, const char *key,
                               struct wcow_error *err)
{
    PB(CommitSnapshotRequest) r = PB_INIT(COMMIT_SNAPSHOT_REQUEST);
    r.name = wcowd_str(name);
    r.key = wcowd_str(key);
    return wcowd_call(d, "Commit", &r.base, WCOWD_EMPTY, NULL, err);
}

static inline int wcowd_remove(struct wcowd *d, const char *key, struct wcow_error *err)
{
    PB(RemoveSnapshotRequest) r = PB_INIT(REMOVE_SNAPSHOT_REQUEST);
    r.key = wcowd_str(key);
    return wcowd_call(d, "Remove", &r.base, WCOWD_EMPTY, NULL, err);
}

static inline int wcowd_stat(struct wcowd *d, const char *key, PB(StatSnapshotResponse) * *ret,
                             struct wcow_error *err)
{
    PB(StatSnapshotRequest) r = PB_INIT(STAT_SNAPSHOT_REQUEST);
    r.key = wcowd_str(key);
    return wcowd_call(d, "Stat", &r.base, PB_TYPE(stat_snapshot_response), (ProtobufCMessage **)ret,
                      err);
}

static inline int wcowd_cleanup(struct wcowd *d, struct wcow_error *err)
{
    PB(CleanupRequest) r = PB_INIT(CLEANUP_REQUEST);
    return wcowd_call(d, "Cleanup", &r.base, WCOWD_EMPTY, NULL, err);
}

#endif
