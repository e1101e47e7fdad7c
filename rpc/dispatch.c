/* SPDX-License-Identifier: Apache-2.0 */
/* From a request to its method. */
#include <string.h>

#include "base/number.h"
#include "rpc/message.h"
#include "rpc/server_internal.h"

void wcow_server_observe(struct wcow_rpc_server *server, const struct wcow_rpc_call *call, int code,
                         const char *message)
{
    if (server->observer)
        server->observer(server->observer_ctx, call->method->def.path, call->id, code, message,
                         wcow_now_ns() - call->started_ns);
}

void wcow_server_count(struct wcow_rpc_server *server, struct wcow_rpc_call *call, bool begun)
{
    if (call->counted == begun)
        return;
    call->counted = begun;
    (void)pthread_mutex_lock(&server->lock);
    server->n_active += begun ? 1 : (size_t)-1;
    bool awaited = server->n_active == 0 && server->wanted != WCOW_SERVER_SERVES;
    (void)pthread_mutex_unlock(&server->lock);
    if (awaited)
        (void)pthread_cond_signal(&server->changed);
}

/* The last two methods are no methods: of callers that are refused, of paths that are unknown. */
static const struct wcow_method *find(const struct wcow_rpc_server *server, const char *path)
{
    size_t len = path ? strlen(path) : 0;
    for (size_t i = 0; i + 2 < server->n_methods; i++) {
        const struct wcow_method *m = &server->methods[i];
        if (path && m->path_len == len && memcmp(m->def.path, path, len) == 0)
            return m;
    }
    return &server->methods[server->n_methods - 1];
}

static void begin(struct wcow_rpc_server *server, struct wcow_rpc_call *call)
{
    call->method = call->connection->refusal ? &server->methods[server->n_methods - 2]
                                             : find(server, call->path);
    call->started_ns = wcow_now_ns();
    (void)wcow_number_hex(++server->next_id, 8, call->id);
}

void wcow_server_refuse(struct wcow_rpc_server *server, struct wcow_rpc_call *call,
                        const struct wcow_error *err)
{
    begin(server, call);
    wcow_rpc_call_finish(call, NULL, err->code, err);
}

static void handle(struct wcow_rpc_call *call)
{
    const struct wcow_rpc_method *def = &call->method->def;
    struct wcow_error err = {0};
    int r = WCOW_OK;
    if (!wcow_call_has_message(call)) {
        r = WCOW_FAIL(&err, WCOW_E_INVALID, "%s: no request message came", def->path);
    } else {
        ProtobufCAllocator allocator = wcow_rpc_arena_allocator(call->arena);
        const struct wcow_incoming *in = &call->incoming;
        r = wcow_message_read(in->data + WCOW_RPC_PREFIX_BYTES, in->len - WCOW_RPC_PREFIX_BYTES,
                              def->request, &allocator, &call->request, &err);
    }
    if (r < 0)
        wcow_rpc_call_finish(call, NULL, r, &err);
    else
        def->handle(call, def->ctx);
}

static void handle_job(struct wcow_pool_job *job)
{
    handle((struct wcow_rpc_call *)(void *)((char *)job - offsetof(struct wcow_rpc_call, job)));
}

static void go_on_job(struct wcow_pool_job *job)
{
    struct wcow_rpc_call *call =
        (struct wcow_rpc_call *)(void *)((char *)job - offsetof(struct wcow_rpc_call, job));
    call->go_on(call, call->method->def.ctx);
}

void wcow_rpc_call_go_on(struct wcow_rpc_call *call, wcow_rpc_handler handler)
{
    call->go_on = handler;
    call->on_worker = true;
    call->job.run = go_on_job;
    wcow_pool_push(call->server->pool, &call->job);
}

void wcow_server_dispatch(struct wcow_rpc_server *server, struct wcow_rpc_call *call)
{
    struct wcow_error err = {0};
    begin(server, call);
    if (call->connection->refusal) {
        err = *call->connection->refusal;
        wcow_rpc_call_finish(call, NULL, err.code, &err);
    } else if (!call->method->def.handle) {
        int r = WCOW_FAIL(&err, WCOW_E_UNSUPPORTED, "no method %.400s is served here", call->path);
        wcow_rpc_call_finish(call, NULL, r, &err);
    } else if (call->method->def.where == WCOW_RPC_INLINE) {
        handle(call);
    } else {
        call->on_worker = true;
        call->job.run = handle_job;
        wcow_pool_push(server->pool, &call->job);
    }
}
