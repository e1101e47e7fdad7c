/* SPDX-License-Identifier: Apache-2.0 */
#include "rpc/server.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "rpc/core.h"
#include "rpc/goodbye.h"
#include "rpc/message.h"
#include "rpc/server_internal.h"
#include "rpc/status.h"
#include "rpc/text.h"
#include "rpc/thread.h"

enum {
    N_CATCH_ALLS = 2,      /* of methods that are unknown, of callers that are refused */
    POSTED_PER_METHOD = 4, /* calls that gRPC may begin before we come to post more */
    MAX_FREE_CALLS = 256,
    SETTLE_MS = 200,       /* until a connection is surely set up */
    GATE_WAIT_MS = 500,    /* for what is being written to be read */
    CLOSE_GRACE_MS = 300,  /* for clients to end connections without a call */
    STOP_GRACE_MS = 10000, /* ... and with one */
    STOP_POLL_MS = 5,
};

static const uint64_t NS_PER_MS = 1000000;

void wcow_server_observe(struct wcow_rpc_server *server, const struct wcow_rpc_call *call, int code,
                         const char *message)
{
    if (server->observer)
        server->observer(server->observer_ctx, call->method->def.path, call->id, code, message,
                         wcow_now_ns() - call->started_ns);
}

/* ---- the dispatch thread ---- */

static void recycle(struct wcow_rpc_server *server, struct wcow_rpc_call *call)
{
    if (server->n_free_calls >= MAX_FREE_CALLS) {
        wcow_call_free(call);
        return;
    }
    wcow_call_reset(call);
    call->next = server->free_calls;
    server->free_calls = call;
    server->n_free_calls++;
}

/* Tell gRPC that one more call of the method may come. */
static void post(struct wcow_rpc_server *server, struct wcow_method *method)
{
    struct wcow_rpc_call *call = server->free_calls;
    if (call) {
        server->free_calls = call->next;
        server->n_free_calls--;
    } else {
        call = wcow_call_new(server);
    }
    if (!call)
        return; /* the others that are posted go on */
    call->method = method;
    grpc_call_error r;
    if (method->registered)
        r = grpc_server_request_registered_call(method->grpc, method->registered, &call->call,
                                                &call->deadline, &call->headers, &call->payload,
                                                server->cq, server->cq, &call->tag_new);
    else
        r = grpc_server_request_call(method->grpc, &call->call, &call->details, &call->headers,
                                     server->cq, server->cq, &call->tag_new);
    if (r != GRPC_CALL_OK)
        recycle(server, call);
}

static void count_active(struct wcow_rpc_server *server, bool begun)
{
    (void)pthread_mutex_lock(&server->lock);
    server->n_active += begun ? 1 : (size_t)-1;
    bool idle = server->n_active == 0;
    (void)pthread_mutex_unlock(&server->lock);
    if (idle)
        (void)pthread_cond_signal(&server->changed);
}

static void handle_refused(struct wcow_rpc_call *call)
{
    struct wcow_rpc_server *server = call->server;
    (void)pthread_mutex_lock(&server->lock);
    struct wcow_error err = server->refusal;
    (void)pthread_mutex_unlock(&server->lock);
    wcow_rpc_call_finish(call, NULL, err.code, &err);
}

static void handle_unknown(struct wcow_rpc_call *call)
{
    struct wcow_error err = {0};
    wcow_autofree char *path = grpc_slice_to_c_string(call->details.method);
    int r = WCOW_FAIL(&err, WCOW_E_UNSUPPORTED, "no method %s is served here", path);
    wcow_rpc_call_finish(call, NULL, r, &err);
}

static void handle(struct wcow_rpc_call *call)
{
    const struct wcow_rpc_method *def = &call->method->def;
    struct wcow_error err = {0};
    int r = WCOW_OK;
    if (!call->payload) {
        r = WCOW_FAIL(&err, WCOW_E_INVALID, "%s: no request message came", def->path);
    } else {
        ProtobufCAllocator allocator = wcow_rpc_arena_allocator(call->arena);
        r = wcow_message_unpack(call->payload, def->request, &allocator, &call->request, &err);
    }
    grpc_byte_buffer_destroy(call->payload);
    call->payload = NULL;
    if (r < 0)
        wcow_rpc_call_finish(call, NULL, r, &err);
    else
        def->handle(call, def->ctx);
}

static void handle_job(struct wcow_pool_job *job)
{
    handle((struct wcow_rpc_call *)(void *)((char *)job - offsetof(struct wcow_rpc_call, job)));
}

