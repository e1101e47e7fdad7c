/* SPDX-License-Identifier: Apache-2.0 */
/* What no gRPC client sends: the server says what is wrong, or ends the connection, keeps its
 * memory small, and serves the next caller. */
#include "wcow_test.h"

#include <errno.h>
#include <malloc.h>
#include <nghttp2/nghttp2.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "own_server.h"
#include "proto/snapshots.pb-c.h"
#include "rpc/client.h"
#include "rpc/listener.h"
#include "rpc/text.h"

#define STAT_PATH "/containerd.services.snapshots.v1.Snapshots/Stat"
#define LIST_PATH "/containerd.services.snapshots.v1.Snapshots/List"
#define PB(name)  Containerd__Services__Snapshots__V1__##name

enum { WAIT_S = 60, MAX_HEADERS = 8, LISTED_BYTES = 4 << 20, LISTED = 64 };

/* ---- the server ---- */

static void on_stat(struct wcow_rpc_call *call, void *ctx)
{
    (void)ctx;
    const PB(StatSnapshotRequest) *request = (const void *)wcow_rpc_call_request(call);
    PB(Info) info = CONTAINERD__SERVICES__SNAPSHOTS__V1__INFO__INIT;
    PB(StatSnapshotResponse)
    reply = CONTAINERD__SERVICES__SNAPSHOTS__V1__STAT_SNAPSHOT_RESPONSE__INIT;
    info.name = wcow_rpc_call_strdup(call, request->key);
    reply.info = &info;
    wcow_rpc_call_finish(call, &reply.base, WCOW_OK, NULL);
}

/* 256 MiB, for who reads it. */
static void on_list(struct wcow_rpc_call *call, void *ctx)
{
    (void)ctx;
    static char name[LISTED_BYTES];
    memset(name, 'n', sizeof(name) - 1);
    PB(Info) info = CONTAINERD__SERVICES__SNAPSHOTS__V1__INFO__INIT;
    PB(Info) * infos[] = {&info};
    PB(ListSnapshotsResponse)
    reply = CONTAINERD__SERVICES__SNAPSHOTS__V1__LIST_SNAPSHOTS_RESPONSE__INIT;
    info.name = name;
    reply.info = infos;
    reply.n_info = 1;
    struct wcow_error err = {0};
    int r = WCOW_OK;
    for (int i = 0; r == WCOW_OK && i < LISTED; i++)
        r = wcow_rpc_call_send(call, &reply.base, &err);
    wcow_rpc_call_finish(call, NULL, r, &err);
}

static int setup(void **state)
{
    (void)state;
    const struct wcow_rpc_method methods[] = {
        {STAT_PATH, &containerd__services__snapshots__v1__stat_snapshot_request__descriptor,
         WCOW_RPC_INLINE, on_stat, NULL},
        {LIST_PATH, &containerd__services__snapshots__v1__list_snapshots_request__descriptor,
         WCOW_RPC_WORKER, on_list, NULL}};
    return start_server(methods, 2);
}

