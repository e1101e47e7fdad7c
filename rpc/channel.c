/* SPDX-License-Identifier: Apache-2.0 */
/* Channels: a socket that is connected when it is first needed, and looked at before each call, so
 * that an absent server is an answer and not a wait. */
#include <errno.h>
#include <grpc/grpc_security.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rpc/call.h"
#include "rpc/client_internal.h"
#include "rpc/core.h"
#include "rpc/listener.h"
#include "rpc/message.h"
#include "rpc/text.h"

enum {
    LOOKAHEAD_BYTES = 8 << 20, /* lets content flow without a window update per chunk */
    READ_CHUNK_BYTES = 1 << 20,
    CONNECT_MS = 15000, /* for a server that accepts and says nothing: it may be upgrading */
    CONNECT_STEP_MS = 50,
    FIRST_BACKOFF_MS = 100,
    MAX_BACKOFF_MS = 1000,
    MAX_REPLY_BYTES = 64 << 20,
};

static grpc_arg int_arg(const char *key, int value)
{
    return (grpc_arg){.type = GRPC_ARG_INTEGER, .key = wcow_rpc_text(key), .value.integer = value};
}

static grpc_channel *make_channel(const char *path)
{
    wcow_autofree char *target = NULL;
    if (asprintf(&target, "unix:%s", path) < 0) {
        target = NULL;
        return NULL;
    }
    grpc_arg args[] = {
        int_arg(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, MAX_REPLY_BYTES),
        int_arg(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, LOOKAHEAD_BYTES),
        int_arg(GRPC_ARG_TCP_READ_CHUNK_SIZE, READ_CHUNK_BYTES),
        int_arg(GRPC_ARG_HTTP2_BDP_PROBE, 0),
        int_arg(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, FIRST_BACKOFF_MS),
        int_arg(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, CONNECT_MS), /* how long an attempt may take */
        int_arg(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, MAX_BACKOFF_MS),
        int_arg(GRPC_ARG_ENABLE_RETRIES, 1),
        int_arg(GRPC_ARG_ENABLE_HTTP_PROXY, 0),
        int_arg(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1),
        {.type = GRPC_ARG_STRING,
         .key = wcow_rpc_text(GRPC_ARG_DEFAULT_AUTHORITY),
         .value.string = wcow_rpc_text("localhost")},
    };
    grpc_channel_args list = {.num_args = sizeof(args) / sizeof(args[0]), .args = args};
    grpc_channel_credentials *credentials = grpc_insecure_credentials_create();
    grpc_channel *channel = grpc_channel_create(target, credentials, &list);
    grpc_channel_credentials_release(credentials);
    return channel;
}

int wcow_rpc_channel_new(const char *address, struct wcow_rpc_channel **ret, struct wcow_error *err)
{
    const char *path = wcow_socket_path(address);
    if (path[0] == '\0' || strlen(path) > WCOW_SOCKET_PATH_MAX)
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "the socket path \"%s\" has %zu bytes; it must have 1 to %d", path,
                         strlen(path), WCOW_SOCKET_PATH_MAX);
    struct wcow_rpc_channel *channel = calloc(1, sizeof(*channel));
    if (!channel)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a channel");
    wcow_core_init();
    (void)pthread_mutex_init(&channel->lock, NULL);
    channel->path = strdup(path);
    channel->channel = channel->path ? make_channel(path) : NULL;
    if (!channel->channel) {
        wcow_rpc_channel_free(channel);
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a channel to %s", path);
    }
    *ret = channel;
    return WCOW_OK;
}

