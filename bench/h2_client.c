/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/h2_client.h"

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { GRPC_PREFIX_BYTES = 5, MAX_REQUEST_BYTES = 4096, READ_BYTES = 64 << 10 };

struct h2_client {
    int fd;
    nghttp2_session *session;
    uint8_t request[GRPC_PREFIX_BYTES + MAX_REQUEST_BYTES];
    size_t len;
    size_t sent;
    bool answered;
    char status[8];
    char message[256];
    uint8_t in[READ_BYTES];
};

static ssize_t give_request(nghttp2_session *session, int32_t stream, uint8_t *buf, size_t cap,
                            uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    (void)session;
    (void)stream;
    (void)arg;
    struct h2_client *c = source->ptr;
    size_t n = c->len - c->sent;
    if (n > cap)
        n = cap;
    memcpy(buf, c->request + c->sent, n);
    c->sent += n;
    if (c->sent == c->len)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)n;
}

static void take_text(char *out, size_t cap, const uint8_t *value, size_t len)
{
    (void)snprintf(out, cap, "%.*s", (int)len, (const char *)value);
}

/* NOLINTNEXTLINE(readability-function-size): nghttp2's */
static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t len, uint8_t flags, void *arg)
{
    (void)session;
    (void)frame;
    (void)flags;
    struct h2_client *c = arg;
    if (name_len == strlen("grpc-status") && memcmp(name, "grpc-status", name_len) == 0)
        take_text(c->status, sizeof(c->status), value, len);
    else if (name_len == strlen("grpc-message") && memcmp(name, "grpc-message", name_len) == 0)
        take_text(c->message, sizeof(c->message), value, len);
    return 0;
}

static int on_close(nghttp2_session *session, int32_t stream, uint32_t code, void *arg)
{
    (void)session;
    (void)stream;
    (void)code;
    struct h2_client *c = arg;
    c->answered = true;
    return 0;
}

static int flush(struct h2_client *c, struct wcow_error *err)
{
    for (;;) {
        const uint8_t *data = NULL;
        ssize_t len = nghttp2_session_mem_send(c->session, &data);
        if (len <= 0)
            return len < 0
                       ? WCOW_FAIL(err, WCOW_E_INTERNAL, "nghttp2: %s", nghttp2_strerror((int)len))
                       : WCOW_OK;
        for (ssize_t done = 0; done < len;) {
            ssize_t n = send(c->fd, data + done, (size_t)(len - done), MSG_NOSIGNAL);
            if (n < 0 && errno != EINTR)
                return WCOW_FAIL_ERRNO(err, WCOW_E_UNAVAILABLE, "send a request");
            done += n > 0 ? n : 0;
        }
    }
}

static int receive(struct h2_client *c, struct wcow_error *err)
{
    ssize_t n = read(c->fd, c->in, sizeof(c->in));
    if (n < 0 && errno == EINTR)
        return WCOW_OK;
    if (n <= 0)
        return WCOW_FAIL(err, WCOW_E_UNAVAILABLE, "the server hung up");
    ssize_t r = nghttp2_session_mem_recv(c->session, c->in, (size_t)n);
    return r < 0 ? WCOW_FAIL(err, WCOW_E_INTERNAL, "nghttp2: %s", nghttp2_strerror((int)r))
                 : WCOW_OK;
}

static int pack(struct h2_client *c, const ProtobufCMessage *request, struct wcow_error *err)
{
    size_t len = protobuf_c_message_get_packed_size(request);
    if (len > MAX_REQUEST_BYTES)
        return WCOW_FAIL(err, WCOW_E_LIMIT, "a request of more than %d bytes", MAX_REQUEST_BYTES);
    c->request[0] = 0; /* not compressed */
    for (int i = 0; i < 4; i++)
        c->request[1 + i] = (uint8_t)(len >> (24 - 8 * i));
    (void)protobuf_c_message_pack(request, c->request + GRPC_PREFIX_BYTES);
    c->len = GRPC_PREFIX_BYTES + len;
    c->sent = 0;
    return WCOW_OK;
}