static int dial(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval wait = {.tv_sec = WAIT_S};
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

/* Whoever else calls is served as ever. */
static void serves(void)
{
    struct wcow_rpc_channel *channel = NULL;
    const struct wcow_rpc_call_options options = {.peer = "wcowd", .timeout_ms = 1000 * WAIT_S};
    PB(StatSnapshotRequest)
    request = CONTAINERD__SERVICES__SNAPSHOTS__V1__STAT_SNAPSHOT_REQUEST__INIT;
    ProtobufCMessage *reply = NULL;
    request.key = wcow_rpc_text("k");
    assert_ok(wcow_rpc_channel_new(socket_path, &channel, &err));
    assert_ok(wcow_rpc_unary(
        channel, &options, STAT_PATH, &request.base,
        &containerd__services__snapshots__v1__stat_snapshot_response__descriptor, &reply, &err));
    protobuf_c_message_free_unpacked(reply, NULL);
    wcow_rpc_channel_free(channel);
}

/* ---- bytes that are no HTTP/2 ---- */

/* The connection ends within the time, whatever comes before. */
static void is_hung_up_on(int fd)
{
    char bytes[4096];
    ssize_t n = 0;
    do
        n = recv(fd, bytes, sizeof(bytes), 0);
    while (n > 0);
    assert_true(n == 0 || errno == ECONNRESET);
    (void)close(fd);
}

static void what_is_no_http2_is_hung_up_on(void **state)
{
    (void)state;
    static const char *const said[] = {
        "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\rX and then something else",
        "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
        "\xff"
        "\xff\xff\xff\xff\xff",
        /* a frame of 16 MiB, and one on a stream that is the server's */
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\x04\xff\xff\xff\xff\xff",
    };
    for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
        int fd = dial();
        assert_int_equal(send(fd, said[i], strlen(said[i]), MSG_NOSIGNAL), strlen(said[i]));
        is_hung_up_on(fd);
    }
    serves();
}

static void half_a_preface_and_a_lost_connection_cost_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        int fd = dial();
        (void)send(fd, "PRI * HTTP/2.0\r\n\r\nSM", (size_t)(i % 20), MSG_NOSIGNAL);
        (void)close(fd);
    }
    serves();
}

/* ---- HTTP/2 that is no gRPC: a client by nghttp2 ---- */

struct peer {
    int fd;
    nghttp2_session *session;
    char status[16]; /* of HTTP */
    char grpc_status[16];
    char message[512];
    uint32_t reset; /* + 1 */
    bool closed;
    bool pinged;
    int32_t named; /* by the last GOAWAY */
    const char *body;
    size_t body_len;
    size_t received;
};

static int peer_on_header(nghttp2_session *session, const nghttp2_frame *frame,
                          nghttp2_rcbuf *name_buf, nghttp2_rcbuf *value_buf, uint8_t flags,
                          void *user_data)
{
    (void)session;
    (void)frame;
    (void)flags;
    nghttp2_vec name = nghttp2_rcbuf_get_buf(name_buf);
    nghttp2_vec value = nghttp2_rcbuf_get_buf(value_buf);
    struct peer *p = user_data;
    struct {
        const char *name;
        char *out;
        size_t size;
    } wanted[] = {{":status", p->status, sizeof(p->status)},
                  {"grpc-status", p->grpc_status, sizeof(p->grpc_status)},
                  {"grpc-message", p->message, sizeof(p->message)}};
    for (size_t i = 0; i < 3; i++)
        if (strlen(wanted[i].name) == name.len && memcmp(wanted[i].name, name.base, name.len) == 0)
            (void)snprintf(wanted[i].out, wanted[i].size, "%.*s", (int)value.len,
                           (const char *)value.base);
    return 0;
}

static int peer_on_data(nghttp2_session *session, uint8_t flags, int32_t stream_id,
                        const uint8_t *data, size_t len, void *user_data)
{
    (void)session;
    (void)flags;
    (void)stream_id;
    (void)data;
    ((struct peer *)user_data)->received += len;
    return 0;
}

static int peer_on_close(nghttp2_session *session, int32_t stream_id, uint32_t code,
                         void *user_data)
{
    (void)session;
    (void)stream_id;
    struct peer *p = user_data;
    p->closed = true;
    p->reset = code;
    return 0;
}

static int peer_on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    (void)session;
    struct peer *p = user_data;
    if (frame->hd.type == NGHTTP2_PING && !(frame->hd.flags & NGHTTP2_FLAG_ACK))
        p->pinged = true;
    if (frame->hd.type == NGHTTP2_GOAWAY)
        p->named = frame->goaway.last_stream_id;
    return 0;
}

