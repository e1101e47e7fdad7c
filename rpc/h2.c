/* SPDX-License-Identifier: Apache-2.0 */
#include "rpc/h2.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rpc/h2_reply.h"
#include "rpc/server_internal.h"

enum {
    STREAM_WINDOW_BYTES = 1 << 20,
    CONNECTION_WINDOW_BYTES = 4 << 20,
    MAX_STREAMS = 1024, /* more wait at the caller's */
    MAX_HEADER_BYTES = 64 << 10,
    MAX_RESETS = 100000, /* the callers are our own machine's */
    LARGEST_FRAME_BYTES = (16 << 10) + 9,
    MAX_TIMEOUT_DIGITS = 8,
};

/* ---- a request's headers ---- */

/* "100m": digits and a unit. */
static uint64_t timeout_ns(const char *text, size_t len)
{
    static const struct {
        char unit;
        uint64_t ns;
    } units[] = {{'H', 3600000000000}, {'M', 60000000000}, {'S', 1000000000},
                 {'m', 1000000},       {'u', 1000},        {'n', 1}};
    uint64_t n = 0;
    if (len < 2 || len > MAX_TIMEOUT_DIGITS + 1)
        return 0;
    for (size_t i = 0; i + 1 < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return 0;
        n = n * 10 + (uint64_t)(text[i] - '0');
    }
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (units[i].unit == text[len - 1])
            return n ? n * units[i].ns : 1;
    return 0;
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    struct wcow_h2 *h2 = user_data;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    if (h2->parted) /* the last GOAWAY, which may wait to be sent, does not name it */
        return nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                                         NGHTTP2_REFUSED_STREAM);
    struct wcow_rpc_call *call = wcow_server_take_call(h2->server);
    if (!call)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* resets the stream */
    call->connection = h2;
    call->stream_id = frame->hd.stream_id;
    call->open_next = h2->calls;
    call->open_at = &h2->calls;
    if (h2->calls)
        h2->calls->open_at = &call->open_next;
    h2->calls = call;
    wcow_server_count(h2->server, call, true); /* also while its message is on its way */
    (void)nghttp2_session_set_stream_user_data(session, call->stream_id, call);
    return 0;
}

/* Keeps a header; NULL where there is no room. */
static struct wcow_call_header *keep_header(struct wcow_rpc_call *call, nghttp2_vec name,
                                            nghttp2_vec value)
{
    call->header_bytes += name.len + value.len;
    struct wcow_call_header *h = call->header_bytes > MAX_HEADER_BYTES
                                     ? NULL
                                     : wcow_rpc_arena_alloc(call->arena, sizeof(*h));
    if (!h)
        return NULL;
    *h = (struct wcow_call_header){.next = call->headers,
                                   .key = wcow_rpc_arena_strndup(call->arena, name.base, name.len),
                                   .value =
                                       wcow_rpc_arena_strndup(call->arena, value.base, value.len)};
    if (!h->key || !h->value)
        return NULL;
    call->headers = h;
    return h;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, nghttp2_rcbuf *name,
                     nghttp2_rcbuf *value, uint8_t flags, void *user_data)
{
    (void)user_data;
    (void)flags;
    struct wcow_rpc_call *call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (!call || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    const struct wcow_call_header *h =
        keep_header(call, nghttp2_rcbuf_get_buf(name), nghttp2_rcbuf_get_buf(value));
    if (!h)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* resets the stream */
    if (strcmp(h->key, ":path") == 0)
        call->path = h->value;
    uint64_t ns = strcmp(h->key, "grpc-timeout") == 0 ? timeout_ns(h->value, strlen(h->value)) : 0;
    if (ns)
        call->deadline_ns = wcow_now_ns() + ns;
    return 0;
}

/* Says itself what is wrong, where it is no gRPC call. */
static bool is_grpc(struct wcow_h2 *h2, struct wcow_rpc_call *call)
{
    static const char type[] = "application/grpc";
    const char *content_type = wcow_rpc_call_header(call, "content-type");
    const char *method = wcow_rpc_call_header(call, ":method");
    bool is_post = method && strcmp(method, "POST") == 0;
    bool is_typed = content_type && strncmp(content_type, type, strlen(type)) == 0;
    if (is_post && is_typed && call->path)
        return true;
    wcow_h2_reply_http(h2, call, is_post ? is_typed ? "400" : "415" : "405");
    return false;
}

/* ---- a request's message ---- */

static void begin_call(struct wcow_rpc_call *call)
{
    if (call->begun)
        return;
    call->begun = true;
    wcow_server_ready(call->server, call);
}

/* The call is answered before anybody handles it. */
static void refuse(struct wcow_rpc_call *call, const struct wcow_error *err)
{
    call->begun = true;
    wcow_server_refuse(call->server, call, err);
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream_id, const uint8_t *data,
                   size_t len, void *user_data)
{
    (void)user_data;
    (void)flags;
    struct wcow_rpc_call *call = nghttp2_session_get_stream_user_data(session, stream_id);
    if (!call || call->begun)
        return 0;
    struct wcow_error err = {0};
    if (wcow_call_receive(call, data, len, &err) < 0)
        refuse(call, &err);
    else if (wcow_call_has_message(call))
        begin_call(call);
    return 0;
}

static void on_ping_answer(struct wcow_h2 *h2)
{
    if (!h2->draining)
        return;
    h2->draining = false;
    h2->parting = true;
}

/* What was sent before the notice arrived has come by now, the rest of what was read with the
 * answer to our ping included: clients write that answer before calls that they began earlier. A
 * call that is handled and not named here would be made again elsewhere. */
static bool part(struct wcow_h2 *h2)
{
    if (!h2->parting)
        return true;
    h2->parting = false;
    h2->parted = true;
    return nghttp2_submit_goaway(h2->session, NGHTTP2_FLAG_NONE,
                                 nghttp2_session_get_last_proc_stream_id(h2->session),
                                 NGHTTP2_NO_ERROR, NULL, 0) == 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    struct wcow_h2 *h2 = user_data;
    if (frame->hd.type == NGHTTP2_PING && frame->hd.flags & NGHTTP2_FLAG_ACK)
        on_ping_answer(h2);
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
        return 0;
    struct wcow_rpc_call *call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (!call)
        return 0;
    if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
        call->half_closed = true;
    bool is_request =
        frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST;
    if (is_request && !is_grpc(h2, call))
        return 0;
    if (call->half_closed)
        begin_call(call);
    return 0;
}

/* A caller that has not ended its half is told that nobody listens any more. */
static int on_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    (void)user_data;
    if (frame->hd.type != NGHTTP2_HEADERS || !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
        return 0;
    const struct wcow_rpc_call *call =
        nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (call && !call->half_closed)
        (void)nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, call->stream_id,
                                        NGHTTP2_NO_ERROR);
    return 0;
}

