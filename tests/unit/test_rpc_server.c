/* SPDX-License-Identifier: Apache-2.0 */
/* Server and client against each other over real sockets. */
#include "wcow_test.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "proto/content.pb-c.h"
#include "proto/health.pb-c.h"
#include "proto/snapshots.pb-c.h"
#include "rpc/client.h"
#include "rpc/server.h"
#include "rpc/text.h"

#define STAT_PATH  "/containerd.services.snapshots.v1.Snapshots/Stat"
#define LIST_PATH  "/containerd.services.snapshots.v1.Snapshots/List"
#define SLOW_PATH  "/containerd.services.snapshots.v1.Snapshots/Usage"
#define CHECK_PATH "/grpc.health.v1.Health/Check"
#define WATCH_PATH "/grpc.health.v1.Health/Watch"

typedef Containerd__Services__Snapshots__V1__StatSnapshotRequest stat_request;
typedef Containerd__Services__Snapshots__V1__StatSnapshotResponse stat_response;
typedef Containerd__Services__Snapshots__V1__ListSnapshotsResponse list_response;
typedef Containerd__Services__Snapshots__V1__Info info_message;
typedef Grpc__Health__V1__HealthCheckResponse health_response;

static const ProtobufCMessageDescriptor *const stat_request_type =
    &containerd__services__snapshots__v1__stat_snapshot_request__descriptor;
static const ProtobufCMessageDescriptor *const stat_response_type =
    &containerd__services__snapshots__v1__stat_snapshot_response__descriptor;
static const ProtobufCMessageDescriptor *const list_response_type =
    &containerd__services__snapshots__v1__list_snapshots_response__descriptor;
static const ProtobufCMessageDescriptor *const health_response_type =
    &grpc__health__v1__health_check_response__descriptor;

/* No test asks how fast this machine is: what is to happen has a minute for it, and what is to be
 * cut short would last longer. */
enum { PATIENCE_MS = 60000, FOREVER_MS = 10 * PATIENCE_MS };

struct fixture {
    char dir[64];
    char socket[96];
    uint32_t stop_grace_ms;
    struct wcow_rpc_server *server;
    struct wcow_rpc_channel *channel;
    atomic_int slow_running;
    atomic_int slow_cancelled;
    atomic_int observed;
};

static void sleep_ms(long ms)
{
    struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    (void)nanosleep(&ts, NULL);
}