/* nghttp2 takes names and values that it may write to, and does not. */
static nghttp2_nv header(const char *name, const char *value)
{
    union {
        const char *in;
        uint8_t *out;
    } n = {.in = name}, v = {.in = value};
    return (nghttp2_nv){
        .name = n.out, .value = v.out, .namelen = strlen(name), .valuelen = strlen(value)};
}

static int submit(struct h2_client *c, const char *path, struct wcow_error *err)
{
    const nghttp2_nv headers[] = {header(":method", "POST"),
                                  header(":scheme", "http"),
                                  header(":path", path),
                                  header(":authority", "localhost"),
                                  header("content-type", "application/grpc"),
                                  header("te", "trailers"),
                                  header("grpc-timeout", "60S"),
                                  header("containerd-namespace", "default")};
    nghttp2_data_provider body = {.source = {.ptr = c}, .read_callback = give_request};
    int32_t stream = nghttp2_submit_request(c->session, NULL, headers,
                                            sizeof(headers) / sizeof(headers[0]), &body, NULL);
    return stream < 0 ? WCOW_FAIL(err, WCOW_E_INTERNAL, "nghttp2: %s", nghttp2_strerror(stream))
                      : WCOW_OK;
}

int h2_client_call(struct h2_client *c, const char *path, const ProtobufCMessage *request,
                   struct wcow_error *err)
{
    c->answered = false;
    c->status[0] = c->message[0] = '\0';
    int r = pack(c, request, err);
    if (r == WCOW_OK)
        r = submit(c, path, err);
    if (r == WCOW_OK)
        r = flush(c, err);
    while (r == WCOW_OK && !c->answered) {
        r = receive(c, err);
        if (r == WCOW_OK)
            r = flush(c, err); /* windows, settings, pings */
    }
    if (r == WCOW_OK && strcmp(c->status, "0") != 0)
        r = WCOW_FAIL(err, WCOW_E_INTERNAL, "status %s: %s", c->status, c->message);
    return r;
}

static int connect_to(const char *socket_path, int *ret, struct wcow_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(socket_path) >= sizeof(address.sun_path))
        return WCOW_FAIL(err, WCOW_E_LIMIT, "%s is too long for a socket", socket_path);
    memcpy(address.sun_path, socket_path, strlen(socket_path));
    *ret = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (*ret < 0 || connect(*ret, (const struct sockaddr *)&address, sizeof(address)) < 0)
        return WCOW_FAIL_ERRNO(err, WCOW_E_UNAVAILABLE, "connect to %s", socket_path);
    return WCOW_OK;
}

static int new_session(struct h2_client *c, struct wcow_error *err)
{
    nghttp2_session_callbacks *callbacks = NULL;
    if (nghttp2_session_callbacks_new(&callbacks) != 0)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a client");
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    int r = nghttp2_session_client_new(&c->session, callbacks, c);
    nghttp2_session_callbacks_del(callbacks);
    if (r == 0)
        r = nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, NULL, 0);
    return r == 0 ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "nghttp2: %s", nghttp2_strerror(r));
}

int h2_client_new(const char *socket, struct h2_client **ret, struct wcow_error *err)
{
    struct h2_client *c = calloc(1, sizeof(*c));
    if (!c)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a client");
    c->fd = -1;
    int r = connect_to(socket, &c->fd, err);
    if (r == WCOW_OK)
        r = new_session(c, err);
    if (r < 0) {
        h2_client_free(c);
        return r;
    }
    *ret = c;
    return WCOW_OK;
}

void h2_client_free(struct h2_client *c)
{
    if (!c)
        return;
    nghttp2_session_del(c->session);
    if (c->fd >= 0)
        (void)close(c->fd);
    free(c);
}
