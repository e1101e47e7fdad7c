/* SPDX-License-Identifier: Apache-2.0 */
/* A server's beginning and end. */
#include "rpc/server.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "rpc/server_internal.h"
#include "rpc/thread.h"

enum {
    N_CATCH_ALLS = 2,              /* of callers that are refused, of methods that are unknown */
    CLOSE_GRACE_MS = 300,          /* for clients to let go of their connections... */
    PASS_ON_CLOSE_GRACE_MS = 2000, /* ...where none may lose a call, be it slow to listen */
    STOP_GRACE_MS = 10000,
    STOP_POLL_MS = 20,
};
#define NS_PER_MS UINT64_C(1000000)

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
    server->methods[server->n_methods - 2].def.path = "refused";
    server->methods[server->n_methods - 1].def.path = "unknown";
    for (size_t i = 0; i < server->n_methods; i++)
        server->methods[i].path_len = strlen(server->methods[i].def.path);
    return WCOW_OK;
}

static int open_loop(struct wcow_rpc_server *server, struct wcow_error *err)
{
    server->buffers = malloc(sizeof(*server->buffers));
    if (!server->buffers)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a server");
    server->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    server->loop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    server->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};
    if (server->wake_fd < 0 || server->loop_fd < 0 || server->epoll_fd < 0 ||
        epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, server->loop_fd, &event) < 0)
        return WCOW_FAIL_ERRNO(err, WCOW_E_LIMIT, "cannot make an event descriptor");
    return WCOW_OK;
}

static unsigned worker_count(unsigned wanted)
{
    long n = wanted ? (long)wanted : sysconf(_SC_NPROCESSORS_ONLN);
    return wanted ? wanted : (unsigned)(n < 2 ? 2 : n);
}

static void init(struct wcow_rpc_server *server, const struct wcow_rpc_server_options *options)
{
    server->listener = WCOW_LISTENER_NONE;
    server->wake_fd = server->loop_fd = server->epoll_fd = -1;
    server->ready_last = &server->ready;
    server->posted_last = &server->posted;
    server->observer = options->observer;
    server->observer_ctx = options->observer_ctx;
    server->admit = options->admit;
    server->admit_ctx = options->admit_ctx;
    server->rounds = options->rounds;
    server->stop_grace_ms = options->stop_grace_ms ? options->stop_grace_ms : STOP_GRACE_MS;
    server->close_grace_ms = CLOSE_GRACE_MS;
    pthread_condattr_t attr;
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&server->changed, &attr);
    (void)pthread_condattr_destroy(&attr);
    (void)pthread_mutex_init(&server->lock, NULL);
    (void)pthread_mutex_init(&server->post_lock, NULL);
}

int wcow_rpc_server_new(const struct wcow_rpc_server_options *options,
                        const struct wcow_rpc_method *methods, size_t n_methods,
                        struct wcow_rpc_server **ret, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_rpc_server_free_p)
    struct wcow_rpc_server *server = calloc(1, sizeof(*server));
    if (!server)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a server");
    init(server, options);
    int r = open_loop(server, err);
    if (r == WCOW_OK && options->inherited && options->inherited->fd >= 0) {
        server->listener = *options->inherited;
        *options->inherited = WCOW_LISTENER_NONE;
    } else if (r == WCOW_OK) {
        r = wcow_listener_open(options->address, &server->listener, err);
    }
    if (r == WCOW_OK)
        r = copy_methods(server, methods, n_methods, err);
    if (r == WCOW_OK)
        r = wcow_pool_new(worker_count(options->n_workers), &server->pool, err);
    if (r < 0)
        return r;
    *ret = WCOW_TAKE_PTR(server);
    return WCOW_OK;
}

const char *wcow_rpc_server_address(const struct wcow_rpc_server *server)
{
    return server->listener.path;
}