static void detach(struct wcow_rpc_call *call)
{
    *call->open_at = call->open_next;
    if (call->open_next)
        call->open_next->open_at = call->open_at;
    call->connection = NULL;
    wcow_server_closed(call->server, call);
}

static int on_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t error_code,
                           void *user_data)
{
    (void)user_data;
    (void)error_code;
    struct wcow_rpc_call *call = nghttp2_session_get_stream_user_data(session, stream_id);
    if (call)
        detach(call);
    return 0;
}

/* ---- beginning and end ---- */

static int make_session(struct wcow_h2 *h2)
{
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *option = NULL;
    if (nghttp2_session_callbacks_new(&callbacks) < 0)
        return -1;
    if (nghttp2_option_new(&option) < 0) {
        nghttp2_session_callbacks_del(callbacks);
        return -1;
    }
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback2(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    /* Clients put a socket's path where HTTP has a host; we look at what we need ourselves. */
    nghttp2_option_set_no_http_messaging(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_option_set_stream_reset_rate_limit(option, MAX_RESETS, MAX_RESETS);
    int r = nghttp2_session_server_new2(&h2->session, callbacks, h2, option);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    return r;
}

static int greet(struct wcow_h2 *h2)
{
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, MAX_STREAMS},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW_BYTES},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, MAX_HEADER_BYTES}};
    int r = nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, settings,
                                    sizeof(settings) / sizeof(settings[0]));
    return r < 0 ? r
                 : nghttp2_session_set_local_window_size(h2->session, NGHTTP2_FLAG_NONE, 0,
                                                         CONNECTION_WINDOW_BYTES);
}

/* The frame is on its way: only the session has to know. */
static int note_greeting(struct wcow_h2 *h2)
{
    const uint8_t *sent = NULL;
    int r = nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, NULL, 0);
    return r < 0 ? r : nghttp2_session_mem_send(h2->session, &sent) < 0 ? -1 : 0;
}

int wcow_h2_new(struct wcow_rpc_server *server, int fd, const struct wcow_error *refusal,
                bool greeted, struct wcow_h2 **ret, struct wcow_error *err)
{
    struct wcow_h2 *h2 = calloc(1, sizeof(*h2));
    if (!h2) {
        (void)close(fd);
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a connection");
    }
    h2->server = server;
    h2->fd = fd;
    h2->refusal = refusal ? malloc(sizeof(*refusal)) : NULL;
    bool ok = !refusal || h2->refusal;
    if (ok && refusal)
        *h2->refusal = *refusal;
    if (!ok || make_session(h2) < 0 || (greeted && note_greeting(h2) < 0) || greet(h2) < 0) {
        wcow_h2_free(h2);
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a connection");
    }
    *ret = h2;
    return WCOW_OK;
}