static int64_t now_ms(void)
{
    struct timespec ts = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* @return whether it came to be this many, or more */
static bool wait_for_count(atomic_int *n, int want)
{
    for (int64_t end = now_ms() + PATIENCE_MS; atomic_load(n) < want && now_ms() < end;)
        sleep_ms(5);
    return atomic_load(n) >= want;
}

static void wait_until_zero(atomic_int *n)
{
    for (int64_t end = now_ms() + PATIENCE_MS; atomic_load(n) != 0 && now_ms() < end;)
        sleep_ms(5);
    assert_int_equal(atomic_load(n), 0);
}

/* ---- a little service ---- */

/* Echoes the key as the name and the header as the parent; keys "not found", "bad reply" and
 * "large" do what they say. */
static void on_stat(struct wcow_rpc_call *call, void *ctx)
{
    (void)ctx;
    const stat_request *request = (const void *)wcow_rpc_call_request(call);
    struct wcow_error err = {0};
    if (strcmp(request->key, "not found") == 0) {
        int r = WCOW_FAIL(&err, WCOW_E_NOT_FOUND, "no snapshot \"%s\" \xff here", request->key);
        wcow_rpc_call_finish(call, NULL, r, &err);
        return;
    }
    info_message info = CONTAINERD__SERVICES__SNAPSHOTS__V1__INFO__INIT;
    info.name = wcow_rpc_call_strdup(call, request->key);
    if (strcmp(request->key, "bad reply") == 0)
        info.name = wcow_rpc_call_strdup(call, "x\xc3(\xed\xa0\x80y");
    const char *ns = wcow_rpc_call_header(call, "containerd-namespace");
    info.parent = wcow_rpc_call_strdup(call, ns ? ns : "");
    stat_response reply = CONTAINERD__SERVICES__SNAPSHOTS__V1__STAT_SNAPSHOT_RESPONSE__INIT;
    reply.info = &info;
    wcow_rpc_call_finish(call, &reply.base, WCOW_OK, NULL);
}

/* Sends as many messages as the first filter says, then an error where there is a second one. */
static void on_list(struct wcow_rpc_call *call, void *ctx)
{
    (void)ctx;
    const Containerd__Services__Snapshots__V1__ListSnapshotsRequest *request =
        (const void *)wcow_rpc_call_request(call);
    struct wcow_error err = {0};
    long n = strtol(request->filters[0], NULL, 10);
    int r = WCOW_OK;
    for (long i = 0; i < n && r == WCOW_OK; i++) {
        info_message info = CONTAINERD__SERVICES__SNAPSHOTS__V1__INFO__INIT;
        char name[32];
        (void)snprintf(name, sizeof(name), "%ld", i);
        info.name = name;
        info_message *items[] = {&info};
        list_response reply = CONTAINERD__SERVICES__SNAPSHOTS__V1__LIST_SNAPSHOTS_RESPONSE__INIT;
        reply.n_info = 1;
        reply.info = items;
        r = wcow_rpc_call_send(call, &reply.base, &err);
    }
    if (request->n_filters > 1)
        r = WCOW_FAIL(&err, WCOW_E_PRECONDITION, "that is all");
    wcow_rpc_call_finish(call, NULL, r, &err);
}

/* Runs until it is cancelled, or as many milliseconds as the key says. */
static void on_slow(struct wcow_rpc_call *call, void *ctx)
{
    struct fixture *f = ctx;
    const Containerd__Services__Snapshots__V1__UsageRequest *request =
        (const void *)wcow_rpc_call_request(call);
    struct wcow_error err = {0};
    int r = WCOW_OK;
    long ms = strtol(request->key, NULL, 10);
    atomic_fetch_add(&f->slow_running, 1);
    while (ms > 0 && !atomic_load(wcow_rpc_call_cancelled(call))) {
        sleep_ms(5);
        ms -= 5;
    }
    if (atomic_load(wcow_rpc_call_cancelled(call))) {
        atomic_fetch_add(&f->slow_cancelled, 1);
        r = WCOW_FAIL(&err, WCOW_E_CANCELLED, "cancelled");
    }
    atomic_fetch_sub(&f->slow_running, 1);
    Containerd__Services__Snapshots__V1__UsageResponse reply =
        CONTAINERD__SERVICES__SNAPSHOTS__V1__USAGE_RESPONSE__INIT;
    reply.size = 42;
    wcow_rpc_call_finish(call, &reply.base, r, &err);
}

static void observe(void *ctx, const char *method, const char *call_id, int code,
                    const char *message, uint64_t duration_ns)
{
    (void)code;
    (void)message;
    (void)duration_ns;
    struct fixture *f = ctx;
    if (method[0] == '/' && call_id[0] != '\0')
        atomic_fetch_add(&f->observed, 1);
}

static int new_server(struct fixture *f, struct wcow_rpc_server **ret, struct wcow_error *err)
{
    const struct wcow_rpc_method methods[] = {
        {STAT_PATH, stat_request_type, WCOW_RPC_INLINE, on_stat, f},
        {LIST_PATH, &containerd__services__snapshots__v1__list_snapshots_request__descriptor,
         WCOW_RPC_WORKER, on_list, f},
        {SLOW_PATH, &containerd__services__snapshots__v1__usage_request__descriptor,
         WCOW_RPC_WORKER, on_slow, f},
    };
    const struct wcow_rpc_server_options options = {.address = f->socket,
                                                    .n_workers = 2,
                                                    .stop_grace_ms = f->stop_grace_ms,
                                                    .observer = observe,
                                                    .observer_ctx = f};
    return wcow_rpc_server_new(&options, methods, 3, ret, err);
}

static int setup_with_grace(void **state, uint32_t stop_grace_ms)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct wcow_error err = {0};
    if (!f)
        return -1;
    f->stop_grace_ms = stop_grace_ms;
    (void)snprintf(f->dir, sizeof(f->dir), "/tmp/wcow-rpc-XXXXXX");
    if (!mkdtemp(f->dir))
        return -1;
    (void)snprintf(f->socket, sizeof(f->socket), "%s/run/s.sock", f->dir);
    if (new_server(f, &f->server, &err) < 0 || wcow_rpc_server_start(f->server, &err) < 0 ||
        wcow_rpc_channel_new(f->socket, &f->channel, &err) < 0) {
        print_error("%s\n", err.msg);
        return -1;
    }
    *state = f;
    return 0;
}

static int setup(void **state)
{
    return setup_with_grace(state, 300);
}

