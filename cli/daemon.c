/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/daemon.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/beneath.h"
#include "base/bytes.h"
#include "cli/metrics.h"
#include "cli/store_metrics.h"
#include "containerd/client.h"
#include "differ/leftovers.h"
#include "differ/service.h"
#include "rpc/server.h"
#include "snapshotter/lookup.h"
#include "snapshotter/owner.h"
#include "snapshotter/service.h"
#include "store/db.h"

enum {
    MAX_METHODS = WCOW_SNAPSHOTTER_METHODS + WCOW_DIFFER_METHODS,
    /* Clients that connect anew wait meanwhile, and gRPC's give a connection 20 s. */
    PASS_ON_GRACE_MS = 15000,
};

struct wcow_daemon {
    struct wcow_store *store;
    struct wcow_snapshotter *snapshotter;
    struct wcow_containerd *containerd;
    struct wcow_differ_service *differ;
    char *leftovers; /* the differ's notes */
    struct wcow_metrics *metrics;
    struct wcow_listener inherited; /* until the server has it */
    struct wcow_rpc_server *server;
    struct wcow_owner_guard guard;
};

/* A call that succeeds is of interest only to who looks closely; errors that are answers (no such
 * snapshot, exists already) are part of normal work; the rest wants attention. */
static enum wcow_log_level level_of(int code)
{
    switch (code) {
    case WCOW_OK:
    case WCOW_E_NOT_FOUND:
    case WCOW_E_EXISTS:
    case WCOW_E_UNSUPPORTED:
        return WCOW_LOG_DEBUG;
    case WCOW_E_CANCELLED:
    case WCOW_E_DEADLINE:
    case WCOW_E_PRECONDITION:
        return WCOW_LOG_INFO;
    case WCOW_E_INVALID:
    case WCOW_E_LIMIT:
    case WCOW_E_DENIED:
    case WCOW_E_UNAVAILABLE:
        return WCOW_LOG_WARN;
    default:
        return WCOW_LOG_ERROR;
    }
}

static void on_call(void *ctx, const char *method, const char *call_id, int code,
                    const char *message, uint64_t duration_ns)
{
    struct wcow_daemon *d = ctx;
    if (d->metrics)
        wcow_metrics_call(d->metrics, method, code, duration_ns);
    wcow_log(level_of(code), code == WCOW_OK ? "call" : "call failed", WCOW_STR("method", method),
             WCOW_STR("request", call_id), WCOW_INT("us", duration_ns / 1000),
             WCOW_STR("error", code == WCOW_OK ? NULL : message));
}

static int write_store_metrics(void *ctx, struct wcow_buf *out, struct wcow_error *err)
{
    const struct wcow_daemon *d = ctx;
    return wcow_store_metrics_write(d->store, out, err);
}

static int namespace_of(void *ctx, const char *folder, char **ret, struct wcow_error *err)
{
    const struct wcow_daemon *d = ctx;
    return wcow_snapshotter_namespace_of(d->store, folder, ret, err);
}

static int admit(void *ctx, pid_t pid, struct wcow_error *err)
{
    struct wcow_daemon *d = ctx;
    return wcow_owner_admit(&d->guard, pid, err);
}

static int open_parts(struct wcow_daemon *d, const struct wcow_settings *s, struct wcow_error *err)
{
    int r = wcow_store_open(s->root, &d->store, err);
    if (r == WCOW_OK && s->adopt)
        r = wcow_owner_release(d->store, err);
    if (r < 0)
        return r;
    d->guard = (struct wcow_owner_guard){.store = d->store, .proc = "/proc"};
    struct wcow_snapshotter_options snapshotter = {
        .mount_type = s->overlay ? WCOW_MOUNT_OVERLAY : WCOW_MOUNT_WINDOWS_LAYER};
    r = wcow_snapshotter_new(d->store, &snapshotter, &d->snapshotter, err);
    if (r < 0 || !s->serve_diff)
        return r;
    r = wcow_containerd_new(s->containerd_address, &d->containerd, err);
    if (r < 0)
        return r;
    if (asprintf(&d->leftovers, "%s/" WCOW_LEFTOVERS_DIR, s->root) < 0) {
        d->leftovers = NULL;
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a path");
    }
    struct wcow_differ_options differ = {.containerd = d->containerd,
                                         .content_root = s->content_root,
                                         .namespace_of = namespace_of,
                                         .namespace_ctx = d,
                                         .limits = s->limits.tar,
                                         .max_ratio = s->limits.ratio,
                                         .allow_missing_parents = s->allow_missing_parents,
                                         .leftovers = d->leftovers};
    return wcow_differ_service_new(&differ, &d->differ, err);
}