void wcow_h2_free(struct wcow_h2 *h2)
{
    while (h2->calls)
        detach(h2->calls);
    nghttp2_session_del(h2->session);
    (void)close(h2->fd);
    free(h2->pending);
    free(h2->refusal);
    free(h2);
}

/* ---- bytes in and out ---- */

void wcow_h2_read(struct wcow_h2 *h2)
{
    struct wcow_loop_buffers *buffers = wcow_server_buffers(h2->server);
    ssize_t n = recv(h2->fd, buffers->in, sizeof(buffers->in), 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0 || nghttp2_session_mem_recv(h2->session, buffers->in, (size_t)n) < 0) {
        h2->dead = true;
        return;
    }
    wcow_server_dirty(h2->server, h2);
}

/* What the socket does not take now is kept. False where the connection is lost. */
static bool send_bytes(struct wcow_h2 *h2, const uint8_t *data, size_t len)
{
    while (len) {
        ssize_t n = send(h2->fd, data, len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            break;
        if (n <= 0)
            return false;
        data += n;
        len -= (size_t)n;
    }
    if (len == 0)
        return true;
    h2->pending = malloc(len);
    if (!h2->pending)
        return false;
    memcpy(h2->pending, data, len);
    h2->n_pending = len;
    return true;
}

/* What was kept goes first. */
static bool send_pending(struct wcow_h2 *h2)
{
    wcow_autofree uint8_t *data = WCOW_TAKE_PTR(h2->pending);
    size_t len = h2->n_pending;
    h2->n_pending = 0;
    return send_bytes(h2, data, len);
}

/* As many frames as the buffer takes; -1 where the connection is lost. */
static ssize_t gather_frames(struct wcow_h2 *h2, uint8_t *out, size_t size)
{
    size_t len = 0;
    while (size - len >= LARGEST_FRAME_BYTES) {
        const uint8_t *frame = NULL;
        ssize_t n = nghttp2_session_mem_send(h2->session, &frame);
        if (n < 0 || (size_t)n > size - len)
            return -1;
        if (n == 0)
            break;
        memcpy(out + len, frame, (size_t)n);
        len += (size_t)n;
    }
    return (ssize_t)len;
}

/* Gathered, so that one system call sends what one turn of the loop brought about. */
static bool send_frames(struct wcow_h2 *h2)
{
    struct wcow_loop_buffers *buffers = wcow_server_buffers(h2->server);
    while (!h2->pending) {
        ssize_t len = gather_frames(h2, buffers->out, sizeof(buffers->out));
        if (len <= 0)
            return len == 0;
        if (!send_bytes(h2, buffers->out, (size_t)len))
            return false;
    }
    return true;
}

void wcow_h2_flush(struct wcow_h2 *h2)
{
    if (h2->dead)
        return;
    bool ok = send_pending(h2) && (h2->pending || (part(h2) && send_frames(h2)));
    /* After the last GOAWAY the caller ends the connection: what it writes meanwhile must not fail.
     */
    bool done = !h2->pending && !h2->parted && nghttp2_session_want_read(h2->session) == 0 &&
                nghttp2_session_want_write(h2->session) == 0;
    if (!ok || done)
        h2->dead = true;
    else
        wcow_server_watch_writable(h2->server, h2, h2->pending != NULL);
}

/* ---- for the server ---- */

void wcow_h2_answer(struct wcow_h2 *h2, struct wcow_rpc_call *call)
{
    wcow_h2_reply(h2, call);
    wcow_server_dirty(h2->server, h2);
}

void wcow_h2_expire(struct wcow_h2 *h2, struct wcow_rpc_call *call)
{
    call->deadline_ns = 0;
    wcow_h2_reply_late(h2, call);
    wcow_server_dirty(h2->server, h2);
}

void wcow_h2_reset(struct wcow_h2 *h2, const struct wcow_rpc_call *call)
{
    if (nghttp2_submit_rst_stream(h2->session, NGHTTP2_FLAG_NONE, call->stream_id, NGHTTP2_CANCEL) <
        0)
        h2->dead = true;
    wcow_server_dirty(h2->server, h2);
}

void wcow_h2_drain(struct wcow_h2 *h2)
{
    h2->draining = true;
    if (nghttp2_submit_shutdown_notice(h2->session) < 0 ||
        nghttp2_submit_ping(h2->session, NGHTTP2_FLAG_NONE, NULL) < 0)
        h2->dead = true;
    wcow_server_dirty(h2->server, h2);
}

void wcow_h2_abort(struct wcow_h2 *h2)
{
    for (const struct wcow_rpc_call *call = h2->calls; call; call = call->open_next)
        wcow_h2_reset(h2, call);
    (void)nghttp2_session_terminate_session(h2->session, NGHTTP2_NO_ERROR);
    wcow_h2_flush(h2);
    h2->dead = true;
}