static int setup_patient(void **state)
{
    return setup_with_grace(state, PATIENCE_MS);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char path[128];
    wcow_rpc_channel_free(f->channel);
    wcow_rpc_server_free(f->server);
    (void)snprintf(path, sizeof(path), "%s.lock", f->socket);
    (void)unlink(path);
    (void)unlink(f->socket);
    (void)snprintf(path, sizeof(path), "%s/run", f->dir);
    (void)rmdir(path);
    int r = rmdir(f->dir);
    free(f);
    return r;
}

static int call_stat(struct fixture *f, const struct wcow_rpc_call_options *options,
                     const char *key, stat_response **ret, struct wcow_error *err)
{
    stat_request request = CONTAINERD__SERVICES__SNAPSHOTS__V1__STAT_SNAPSHOT_REQUEST__INIT;
    request.key = wcow_rpc_text(key);
    ProtobufCMessage *reply = NULL;
    int r = wcow_rpc_unary(f->channel, options, STAT_PATH, &request.base, stat_response_type,
                           &reply, err);
    if (r == WCOW_OK) {
        assert_non_null(reply);
        *ret = (stat_response *)(void *)reply;
    }
    return r;
}

static int call_slow(struct fixture *f, const struct wcow_rpc_call_options *options, int ms,
                     struct wcow_error *err)
{
    char key[16];
    (void)snprintf(key, sizeof(key), "%d", ms);
    Containerd__Services__Snapshots__V1__UsageRequest request =
        CONTAINERD__SERVICES__SNAPSHOTS__V1__USAGE_REQUEST__INIT;
    request.key = key;
    ProtobufCMessage *reply = NULL;
    int r = wcow_rpc_unary(f->channel, options, SLOW_PATH, &request.base,
                           &containerd__services__snapshots__v1__usage_response__descriptor, &reply,
                           err);
    if (r == WCOW_OK)
        protobuf_c_message_free_unpacked(reply, NULL);
    return r;
}

static void free_reply(stat_response *reply)
{
    protobuf_c_message_free_unpacked(&reply->base, NULL);
}

static const struct wcow_rpc_call_options plain = {.peer = "wcowd"};

/* ---- unary calls ---- */

static void a_unary_call_carries_request_header_and_reply(void **state)
{
    struct fixture *f = *state;
    const struct wcow_rpc_header headers[] = {{"containerd-namespace", "k8s.io"}};
    const struct wcow_rpc_call_options options = {.headers = headers, .n_headers = 1};
    stat_response *reply = NULL;
    assert_ok(call_stat(f, &options, "default/5/extract-1 sha256:abc", &reply, &err));
    assert_string_equal(reply->info->name, "default/5/extract-1 sha256:abc");
    assert_string_equal(reply->info->parent, "k8s.io");
    free_reply(reply);
    assert_int_equal(atomic_load(&f->observed), 1);
}

static void an_error_arrives_with_class_and_valid_text(void **state)
{
    struct wcow_error err = {0};
    stat_response *reply = NULL;
    assert_int_equal(call_stat(*state, &plain, "not found", &reply, &err), WCOW_E_NOT_FOUND);
    assert_string_equal(err.msg, "wcowd: no snapshot \"not found\" ? here");
}

static void invalid_utf8_in_a_reply_is_mended(void **state)
{
    stat_response *reply = NULL;
    assert_ok(call_stat(*state, &plain, "bad reply", &reply, &err));
    assert_string_equal(reply->info->name, "x?(???y");
    free_reply(reply);
}

static void invalid_utf8_in_a_request_is_refused_by_name(void **state)
{
    struct fixture *f = *state;
    stat_response *reply = NULL;
    struct wcow_error why = {0};
    assert_int_equal(call_stat(f, &plain, "a\xff", &reply, &why), WCOW_E_INVALID);
    assert_string_equal(why.msg, "key of StatSnapshotRequest is not valid UTF-8");
    /* Past our own client's check: a message with bytes where the server reads the key. */
    Containerd__Services__Content__V1__ReadContentResponse request =
        CONTAINERD__SERVICES__CONTENT__V1__READ_CONTENT_RESPONSE__INIT;
    uint8_t bytes[] = {0xed, 0xa0, 0x80};
    request.data = (ProtobufCBinaryData){.len = sizeof(bytes), .data = bytes};
    ProtobufCMessage *message = NULL;
    assert_int_equal(wcow_rpc_unary(f->channel, &plain, STAT_PATH, &request.base,
                                    stat_response_type, &message, &why),
                     WCOW_E_INVALID);
    assert_string_equal(why.msg, "wcowd: key of StatSnapshotRequest is not valid UTF-8");
}