int wcow_rpc_server_start(struct wcow_rpc_server *server, struct wcow_error *err)
{
    int r = wcow_thread_start(&server->looper, wcow_server_loop, server, err);
    if (r < 0)
        return r;
    server->started = true;
    r = wcow_thread_start(&server->acceptor, wcow_server_accept, server, err);
    server->has_acceptor = r == WCOW_OK;
    return r;
}

/* ---- stopping one ---- */

/* Until clients have let go of their connections, which they do with the answer to their last call.
 * One that keeps its connection without calling on it is not waited for, nor is one beyond the
 * grace time. */
static void wait_for_clients(struct wcow_rpc_server *server)
{
    uint64_t begin_ns = wcow_now_ns();
    uint64_t quiet_ns = begin_ns;
    (void)pthread_mutex_lock(&server->lock);
    while (server->n_connections > 0) {
        uint64_t now_ns = wcow_now_ns();
        if (server->n_active > 0)
            quiet_ns = now_ns;
        if (now_ns - quiet_ns > server->close_grace_ms * NS_PER_MS ||
            now_ns - begin_ns > server->stop_grace_ms * NS_PER_MS)
            break;
        uint64_t again_ns = now_ns + STOP_POLL_MS * NS_PER_MS;
        struct timespec again = {.tv_sec = (time_t)(again_ns / 1000000000U),
                                 .tv_nsec = (long)(again_ns % 1000000000U)};
        (void)pthread_cond_timedwait(&server->changed, &server->lock, &again);
    }
    (void)pthread_mutex_unlock(&server->lock);
}

/* Clients are told to take their next calls elsewhere; what they have called, and what is on its
 * way when they learn it, is served as ever. What is left then loses its calls. */
static void shut_down(struct wcow_rpc_server *server)
{
    wcow_server_want(server, WCOW_SERVER_DRAINS);
    wcow_health_stop(server->health);
    wait_for_clients(server);
    wcow_server_want(server, WCOW_SERVER_ABORTS);
    (void)pthread_mutex_lock(&server->lock);
    while (server->n_active > 0 || server->n_connections > 0)
        (void)pthread_cond_wait(&server->changed, &server->lock);
    (void)pthread_mutex_unlock(&server->lock);
    wcow_server_want(server, WCOW_SERVER_ENDS);
}

void wcow_rpc_server_stop(struct wcow_rpc_server *server)
{
    if (!server->started || server->stopped)
        return;
    server->stopped = true;
    (void)eventfd_write(server->wake_fd, 1);
    if (server->has_acceptor)
        (void)pthread_join(server->acceptor, NULL);
    shut_down(server);
    (void)pthread_join(server->looper, NULL);
    wcow_listener_close(&server->listener);
}

uint32_t wcow_rpc_server_busy_ms(const struct wcow_rpc_server *server)
{
    return (uint32_t)(wcow_pool_busy_ns(server->pool) / NS_PER_MS);
}

int wcow_rpc_server_pass_on(struct wcow_rpc_server *server, uint32_t grace_ms,
                            struct wcow_listener *ret, struct wcow_error *err)
{
    server->stop_grace_ms = grace_ms;
    server->close_grace_ms = PASS_ON_CLOSE_GRACE_MS;
    return wcow_listener_pass_on(&server->listener, ret, err);
}

void wcow_rpc_server_free(struct wcow_rpc_server *server)
{
    if (!server)
        return;
    wcow_rpc_server_stop(server);
    wcow_pool_free(server->pool);
    while (server->free_calls) {
        struct wcow_rpc_call *next = server->free_calls->next;
        wcow_call_free(server->free_calls);
        server->free_calls = next;
    }
    wcow_listener_close(&server->listener);
    wcow_closep_(&server->wake_fd);
    wcow_closep_(&server->loop_fd);
    wcow_closep_(&server->epoll_fd);
    wcow_health_free(server->health);
    free(server->methods);
    free(server->buffers);
    (void)pthread_cond_destroy(&server->changed);
    (void)pthread_mutex_destroy(&server->post_lock);
    (void)pthread_mutex_destroy(&server->lock);
    free(server);
}