static void on_new(struct wcow_rpc_server *server, struct wcow_rpc_call *call, bool ok)
{
    if (!ok) { /* the server is stopping */
        recycle(server, call);
        return;
    }
    post(server, call->method);
    count_active(server, true);
    call->started_ns = wcow_now_ns();
    (void)snprintf(call->id, sizeof(call->id), "%08" PRIx64, ++server->next_id);
    if (call->method->grpc == server->refuser) {
        handle_refused(call);
    } else if (!call->method->registered) {
        handle_unknown(call);
    } else if (call->method->def.where == WCOW_RPC_INLINE) {
        handle(call);
    } else {
        wcow_call_watch_close(call);
        call->job.run = handle_job;
        wcow_pool_push(server->pool, &call->job);
    }
}

static void on_over(struct wcow_rpc_server *server, struct wcow_rpc_call *call)
{
    if (!call->finish_done || (call->watching && !call->close_done))
        return;
    recycle(server, call);
    count_active(server, false);
}

static void on_event(struct wcow_rpc_server *server, const struct wcow_tag *tag, bool ok)
{
    struct wcow_rpc_call *call = tag->call;
    switch (tag->kind) {
    case WCOW_TAG_NEW:
        on_new(server, call, ok);
        break;
    case WCOW_TAG_CLOSE:
        wcow_call_on_close(call);
        call->close_done = true;
        on_over(server, call);
        break;
    case WCOW_TAG_SEND:
        wcow_write_gate_leave(&server->gate);
        wcow_call_on_sent(call, ok);
        break;
    case WCOW_TAG_FINISH:
        wcow_write_gate_leave(&server->gate);
        call->finish_done = true;
        on_over(server, call);
        break;
    case WCOW_TAG_STOP:
        (void)pthread_mutex_lock(&server->lock);
        server->n_shut_down++;
        (void)pthread_mutex_unlock(&server->lock);
        (void)pthread_cond_signal(&server->changed);
        break;
    }
}

static void *dispatch(void *arg)
{
    struct wcow_rpc_server *server = arg;
    for (;;) {
        grpc_event event =
            grpc_completion_queue_next(server->cq, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
        if (event.type == GRPC_QUEUE_SHUTDOWN)
            return NULL;
        if (event.type == GRPC_OP_COMPLETE)
            on_event(server, event.tag, event.success != 0);
    }
}

/* ---- making one ---- */

static int copy_methods(struct wcow_rpc_server *server, const struct wcow_rpc_method *methods,
                        size_t n, struct wcow_error *err)
{
    int r = wcow_health_new(methods, n, &server->health, err);
    if (r < 0)
        return r;
    server->n_methods = n + WCOW_HEALTH_METHODS + N_CATCH_ALLS;
    server->methods = calloc(server->n_methods, sizeof(*server->methods));
    if (!server->methods)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for %zu methods", n);
    for (size_t i = 0; i < n; i++)
        server->methods[i].def = methods[i];
    struct wcow_rpc_method health[WCOW_HEALTH_METHODS];
    wcow_health_methods(server->health, health);
    for (size_t i = 0; i < WCOW_HEALTH_METHODS; i++)
        server->methods[n + i].def = health[i];
    server->methods[server->n_methods - 2].def.path = "unknown";
    server->methods[server->n_methods - 1].def.path = "refused";
    return WCOW_OK;
}

static int make_grpc_server(struct wcow_rpc_server *server, struct wcow_error *err)
{
    grpc_arg args[] = {
        {.type = GRPC_ARG_INTEGER,
         .key = wcow_rpc_text(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH),
         .value.integer = WCOW_RPC_MAX_MESSAGE_BYTES},
        /* A local socket has no bandwidth to probe, and callers may ping as they like. */
        {.type = GRPC_ARG_INTEGER,
         .key = wcow_rpc_text(GRPC_ARG_HTTP2_BDP_PROBE),
         .value.integer = 0},
        {.type = GRPC_ARG_INTEGER,
         .key = wcow_rpc_text(GRPC_ARG_HTTP2_MAX_PING_STRIKES),
         .value.integer = 0},
    };
    grpc_channel_args list = {.num_args = sizeof(args) / sizeof(args[0]), .args = args};
    server->server = grpc_server_create(&list, NULL);
    server->cq = grpc_completion_queue_create_for_next(NULL);
    grpc_server_register_completion_queue(server->server, server->cq, NULL);
    server->refuser = grpc_server_create(&list, NULL);
    grpc_server_register_completion_queue(server->refuser, server->cq, NULL);
    for (size_t i = 0; i < server->n_methods; i++)
        server->methods[i].grpc = server->server;
    server->methods[server->n_methods - 1].grpc = server->refuser;
    for (size_t i = 0; i + N_CATCH_ALLS < server->n_methods; i++) {
        struct wcow_method *m = &server->methods[i];
        m->registered = grpc_server_register_method(server->server, m->def.path, NULL,
                                                    GRPC_SRM_PAYLOAD_READ_INITIAL_BYTE_BUFFER, 0);
        if (!m->registered)
            return WCOW_FAIL(err, WCOW_E_INVALID, "method %s is registered twice", m->def.path);
    }
    return WCOW_OK;
}

static unsigned worker_count(unsigned wanted)
{
    long n = wanted ? (long)wanted : sysconf(_SC_NPROCESSORS_ONLN);
    return wanted ? wanted : (unsigned)(n < 2 ? 2 : n);
}

static void init_sync(struct wcow_rpc_server *server)
{
    pthread_condattr_t attr;
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&server->changed, &attr);
    (void)pthread_condattr_destroy(&attr);
    (void)pthread_mutex_init(&server->lock, NULL);
    wcow_write_gate_init(&server->gate);
}