static void invalid_utf8_is_found_wherever_it_stands(void **state)
{
    char key[24];
    for (size_t at = 0; at + 1 < sizeof(key); at++) {
        stat_response *reply = NULL;
        struct wcow_error why = {0};
        memset(key, 'k', sizeof(key) - 1);
        key[sizeof(key) - 1] = '\0';
        key[at] = '\x80';
        assert_int_equal(call_stat(*state, &plain, key, &reply, &why), WCOW_E_INVALID);
    }
}

static void what_is_refused_within_a_message_is_named_with_its_path(void **state)
{
    const struct fixture *f = *state;
    Containerd__Services__Snapshots__V1__UpdateSnapshotRequest request =
        CONTAINERD__SERVICES__SNAPSHOTS__V1__UPDATE_SNAPSHOT_REQUEST__INIT;
    Containerd__Services__Snapshots__V1__Info info =
        CONTAINERD__SERVICES__SNAPSHOTS__V1__INFO__INIT;
    Containerd__Services__Snapshots__V1__Info__LabelsEntry entries[2] = {
        CONTAINERD__SERVICES__SNAPSHOTS__V1__INFO__LABELS_ENTRY__INIT,
        CONTAINERD__SERVICES__SNAPSHOTS__V1__INFO__LABELS_ENTRY__INIT};
    Containerd__Services__Snapshots__V1__Info__LabelsEntry *list[2] = {&entries[0], &entries[1]};
    char bad[] = "b\xff";
    entries[1].value = bad;
    info.labels = list;
    info.n_labels = 2;
    request.info = &info;
    ProtobufCMessage *message = NULL;
    struct wcow_error why = {0};
    assert_int_equal(wcow_rpc_unary(f->channel, &plain, STAT_PATH, &request.base,
                                    stat_response_type, &message, &why),
                     WCOW_E_INVALID);
    assert_string_equal(why.msg,
                        "info.labels[1].value of UpdateSnapshotRequest is not valid UTF-8");
}

static void a_nul_within_a_string_of_a_request_is_refused_by_name(void **state)
{
    struct fixture *f = *state;
    Containerd__Services__Content__V1__ReadContentResponse request =
        CONTAINERD__SERVICES__CONTENT__V1__READ_CONTENT_RESPONSE__INIT;
    uint8_t bytes[] = {'a', '\0', 'b'};
    request.data = (ProtobufCBinaryData){.len = sizeof(bytes), .data = bytes};
    ProtobufCMessage *message = NULL;
    struct wcow_error why = {0};
    assert_int_equal(wcow_rpc_unary(f->channel, &plain, STAT_PATH, &request.base,
                                    stat_response_type, &message, &why),
                     WCOW_E_INVALID);
    assert_string_equal(why.msg, "wcowd: key of StatSnapshotRequest has a NUL byte within");
}

static int admit_nobody(void *ctx, pid_t pid, struct wcow_error *err)
{
    atomic_int *asked = ctx;
    if (atomic_fetch_add(asked, 1) < 2)
        return WCOW_FAIL(err, WCOW_E_UNAVAILABLE, "not yet");
    return WCOW_FAIL(err, WCOW_E_PRECONDITION, "not you, %s", pid == getpid() ? "test" : "who?");
}

static void a_caller_that_is_not_admitted_is_told_why_by_each_call(void **state)
{
    struct fixture *f = *state;
    atomic_int asked = 0;
    char socket_path[128];
    (void)snprintf(socket_path, sizeof(socket_path), "%s/run/refuses", f->dir);
    const struct wcow_rpc_method method = {STAT_PATH, stat_request_type, WCOW_RPC_INLINE, on_stat,
                                           f};
    const struct wcow_rpc_server_options options = {
        .address = socket_path, .admit = admit_nobody, .admit_ctx = &asked};
    struct wcow_rpc_server *server = NULL;
    struct wcow_rpc_channel *channel = NULL;
    assert_ok(wcow_rpc_server_new(&options, &method, 1, &server, &err));
    assert_ok(wcow_rpc_server_start(server, &err));
    assert_ok(wcow_rpc_channel_new(socket_path, &channel, &err));
    struct wcow_rpc_channel *before = f->channel;
    f->channel = channel;
    for (int i = 0; i < 10; i++) {
        struct wcow_error why = {0};
        stat_response *reply = NULL;
        assert_int_equal(call_stat(f, &plain, "k", &reply, &why), WCOW_E_PRECONDITION);
        assert_string_equal(why.msg, "wcowd: not you, test");
    }
    f->channel = before;
    assert_true(atomic_load(&asked) >= 3);
    wcow_rpc_channel_free(channel);
    wcow_rpc_server_free(server);
    (void)snprintf(socket_path, sizeof(socket_path), "%s/run/refuses.lock", f->dir);
    (void)unlink(socket_path);
}