static ssize_t peer_body(nghttp2_session *session, int32_t stream_id, uint8_t *buf, size_t length,
                         uint32_t *flags, nghttp2_data_source *source, void *user_data)
{
    (void)session;
    (void)stream_id;
    (void)source;
    struct peer *p = user_data;
    size_t n = p->body_len < length ? p->body_len : length;
    memcpy(buf, p->body, n);
    p->body += n;
    p->body_len -= n;
    if (p->body_len == 0)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)n;
}

static void peer_new(struct peer *p, uint32_t window)
{
    *p = (struct peer){.fd = dial()};
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *option = NULL;
    assert_int_equal(nghttp2_session_callbacks_new(&callbacks), 0);
    assert_int_equal(nghttp2_option_new(&option), 0);
    nghttp2_session_callbacks_set_on_header_callback2(callbacks, peer_on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, peer_on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, peer_on_close);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, peer_on_frame);
    nghttp2_option_set_no_http_messaging(option, 1);
    nghttp2_option_set_no_auto_window_update(option, 1);
    assert_int_equal(nghttp2_session_client_new2(&p->session, callbacks, p, option), 0);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window}};
    assert_int_equal(nghttp2_submit_settings(p->session, 0, settings, 1), 0);
}

static void peer_done(struct peer *p)
{
    nghttp2_session_del(p->session);
    (void)close(p->fd);
}

static bool peer_send(struct peer *p)
{
    const uint8_t *data = NULL;
    for (;;) {
        ssize_t n = nghttp2_session_mem_send(p->session, &data);
        if (n <= 0)
            return n == 0;
        if (send(p->fd, data, (size_t)n, MSG_NOSIGNAL) != n)
            return false;
    }
}

static bool peer_receive(struct peer *p)
{
    uint8_t bytes[8192];
    ssize_t n = recv(p->fd, bytes, sizeof(bytes), 0);
    return n > 0 && nghttp2_session_mem_recv(p->session, bytes, (size_t)n) >= 0;
}

struct pair {
    const char *name;
    const char *value;
};

static int32_t peer_request(struct peer *p, const struct pair *pairs, const char *body, size_t len)
{
    nghttp2_nv headers[MAX_HEADERS];
    size_t n = 0;
    for (; n < MAX_HEADERS && pairs[n].name; n++)
        headers[n] = (nghttp2_nv){.name = (uint8_t *)wcow_rpc_text(pairs[n].name),
                                  .value = (uint8_t *)wcow_rpc_text(pairs[n].value),
                                  .namelen = strlen(pairs[n].name),
                                  .valuelen = strlen(pairs[n].value)};
    nghttp2_data_provider provider = {.read_callback = peer_body};
    p->body = body;
    p->body_len = len;
    p->closed = false;
    int32_t id =
        nghttp2_submit_request(p->session, NULL, headers, n, body ? &provider : NULL, NULL);
    assert_true(id > 0);
    return id;
}

/* The same, up to the stream's end. */
static void peer_ask(struct peer *p, const struct pair *pairs, const char *body, size_t len)
{
    (void)peer_request(p, pairs, body, len);
    while (!p->closed)
        assert_true(peer_send(p) && (p->closed || peer_receive(p)));
}

#define GRPC_HEADERS(path)                                                                         \
    {":method", "POST"}, {":scheme", "http"}, {":path", path},                                     \
    {                                                                                              \
        "content-type", "application/grpc"                                                         \
    }
static const char empty_message[] = "\0\0\0\0";

static void what_is_no_grpc_call_is_told_so_by_http(void **state)
{
    (void)state;
    static const struct {
        struct pair headers[MAX_HEADERS];
        const char *status;
    } cases[] = {
        {{{":method", "GET"}, {":path", STAT_PATH}, {"content-type", "application/grpc"}}, "405"},
        {{{":method", "POST"}, {":path", STAT_PATH}, {"content-type", "text/plain"}}, "415"},
        {{{":method", "POST"}, {":path", STAT_PATH}}, "415"},
        {{{":method", "POST"}, {"content-type", "application/grpc"}}, "400"},
        {{{"content-type", "application/grpc"}, {":path", STAT_PATH}}, "405"},
    };
    struct peer p;
    peer_new(&p, 65535);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        peer_ask(&p, cases[i].headers, empty_message, 5);
        assert_string_equal(p.status, cases[i].status);
    }
    peer_done(&p);
    serves();
}