int wcow_rpc_server_new(const struct wcow_rpc_server_options *options,
                        const struct wcow_rpc_method *methods, size_t n_methods,
                        struct wcow_rpc_server **ret, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_rpc_server_free_p)
    struct wcow_rpc_server *server = calloc(1, sizeof(*server));
    if (!server)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a server");
    wcow_core_init();
    init_sync(server);
    server->listener = (struct wcow_listener){.fd = -1, .lock_fd = -1};
    server->observer = options->observer;
    server->observer_ctx = options->observer_ctx;
    server->admit = options->admit;
    server->admit_ctx = options->admit_ctx;
    server->stop_grace_ms = options->stop_grace_ms ? options->stop_grace_ms : STOP_GRACE_MS;
    server->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (server->wake_fd < 0)
        return WCOW_FAIL_ERRNO(err, WCOW_E_LIMIT, "cannot make an event descriptor");
    int r = wcow_listener_open(options->address, &server->listener, err);
    if (r == WCOW_OK)
        r = copy_methods(server, methods, n_methods, err);
    if (r == WCOW_OK)
        r = make_grpc_server(server, err);
    if (r == WCOW_OK)
        r = wcow_pool_new(worker_count(options->n_workers), &server->pool, err);
    if (r < 0)
        return r;
    *ret = WCOW_TAKE_PTR(server);
    return WCOW_OK;
}

int wcow_rpc_server_start(struct wcow_rpc_server *server, struct wcow_error *err)
{
    grpc_server_start(server->server);
    grpc_server_start(server->refuser);
    for (size_t i = 0; i < server->n_methods; i++)
        for (int n = 0; n < POSTED_PER_METHOD; n++)
            post(server, &server->methods[i]);
    int r = wcow_thread_start(&server->dispatcher, dispatch, server, err);
    if (r < 0)
        return r;
    server->started = true;
    r = wcow_thread_start(&server->acceptor, wcow_server_accept, server, err);
    if (r < 0) {
        server->acceptor = 0;
        return r;
    }
    return WCOW_OK;
}

uint32_t wcow_rpc_server_busy_ms(const struct wcow_rpc_server *server)
{
    return (uint32_t)(wcow_pool_busy_ns(server->pool) / NS_PER_MS);
}

/* ---- stopping one ---- */

static struct timespec after_ms(uint32_t ms)
{
    uint64_t at = wcow_now_ns() + (uint64_t)ms * NS_PER_MS;
    return (struct timespec){.tv_sec = (time_t)(at / 1000000000U),
                             .tv_nsec = (long)(at % 1000000000U)};
}

/* Clients are told to take their next calls elsewhere, while all is served as ever. */
static void say_goodbye(struct wcow_rpc_server *server)
{
    /* gRPC writes the SETTINGS that must come first soon after a connection is handed over. */
    uint64_t age_ns = wcow_now_ns() - server->accepted_ns;
    if (age_ns < SETTLE_MS * NS_PER_MS)
        (void)usleep((useconds_t)((SETTLE_MS * NS_PER_MS - age_ns) / 1000));
    bool sure = wcow_write_gate_close(&server->gate, GATE_WAIT_MS);
    (void)wcow_goodbye_say(server->listener.fd, sure);
    wcow_write_gate_open(&server->gate);
}