static void unknown_methods_are_unimplemented(void **state)
{
    struct fixture *f = *state;
    stat_request request = CONTAINERD__SERVICES__SNAPSHOTS__V1__STAT_SNAPSHOT_REQUEST__INIT;
    ProtobufCMessage *reply = NULL;
    for (int i = 0; i < 10; i++) {
        struct wcow_error err = {0};
        assert_int_equal(wcow_rpc_unary(f->channel, &plain, "/no.such.Service/Method",
                                        &request.base, stat_response_type, &reply, &err),
                         WCOW_E_UNSUPPORTED);
        assert_non_null(strstr(err.msg, "/no.such.Service/Method"));
    }
}

static void a_message_over_16_mib_is_refused_before_it_is_sent(void **state)
{
    size_t size = (16U << 20) + 1;
    wcow_autofree char *key = malloc(size + 1);
    memset(key, 'k', size);
    key[size] = '\0';
    stat_response *reply = NULL;
    assert_fails(call_stat(*state, &plain, key, &reply, &err), WCOW_E_LIMIT);
    key[15U << 20] = '\0';
    assert_ok(call_stat(*state, &plain, key, &reply, &err));
    assert_int_equal(strlen(reply->info->name), 15U << 20);
    free_reply(reply);
}

static void a_header_that_http2_cannot_carry_is_refused(void **state)
{
    const struct wcow_rpc_header headers[] = {{"containerd-namespace", "a\nb"}};
    const struct wcow_rpc_call_options options = {.headers = headers, .n_headers = 1};
    stat_response *reply = NULL;
    assert_fails(call_stat(*state, &options, "k", &reply, &err), WCOW_E_INVALID);
}

/* ---- deadlines and cancellation ---- */

static void a_deadline_ends_the_call_on_both_sides(void **state)
{
    struct fixture *f = *state;
    /* A busy machine may let it pass before the server has begun: then there is more time. */
    struct wcow_rpc_call_options options = {.timeout_ms = 100, .peer = "wcowd"};
    stat_response *reply = NULL;
    assert_ok(call_stat(f, &plain, "connected", &reply, &err));
    free_reply(reply);
    int64_t before = now_ms();
    int calls = 0;
    for (; atomic_load(&f->slow_cancelled) == 0; options.timeout_ms *= 4) {
        assert_fails(call_slow(f, &options, FOREVER_MS, &err), WCOW_E_DEADLINE);
        assert_true(now_ms() - before < 2L * PATIENCE_MS);
        wait_until_zero(&f->slow_running);
        calls++;
    }
    /* The server may come to a call only when its caller has gone. */
    assert_in_range(atomic_load(&f->slow_cancelled), 1, calls);
}

struct canceller {
    struct fixture *f;
    atomic_bool cancel;
};

static void *cancel_what_runs(void *arg)
{
    struct canceller *c = arg;
    (void)wait_for_count(&c->f->slow_running, 1);
    atomic_store(&c->cancel, true);
    return NULL;
}

static void a_cancel_flag_ends_the_call_on_both_sides(void **state)
{
    struct fixture *f = *state;
    struct canceller canceller = {.f = f};
    const struct wcow_rpc_call_options options = {.cancel = &canceller.cancel};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, cancel_what_runs, &canceller), 0);
    int64_t before = now_ms();
    assert_fails(call_slow(f, &options, FOREVER_MS, &err), WCOW_E_CANCELLED);
    assert_true(now_ms() - before < PATIENCE_MS);
    (void)pthread_join(thread, NULL);
    wait_until_zero(&f->slow_running);
    assert_int_equal(atomic_load(&f->slow_cancelled), 1);
}

/* ---- streams ---- */

static int open_list(struct fixture *f, const char *n, bool fail, struct wcow_rpc_stream **ret,
                     struct wcow_error *err)
{
    char *filters[] = {wcow_rpc_text(n), wcow_rpc_text("fail")};
    Containerd__Services__Snapshots__V1__ListSnapshotsRequest request =
        CONTAINERD__SERVICES__SNAPSHOTS__V1__LIST_SNAPSHOTS_REQUEST__INIT;
    request.n_filters = fail ? 2 : 1;
    request.filters = filters;
    int r = wcow_rpc_stream_open(f->channel, &plain, LIST_PATH, ret, err);
    if (r == WCOW_OK)
        r = wcow_rpc_stream_send(*ret, &request.base, err);
    if (r == WCOW_OK)
        r = wcow_rpc_stream_close_send(*ret, err);
    return r;
}

