/* SPDX-License-Identifier: Apache-2.0 */
#include "rpc/health.h"

#include <pthread.h>
#include <string.h>

#include "proto/health.pb-c.h"
#include "rpc/call.h"

#define STATUS(name) GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__##name

typedef Grpc__Health__V1__HealthCheckResponse reply_message;

struct wcow_health {
    char **services;
    size_t n_services;
    pthread_mutex_t lock;
    bool stopping;
    struct wcow_rpc_call *watchers; /* linked by watch_next */
};

static bool knows(const struct wcow_health *health, const char *service)
{
    for (char *const *known = health->services; *known; known++)
        if (strcmp(*known, service) == 0)
            return true;
    return service[0] == '\0';
}

static const char *service_asked(const struct wcow_rpc_call *call)
{
    const Grpc__Health__V1__HealthCheckRequest *request = (const void *)call->request;
    return request->service;
}

static void check(struct wcow_rpc_call *call, void *ctx)
{
    struct wcow_health *health = ctx;
    struct wcow_error err = {0};
    const char *service = service_asked(call);
    if (!knows(health, service)) {
        int r = WCOW_FAIL(&err, WCOW_E_NOT_FOUND, "no service \"%s\" is served here", service);
        wcow_rpc_call_finish(call, NULL, r, &err);
        return;
    }
    reply_message reply = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    (void)pthread_mutex_lock(&health->lock);
    reply.status = health->stopping ? STATUS(NOT_SERVING) : STATUS(SERVING);
    (void)pthread_mutex_unlock(&health->lock);
    wcow_rpc_call_finish(call, &reply.base, WCOW_OK, NULL);
}

/* Whoever takes a call off the list ends it. */
static bool unlist(struct wcow_health *health, struct wcow_rpc_call *call)
{
    bool found = false;
    (void)pthread_mutex_lock(&health->lock);
    for (struct wcow_rpc_call **p = &health->watchers; *p && !found; p = &(*p)->watch_next) {
        found = *p == call;
        if (found) {
            *p = call->watch_next;
            break;
        }
    }
    (void)pthread_mutex_unlock(&health->lock);
    return found;
}

static void end_watch(struct wcow_rpc_call *call, int code, const char *why)
{
    struct wcow_error err = {0};
    int r = WCOW_FAIL(&err, code, "%s", why);
    wcow_rpc_call_finish(call, NULL, r, &err);
}

static void watch_cancelled(struct wcow_rpc_call *call)
{
    if (unlist(call->method->def.ctx, call))
        end_watch(call, WCOW_E_CANCELLED, "the caller went away");
}

/* On the loop's thread, as is watch_cancelled(): one is over before the other begins. */
static void watch(struct wcow_rpc_call *call, void *ctx)
{
    struct wcow_health *health = ctx;
    reply_message reply = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    reply.status = knows(health, service_asked(call)) ? STATUS(SERVING) : STATUS(SERVICE_UNKNOWN);
    struct wcow_error err = {0};
    int r = wcow_rpc_call_send(call, &reply.base, &err);
    if (r < 0) {
        wcow_rpc_call_finish(call, NULL, r, &err);
        return;
    }
    call->on_cancel = watch_cancelled;
    (void)pthread_mutex_lock(&health->lock);
    bool stopping = health->stopping;
    if (!stopping) {
        call->watch_next = health->watchers;
        health->watchers = call;
    }
    (void)pthread_mutex_unlock(&health->lock);
    if (stopping)
        end_watch(call, WCOW_E_UNAVAILABLE, "the server is stopping");
}

void wcow_health_stop(struct wcow_health *health)
{
    (void)pthread_mutex_lock(&health->lock);
    health->stopping = true;
    struct wcow_rpc_call *call = health->watchers;
    health->watchers = NULL;
    (void)pthread_mutex_unlock(&health->lock);
    while (call) {
        struct wcow_rpc_call *next = call->watch_next;
        reply_message reply = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
        reply.status = STATUS(NOT_SERVING);
        struct wcow_error err = {0};
        (void)!wcow_rpc_call_send(call, &reply.base, &err);
        end_watch(call, WCOW_E_UNAVAILABLE, "the server is stopping");
        call = next;
    }
}

void wcow_health_methods(struct wcow_health *health,
                         struct wcow_rpc_method ret[WCOW_HEALTH_METHODS])
{
    const ProtobufCMessageDescriptor *request = &grpc__health__v1__health_check_request__descriptor;
    ret[0] = (struct wcow_rpc_method){"/grpc.health.v1.Health/Check", request, WCOW_RPC_INLINE,
                                      check, health};
    ret[1] = (struct wcow_rpc_method){"/grpc.health.v1.Health/Watch", request, WCOW_RPC_INLINE,
                                      watch, health};
}

/* "/package.Service/Method" stands for "package.Service". */
static int add_service(struct wcow_health *health, const char *path, struct wcow_error *err)
{
    const char *name = path + 1;
    const char *slash = strchr(name, '/');
    wcow_autofree char *service = slash ? strndup(name, (size_t)(slash - name)) : strdup(name);
    if (!service)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a service's name");
    if (!knows(health, service))
        health->services[health->n_services++] = WCOW_TAKE_PTR(service);
    return WCOW_OK;
}

int wcow_health_new(const struct wcow_rpc_method *methods, size_t n_methods,
                    struct wcow_health **ret, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_health_free_p) struct wcow_health *health = calloc(1, sizeof(*health));
    if (!health)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for the health service");
    (void)pthread_mutex_init(&health->lock, NULL);
    health->services = calloc(n_methods + 1, sizeof(*health->services));
    if (!health->services)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for the health service");
    for (size_t i = 0; i < n_methods; i++) {
        int r = add_service(health, methods[i].path, err);
        if (r < 0)
            return r;
    }
    *ret = WCOW_TAKE_PTR(health);
    return WCOW_OK;
}

void wcow_health_free(struct wcow_health *health)
{
    if (!health)
        return;
    for (size_t i = 0; i < health->n_services; i++)
        free(health->services[i]);
    free(health->services);
    (void)pthread_mutex_destroy(&health->lock);
    free(health);
}