static void free_queue(struct wcow_queue *queue)
{
    grpc_completion_queue_shutdown(queue->cq);
    grpc_event event;
    do
        event = grpc_completion_queue_next(queue->cq, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    while (event.type != GRPC_QUEUE_SHUTDOWN);
    grpc_completion_queue_destroy(queue->cq);
    free(queue);
}

void wcow_rpc_channel_free(struct wcow_rpc_channel *channel)
{
    if (!channel)
        return;
    while (channel->idle_queues) {
        struct wcow_queue *next = channel->idle_queues->next;
        free_queue(channel->idle_queues);
        channel->idle_queues = next;
    }
    if (channel->channel)
        grpc_channel_destroy(channel->channel);
    (void)pthread_mutex_destroy(&channel->lock);
    free(channel->path);
    free(channel);
    wcow_core_done();
}

int wcow_queue_take(struct wcow_rpc_channel *channel, struct wcow_queue **ret,
                    struct wcow_error *err)
{
    (void)pthread_mutex_lock(&channel->lock);
    struct wcow_queue *queue = channel->idle_queues;
    if (queue)
        channel->idle_queues = queue->next;
    (void)pthread_mutex_unlock(&channel->lock);
    if (!queue) {
        queue = calloc(1, sizeof(*queue));
        if (!queue)
            return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a call");
        queue->cq = grpc_completion_queue_create_for_next(NULL);
    }
    *ret = queue;
    return WCOW_OK;
}

void wcow_queue_give(struct wcow_rpc_channel *channel, struct wcow_queue *queue)
{
    (void)pthread_mutex_lock(&channel->lock);
    queue->next = channel->idle_queues;
    channel->idle_queues = queue;
    (void)pthread_mutex_unlock(&channel->lock);
}

int wcow_channel_unreachable(const struct wcow_rpc_channel *channel, const char *peer,
                             int sys_errno, struct wcow_error *err)
{
    const char *advice = "is it running?";
    if (strcmp(peer, "containerd") == 0)
        advice = "is it running? set --address or CONTAINERD_ADDRESS";
    int code = WCOW_E_UNAVAILABLE;
    if (sys_errno == EACCES || sys_errno == EPERM) {
        code = WCOW_E_DENIED;
        advice = "run as root, or as a user who may write to the socket";
    }
    char buf[64];
    return WCOW_FAIL(err, code, "cannot reach %s at %s: %s; %s", peer, channel->path,
                     strerror_r(sys_errno, buf, sizeof(buf)), advice);
}

/* One step of waiting for the channel's state to change. */
static void wait_for_change(struct wcow_rpc_channel *channel, struct wcow_queue *queue,
                            grpc_connectivity_state state)
{
    gpr_timespec until = gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                                      gpr_time_from_millis(CONNECT_STEP_MS, GPR_TIMESPAN));
    grpc_channel_watch_connectivity_state(channel->channel, state, until, queue->cq, channel);
    (void)grpc_completion_queue_next(queue->cq, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
}

int wcow_channel_ready(struct wcow_rpc_channel *channel, struct wcow_queue *queue,
                       const struct wcow_rpc_call_options *options, struct wcow_error *err)
{
    const char *peer = options->peer ? options->peer : "the server";
    uint32_t limit_ms = CONNECT_MS;
    if (options->timeout_ms && options->timeout_ms < limit_ms)
        limit_ms = options->timeout_ms;
    uint64_t until = wcow_now_ns() + (uint64_t)limit_ms * 1000000U;
    for (;;) {
        grpc_connectivity_state state = grpc_channel_check_connectivity_state(channel->channel, 1);
        if (state == GRPC_CHANNEL_READY)
            return WCOW_OK;
        int sys_errno = wcow_socket_probe(channel->path);
        if (sys_errno)
            return wcow_channel_unreachable(channel, peer, sys_errno, err);
        if (options->cancel && atomic_load(options->cancel))
            return WCOW_FAIL(err, WCOW_E_CANCELLED, "cancelled while connecting to %s", peer);
        if (wcow_now_ns() > until)
            return WCOW_FAIL(
                err, WCOW_E_UNAVAILABLE,
                "%s at %s accepts connections but doesn't answer: is it a gRPC server?", peer,
                channel->path);
        wait_for_change(channel, queue, state);
    }
}