static void a_stream_gives_every_message_in_order(void **state)
{
    WCOW_CLEANUP(wcow_rpc_stream_free_p) struct wcow_rpc_stream *stream = NULL;
    assert_ok(open_list(*state, "1000", false, &stream, &err));
    ProtobufCMessage *message = NULL;
    struct wcow_error why = {0};
    long n = 0;
    int r;
    while ((r = wcow_rpc_stream_recv(stream, list_response_type, &message, &why)) == 1) {
        const list_response *list = (const void *)message;
        assert_int_equal(strtol(list->info[0]->name, NULL, 10), n);
        protobuf_c_message_free_unpacked(message, NULL);
        n++;
    }
    assert_int_equal(r, 0);
    assert_int_equal(n, 1000);
}

static void a_stream_ends_with_its_error(void **state)
{
    static const char *const counts[] = {"0", "1", "3"};
    for (size_t i = 0; i < 3; i++) {
        WCOW_CLEANUP(wcow_rpc_stream_free_p) struct wcow_rpc_stream *stream = NULL;
        assert_ok(open_list(*state, counts[i], true, &stream, &err));
        ProtobufCMessage *message = NULL;
        struct wcow_error why = {0};
        long n = 0;
        int r;
        while ((r = wcow_rpc_stream_recv(stream, list_response_type, &message, &why)) == 1) {
            protobuf_c_message_free_unpacked(message, NULL);
            n++;
        }
        assert_int_equal(r, WCOW_E_PRECONDITION);
        assert_string_equal(why.msg, "wcowd: that is all");
        assert_int_equal(n, strtol(counts[i], NULL, 10));
    }
}

static void an_abandoned_stream_leaves_the_channel_usable(void **state)
{
    for (int i = 0; i < 20; i++) {
        struct wcow_rpc_stream *stream = NULL;
        assert_ok(open_list(*state, "10000", false, &stream, &err));
        wcow_rpc_stream_free(stream);
    }
    stat_response *reply = NULL;
    assert_ok(call_stat(*state, &plain, "after", &reply, &err));
    free_reply(reply);
}

/* ---- many at once ---- */

enum { CLIENTS = 32, CALLS = 100 };

static void *many_calls(void *arg)
{
    struct fixture *f = arg;
    long bad = 0;
    for (int i = 0; i < CALLS; i++) {
        char key[32];
        (void)snprintf(key, sizeof(key), "%p/%d", (void *)&bad, i);
        stat_response *reply = NULL;
        struct wcow_error err = {0};
        if (call_stat(f, &plain, key, &reply, &err) != WCOW_OK || !reply) {
            bad++;
            continue;
        }
        bad += strcmp(reply->info->name, key) != 0;
        free_reply(reply);
    }
    return (void *)bad; /* NOLINT(performance-no-int-to-ptr): a thread's result */
}

static void many_clients_each_get_their_own_reply(void **state)
{
    pthread_t threads[CLIENTS];
    for (int i = 0; i < CLIENTS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, many_calls, *state), 0);
    for (int i = 0; i < CLIENTS; i++) {
        void *bad = NULL;
        (void)pthread_join(threads[i], &bad);
        assert_null(bad);
    }
    struct fixture *f = *state;
    assert_int_equal(atomic_load(&f->observed), CLIENTS * CALLS);
}

/* ---- health ---- */

static int check_health(struct fixture *f, const char *service, int *ret_status,
                        struct wcow_error *err)
{
    Grpc__Health__V1__HealthCheckRequest request = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    request.service = wcow_rpc_text(service);
    ProtobufCMessage *reply = NULL;
    int r = wcow_rpc_unary(f->channel, &plain, CHECK_PATH, &request.base, health_response_type,
                           &reply, err);
    if (r == WCOW_OK) {
        *ret_status = (int)((const health_response *)(const void *)reply)->status;
        protobuf_c_message_free_unpacked(reply, NULL);
    }
    return r;
}

static void health_knows_each_service_and_no_other(void **state)
{
    int status = 0;
    assert_ok(check_health(*state, "", &status, &err));
    assert_int_equal(status, GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING);
    assert_ok(check_health(*state, "containerd.services.snapshots.v1.Snapshots", &status, &err));
    assert_int_equal(status, GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING);
    assert_fails(check_health(*state, "containerd.services.diff.v1.Diff", &status, &err),
                 WCOW_E_NOT_FOUND);
}