/* Calls that come at once share a transaction. */
static void begin_round(void *ctx, bool several)
{
    wcow_store_begin_round(ctx, several);
}

static void end_round(void *ctx, bool alone)
{
    wcow_store_end_round(ctx, alone);
}

static void answer_round(void *ctx)
{
    wcow_store_answer_round(ctx);
}

static void after_round(void *ctx)
{
    wcow_store_after_round(ctx);
}

static void answers_wait(void *server)
{
    wcow_rpc_server_has_answers(server);
}

static int open_server(struct wcow_daemon *d, const struct wcow_settings *s, struct wcow_error *err)
{
    struct wcow_rpc_method methods[MAX_METHODS];
    size_t n = 0;
    if (s->serve_snapshots) {
        wcow_snapshotter_methods(d->snapshotter, methods);
        n += WCOW_SNAPSHOTTER_METHODS;
    }
    if (s->serve_diff) {
        wcow_differ_methods(d->differ, methods + n);
        n += WCOW_DIFFER_METHODS;
    }
    struct wcow_rpc_server_options options = {.address = s->address,
                                              .inherited = &d->inherited,
                                              .observer = on_call,
                                              .observer_ctx = d,
                                              .rounds = {.begin = begin_round,
                                                         .end = end_round,
                                                         .answer = answer_round,
                                                         .after = after_round,
                                                         .ctx = d->store}};
    if (s->serve_snapshots) {
        options.admit = admit;
        options.admit_ctx = d;
    }
    int r = wcow_rpc_server_new(&options, methods, n, &d->server, err);
    if (r == WCOW_OK)
        wcow_store_wake_rounds(d->store, answers_wait, d->server);
    return r < 0 ? r : wcow_rpc_server_start(d->server, err);
}

/* The folder of the socket: /run starts empty at each boot. */
static int make_parent(const char *path, struct wcow_error *err)
{
    char folder[4096];
    (void)snprintf(folder, sizeof(folder), "%s", path);
    char *slash = strrchr(folder, '/');
    if (!slash || slash == folder)
        return WCOW_OK;
    *slash = '\0';
    if (mkdir(folder, 0711) < 0 && errno != EEXIST)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "make the folder \"%s\"", folder);
    return WCOW_OK;
}

static int start(struct wcow_daemon *d, const struct wcow_settings *s, struct wcow_error *err)
{
    /* First: who connects is greeted while the store is being opened. */
    int r = wcow_listener_inherit(&d->inherited, err);
    r = r < 0 ? r : open_parts(d, s, err);
    if (r == WCOW_OK && s->metrics_address) {
        r = wcow_metrics_new(write_store_metrics, d, &d->metrics, err);
        if (r == WCOW_OK)
            r = wcow_metrics_serve(d->metrics, s->metrics_address, err);
    }
    if (r == WCOW_OK && d->inherited.fd < 0)
        r = make_parent(s->address, err);
    return r < 0 ? r : open_server(d, s, err);
}

int wcow_daemon_start(const struct wcow_settings *settings, struct wcow_daemon **ret,
                      struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_daemon_free_p) struct wcow_daemon *d = calloc(1, sizeof(*d));
    if (!d)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for the daemon");
    d->inherited = WCOW_LISTENER_NONE;
    int r = start(d, settings, err);
    if (r == WCOW_OK)
        *ret = WCOW_TAKE_PTR(d);
    return r;
}

const char *wcow_daemon_address(const struct wcow_daemon *daemon)
{
    return wcow_rpc_server_address(daemon->server);
}

uint32_t wcow_daemon_busy_ms(const struct wcow_daemon *daemon)
{
    return wcow_rpc_server_busy_ms(daemon->server);
}

int wcow_daemon_pass_on(struct wcow_daemon *d, struct wcow_listener *ret, struct wcow_error *err)
{
    return wcow_rpc_server_pass_on(d->server, PASS_ON_GRACE_MS, ret, err);
}

/* The server first, so that nothing is called any more; then the rest, top down. */
void wcow_daemon_free(struct wcow_daemon *daemon)
{
    if (!daemon)
        return;
    if (daemon->server)
        wcow_rpc_server_stop(daemon->server);
    if (daemon->store)
        wcow_store_wake_rounds(daemon->store, NULL, NULL);
    wcow_rpc_server_free(daemon->server);
    wcow_listener_close(&daemon->inherited);
    wcow_metrics_free(daemon->metrics);
    wcow_differ_service_free(daemon->differ);
    free(daemon->leftovers);
    wcow_containerd_free(daemon->containerd);
    wcow_snapshotter_free(daemon->snapshotter);
    wcow_store_close(daemon->store);
    free(daemon);
}