static void what_is_wrong_with_a_message_is_said_in_the_status(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        const char *body;
        size_t len;
        const char *status;
        const char *message;
    } cases[] = {
        {"/no.such.Service/%\xc3\xbc", empty_message, 5, "12",
         "no method /no.such.Service/%25%C3%BC is served here"},
        {STAT_PATH, "\1\0\0\0\0", 5, "12", "compressed messages are not taken here"},
        {STAT_PATH, "\0\1\0\0\1", 5, "8",
         "a request of 16777217 bytes is over the limit of 16777216"},
        {STAT_PATH, "\0\xff\xff\xff\xff", 5, "8",
         "a request of 4294967295 bytes is over the limit of 16777216"},
        {STAT_PATH, NULL, 0, "3", STAT_PATH ": no request message came"},
        {STAT_PATH, "\0\0\0", 3, "3", STAT_PATH ": no request message came"},
        {STAT_PATH, "\0\0\0\0\7half", 9, "3", STAT_PATH ": no request message came"},
        {STAT_PATH, "\0\0\0\0\3\xff\xff\xff", 8, "3", "3 bytes that are no StatSnapshotRequest"},
    };
    struct peer p;
    peer_new(&p, 65535);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct pair headers[MAX_HEADERS] = {GRPC_HEADERS(cases[i].path)};
        peer_ask(&p, headers, cases[i].body, cases[i].len);
        assert_string_equal(p.status, "200");
        assert_string_equal(p.grpc_status, cases[i].status);
        assert_string_equal(p.message, cases[i].message);
    }
    peer_done(&p);
    serves();
}

static void headers_beyond_the_limit_end_the_stream(void **state)
{
    (void)state;
    static char large[40000];
    memset(large, 'h', sizeof(large) - 1);
    struct peer p;
    peer_new(&p, 65535);
    const struct pair headers[MAX_HEADERS] = {GRPC_HEADERS(STAT_PATH), {"a", large}, {"b", large}};
    (void)peer_request(&p, headers, empty_message, 5);
    bool alive = true;
    while (alive && !p.closed)
        alive = peer_send(&p) && (p.closed || peer_receive(&p));
    assert_true(!alive || p.reset != 0);
    peer_done(&p);
    serves();
}

static void a_timeout_that_is_none_is_no_timeout(void **state)
{
    (void)state;
    static const char *const timeouts[] = {"",    "m",    "1",          "1x",       "-1m",
                                           "1 m", "0x1m", "123456789m", "99999999H"};
    struct peer p;
    peer_new(&p, 65535);
    for (size_t i = 0; i < sizeof(timeouts) / sizeof(timeouts[0]); i++) {
        const struct pair headers[MAX_HEADERS] = {GRPC_HEADERS(STAT_PATH),
                                                  {"grpc-timeout", timeouts[i]}};
        peer_ask(&p, headers, empty_message, 5);
        assert_string_equal(p.grpc_status, "0");
    }
    peer_done(&p);
}

static void thousands_of_streams_that_are_reset_cost_nothing(void **state)
{
    (void)state;
    struct peer p;
    peer_new(&p, 65535);
    const struct pair headers[MAX_HEADERS] = {GRPC_HEADERS(LIST_PATH)};
    bool alive = true;
    for (int i = 0; alive && i < 3000; i++) {
        int32_t id = peer_request(&p, headers, NULL, 0);
        alive = peer_send(&p);
        (void)nghttp2_submit_rst_stream(p.session, 0, id, NGHTTP2_CANCEL);
        alive = alive && peer_send(&p);
    }
    peer_done(&p);
    serves();
}