static struct wcow_rpc_stream *open_watch(struct fixture *f)
{
    Grpc__Health__V1__HealthCheckRequest request = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    struct wcow_rpc_stream *stream = NULL;
    assert_ok(wcow_rpc_stream_open(f->channel, &plain, WATCH_PATH, &stream, &err));
    assert_ok(wcow_rpc_stream_send(stream, &request.base, &err));
    assert_ok(wcow_rpc_stream_close_send(stream, &err));
    return stream;
}

static int next_health(struct wcow_rpc_stream *stream, struct wcow_error *err)
{
    ProtobufCMessage *message = NULL;
    int r = wcow_rpc_stream_recv(stream, health_response_type, &message, err);
    if (r == 1) {
        r = (int)((const health_response *)(const void *)message)->status;
        protobuf_c_message_free_unpacked(message, NULL);
    }
    return r;
}

/* What a watcher that waits is told next, and after that. */
struct watcher {
    struct wcow_rpc_stream *stream;
    atomic_int tid;
    int first;
    int second;
};

static void *wait_for_health(void *arg)
{
    struct watcher *w = arg;
    struct wcow_error why = {0};
    atomic_store(&w->tid, (int)syscall(SYS_gettid));
    w->first = next_health(w->stream, &why);
    w->second = next_health(w->stream, &why);
    return NULL;
}

static bool sleeps(int tid)
{
    char path[64];
    char stat[256] = "";
    (void)snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    assert_non_null(fgets(stat, sizeof(stat), f));
    (void)fclose(f);
    const char *name_end = strrchr(stat, ')');
    return name_end && name_end[1] == ' ' && name_end[2] == 'S';
}

/* Each of twenty looks finds it asleep: it is not on its way any more. */
static void wait_until_it_waits(struct watcher *w)
{
    assert_true(wait_for_count(&w->tid, 1));
    int64_t end = now_ms() + PATIENCE_MS;
    for (int n = 0; n < 20 && now_ms() < end; sleep_ms(5))
        n = sleeps(atomic_load(&w->tid)) ? n + 1 : 0;
}

static void a_health_watch_lasts_until_the_server_stops(void **state)
{
    struct fixture *f = *state;
    struct wcow_error why = {0};
    wcow_rpc_stream_free(open_watch(f)); /* one that goes away first */
    WCOW_CLEANUP(wcow_rpc_stream_free_p) struct wcow_rpc_stream *stream = open_watch(f);
    assert_int_equal(next_health(stream, &why),
                     GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING);
    /* gRPC drops what nobody has asked for yet when the connection ends: so somebody waits. */
    struct watcher watcher = {.stream = stream};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, wait_for_health, &watcher), 0);
    wait_until_it_waits(&watcher);
    int64_t before = now_ms();
    wcow_rpc_server_stop(f->server);
    assert_true(now_ms() - before < PATIENCE_MS);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(watcher.first,
                     GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING);
    assert_int_equal(watcher.second, WCOW_E_UNAVAILABLE);
}

/* ---- start and stop ---- */

static void *call_slow_100(void *arg)
{
    struct wcow_error err = {0};
    long r = call_slow(arg, &plain, 100, &err);
    return (void *)r; /* NOLINT(performance-no-int-to-ptr): a thread's result */
}

static void *call_slow_forever(void *arg)
{
    struct wcow_error err = {0};
    long r = call_slow(arg, &plain, FOREVER_MS, &err);
    return (void *)r; /* NOLINT(performance-no-int-to-ptr): a thread's result */
}

static void stop_with_one_running(struct fixture *f, void *(*caller)(void *), bool want_ok)
{
    pthread_t thread;
    void *result = NULL;
    assert_int_equal(pthread_create(&thread, NULL, caller, f), 0);
    assert_true(wait_for_count(&f->slow_running, 1));
    int64_t before = now_ms();
    wcow_rpc_server_stop(f->server);
    assert_true(now_ms() - before < PATIENCE_MS);
    (void)pthread_join(thread, &result);
    assert_true(want_ok == (result == NULL));
    assert_int_equal(access(f->socket, F_OK), -1);
}

static void stop_lets_a_running_call_end(void **state)
{
    stop_with_one_running(*state, call_slow_100, true);
}

static void stop_cancels_what_outlasts_the_grace_time(void **state)
{
    struct fixture *f = *state;
    stop_with_one_running(f, call_slow_forever, false);
    assert_int_equal(atomic_load(&f->slow_cancelled), 1);
}