/* Until clients have closed their connections, which they do with the answer to their last call.
 * One that keeps its connection without calling on it is not waited for, nor is one beyond the
 * grace time. */
static void wait_for_clients(struct wcow_rpc_server *server)
{
    uint64_t begin_ns = wcow_now_ns();
    uint64_t quiet_ns = begin_ns;
    (void)pthread_mutex_lock(&server->lock);
    while (wcow_goodbye_left(server->listener.fd) > 0) {
        uint64_t now_ns = wcow_now_ns();
        if (server->n_active > 0)
            quiet_ns = now_ns;
        if (now_ns - quiet_ns > CLOSE_GRACE_MS * NS_PER_MS ||
            now_ns - begin_ns > server->stop_grace_ms * NS_PER_MS)
            break;
        struct timespec again = after_ms(STOP_POLL_MS);
        (void)pthread_cond_timedwait(&server->changed, &server->lock, &again);
    }
    (void)pthread_mutex_unlock(&server->lock);
}

/* What is left now loses its calls. */
static void shut_down(struct wcow_rpc_server *server)
{
    struct wcow_tag tag = {.kind = WCOW_TAG_STOP};
    grpc_server_shutdown_and_notify(server->server, server->cq, &tag);
    grpc_server_shutdown_and_notify(server->refuser, server->cq, &tag);
    grpc_server_cancel_all_calls(server->server);
    grpc_server_cancel_all_calls(server->refuser);
    (void)pthread_mutex_lock(&server->lock);
    while (server->n_active > 0 || server->n_shut_down < 2)
        (void)pthread_cond_wait(&server->changed, &server->lock);
    (void)pthread_mutex_unlock(&server->lock);
}

void wcow_rpc_server_stop(struct wcow_rpc_server *server)
{
    if (!server->started || server->stopped)
        return;
    server->stopped = true;
    (void)eventfd_write(server->wake_fd, 1);
    if (server->acceptor)
        (void)pthread_join(server->acceptor, NULL);
    say_goodbye(server);
    wcow_health_stop(server->health);
    wait_for_clients(server);
    shut_down(server);
    grpc_completion_queue_shutdown(server->cq);
    (void)pthread_join(server->dispatcher, NULL);
    wcow_listener_close(&server->listener);
}

int wcow_rpc_server_pass_on(struct wcow_rpc_server *server, uint32_t grace_ms,
                            struct wcow_listener *ret, struct wcow_error *err)
{
    server->stop_grace_ms = grace_ms;
    return wcow_listener_pass_on(&server->listener, ret, err);
}

static void drain_unstarted(struct wcow_rpc_server *server)
{
    grpc_completion_queue_shutdown(server->cq);
    grpc_event event;
    do {
        event = grpc_completion_queue_next(server->cq, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
        const struct wcow_tag *tag = event.tag;
        if (event.type == GRPC_OP_COMPLETE && tag->kind == WCOW_TAG_NEW)
            recycle(server, tag->call);
    } while (event.type != GRPC_QUEUE_SHUTDOWN);
}

static void free_grpc(struct wcow_rpc_server *server)
{
    if (!server->server)
        return;
    if (!server->stopped) {
        struct wcow_tag tag = {.kind = WCOW_TAG_STOP};
        grpc_server_shutdown_and_notify(server->server, server->cq, &tag);
        grpc_server_shutdown_and_notify(server->refuser, server->cq, &tag);
        grpc_server_cancel_all_calls(server->server);
        drain_unstarted(server);
    }
    grpc_server_destroy(server->server);
    grpc_server_destroy(server->refuser);
    grpc_completion_queue_destroy(server->cq);
}

void wcow_rpc_server_free(struct wcow_rpc_server *server)
{
    if (!server)
        return;
    wcow_rpc_server_stop(server);
    wcow_pool_free(server->pool);
    free_grpc(server);
    while (server->free_calls) {
        struct wcow_rpc_call *next = server->free_calls->next;
        wcow_call_free(server->free_calls);
        server->free_calls = next;
    }
    wcow_listener_close(&server->listener);
    wcow_closep_(&server->wake_fd);
    wcow_health_free(server->health);
    free(server->methods);
    (void)pthread_cond_destroy(&server->changed);
    (void)pthread_mutex_destroy(&server->lock);
    wcow_write_gate_done(&server->gate);
    free(server);
    wcow_core_done();
}