static void a_caller_that_never_reads_is_not_written_for(void **state)
{
    (void)state;
    struct peer p;
    peer_new(&p, 0);
    const struct pair headers[MAX_HEADERS] = {GRPC_HEADERS(LIST_PATH)};
    (void)peer_request(&p, headers, empty_message, 5);
    assert_true(peer_send(&p));
    while (!p.status[0])
        assert_true(peer_receive(&p));
    (void)usleep(300000);
    /* Of the 256 MiB there are the messages that may wait, and no more. */
    struct mallinfo2 used = mallinfo2();
    assert_true(used.uordblks + used.hblkhd < (size_t)24 * LISTED_BYTES);
    assert_int_equal(p.received, 0);
    serves();
    peer_done(&p);
    serves();
}

/* What is to be sent, instead of sending it. */
static size_t peer_hold(struct peer *p, uint8_t *out, size_t size)
{
    size_t len = 0;
    const uint8_t *data = NULL;
    for (ssize_t n = 0; (n = nghttp2_session_mem_send(p->session, &data)) > 0; len += (size_t)n) {
        assert_true((size_t)n <= size - len);
        memcpy(out + len, data, (size_t)n);
    }
    return len;
}

static void *stop(void *arg)
{
    (void)arg;
    wcow_rpc_server_stop(server);
    return NULL;
}

/* gRPC's own client writes its answers to pings before calls that it began earlier. */
static void a_call_behind_the_answer_to_the_last_ping_is_named_and_handled(void **state)
{
    (void)state;
    struct peer p;
    pthread_t stopping;
    struct wcow_listener listener = WCOW_LISTENER_NONE;
    uint8_t call[1024];
    uint8_t bytes[2048];
    peer_new(&p, 65535);
    const struct pair headers[MAX_HEADERS] = {GRPC_HEADERS(STAT_PATH)};
    peer_ask(&p, headers, empty_message, 5);
    int32_t id = peer_request(&p, headers, empty_message, 5);
    size_t call_len = peer_hold(&p, call, sizeof(call));
    assert_ok(wcow_rpc_server_pass_on(server, 1000 * WAIT_S, &listener, &err));
    assert_int_equal(pthread_create(&stopping, NULL, stop, NULL), 0);
    while (!p.pinged)
        assert_true(peer_receive(&p));
    size_t len = peer_hold(&p, bytes, sizeof(bytes) - sizeof(call));
    memcpy(bytes + len, call, call_len);
    len += call_len;
    assert_int_equal(send(p.fd, bytes, len, MSG_NOSIGNAL), len);
    p.grpc_status[0] = '\0';
    while (!p.closed)
        assert_true(peer_receive(&p));
    assert_string_equal(p.grpc_status, "0");
    assert_int_equal(p.named, id);
    peer_done(&p);
    assert_int_equal(pthread_join(stopping, NULL), 0);
    wcow_listener_close(&listener);
    (void)unlink(socket_path);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, setup, stop_server)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(what_is_no_http2_is_hung_up_on),
        WITH_SERVER(half_a_preface_and_a_lost_connection_cost_nothing),
        WITH_SERVER(what_is_no_grpc_call_is_told_so_by_http),
        WITH_SERVER(what_is_wrong_with_a_message_is_said_in_the_status),
        WITH_SERVER(headers_beyond_the_limit_end_the_stream),
        WITH_SERVER(a_timeout_that_is_none_is_no_timeout),
        WITH_SERVER(thousands_of_streams_that_are_reset_cost_nothing),
        WITH_SERVER(a_caller_that_never_reads_is_not_written_for),
        WITH_SERVER(a_call_behind_the_answer_to_the_last_ping_is_named_and_handled),
    };
    return cmocka_run_group_tests_name("rpc/hostile", tests, NULL, NULL);
}