static void a_second_server_is_refused_and_the_first_goes_on(void **state)
{
    struct fixture *f = *state;
    struct wcow_rpc_server *second = NULL;
    struct wcow_error why = {0};
    assert_int_equal(new_server(f, &second, &why), WCOW_E_EXISTS);
    assert_non_null(strstr(why.msg, "another server is serving"));
    assert_null(second);
    stat_response *reply = NULL;
    assert_ok(call_stat(f, &plain, "still here", &reply, &err));
    free_reply(reply);
}

static void a_restarted_server_is_found_by_the_same_channel(void **state)
{
    struct fixture *f = *state;
    stat_response *reply = NULL;
    assert_ok(call_stat(f, &plain, "one", &reply, &err));
    free_reply(reply);
    wcow_rpc_server_free(f->server);
    f->server = NULL;
    struct wcow_error why = {0};
    assert_int_equal(call_stat(f, &plain, "two", &reply, &why), WCOW_E_UNAVAILABLE);
    assert_non_null(strstr(why.msg, "cannot reach wcowd at"));
    assert_ok(new_server(f, &f->server, &err));
    assert_ok(wcow_rpc_server_start(f->server, &err));
    assert_ok(call_stat(f, &plain, "three", &reply, &err));
    free_reply(reply);
}

static void a_server_that_never_started_goes_quietly(void **state)
{
    struct fixture *f = *state;
    wcow_rpc_server_free(f->server);
    f->server = NULL;
    struct wcow_rpc_server *server = NULL;
    assert_ok(new_server(f, &server, &err));
    wcow_rpc_server_free(server);
    assert_int_equal(access(f->socket, F_OK), -1);
}

static void the_socket_is_the_owners_alone(void **state)
{
    const struct fixture *f = *state;
    struct stat st;
    assert_int_equal(stat(f->socket, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void nobody_listening_is_an_answer_at_once(void **state)
{
    (void)state;
    WCOW_CLEANUP(wcow_rpc_channel_free_p) struct wcow_rpc_channel *channel = NULL;
    assert_ok(wcow_rpc_channel_new("unix:///tmp/wcow-no-such.sock", &channel, &err));
    struct fixture f = {.channel = channel};
    const struct wcow_rpc_call_options options = {.peer = "containerd"};
    stat_response *reply = NULL;
    struct wcow_error why = {0};
    int64_t before = now_ms();
    assert_int_equal(call_stat(&f, &options, "k", &reply, &why), WCOW_E_UNAVAILABLE);
    assert_true(now_ms() - before < PATIENCE_MS);
    assert_string_equal(why.msg, "cannot reach containerd at /tmp/wcow-no-such.sock: No such file "
                                 "or directory; is it running? set --address or "
                                 "CONTAINERD_ADDRESS");
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(a_unary_call_carries_request_header_and_reply),
        WITH_SERVER(an_error_arrives_with_class_and_valid_text),
        WITH_SERVER(invalid_utf8_in_a_reply_is_mended),
        WITH_SERVER(invalid_utf8_in_a_request_is_refused_by_name),
        WITH_SERVER(invalid_utf8_is_found_wherever_it_stands),
        WITH_SERVER(what_is_refused_within_a_message_is_named_with_its_path),
        WITH_SERVER(a_nul_within_a_string_of_a_request_is_refused_by_name),
        WITH_SERVER(a_caller_that_is_not_admitted_is_told_why_by_each_call),
        WITH_SERVER(unknown_methods_are_unimplemented),
        WITH_SERVER(a_message_over_16_mib_is_refused_before_it_is_sent),
        WITH_SERVER(a_header_that_http2_cannot_carry_is_refused),
        WITH_SERVER(a_deadline_ends_the_call_on_both_sides),
        WITH_SERVER(a_cancel_flag_ends_the_call_on_both_sides),
        WITH_SERVER(a_stream_gives_every_message_in_order),
        WITH_SERVER(a_stream_ends_with_its_error),
        WITH_SERVER(an_abandoned_stream_leaves_the_channel_usable),
        WITH_SERVER(many_clients_each_get_their_own_reply),
        WITH_SERVER(health_knows_each_service_and_no_other),
        WITH_SERVER(a_health_watch_lasts_until_the_server_stops),
        cmocka_unit_test_setup_teardown(stop_lets_a_running_call_end, setup_patient, teardown),
        WITH_SERVER(stop_cancels_what_outlasts_the_grace_time),
        WITH_SERVER(a_second_server_is_refused_and_the_first_goes_on),
        WITH_SERVER(a_restarted_server_is_found_by_the_same_channel),
        WITH_SERVER(a_server_that_never_started_goes_quietly),
        WITH_SERVER(the_socket_is_the_owners_alone),
        cmocka_unit_test(nobody_listening_is_an_answer_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
