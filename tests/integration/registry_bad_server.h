/* SPDX-License-Identifier: Apache-2.0 */
/** @file registry_bad_server.h
 *  An HTTP/1.1 server on loopback whose every answer a test decides, byte for byte: one request a
 *  connection, one connection at a time. */
#ifndef WCOW_TEST_REGISTRY_BAD_SERVER_H
#define WCOW_TEST_REGISTRY_BAD_SERVER_H

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

struct bad_request {
    char method[16];
    char path[1024];
    char head[8192];           /* request line and headers */
    char body[4096];           /* its beginning */
    unsigned long long length; /* Content-Length */
    size_t received;           /* fewer where the server was told to stop reading */
};

struct bad_server {
    int fd;
    int port;
    pthread_t thread;
    atomic_bool stop;
    atomic_int requests;
    void (*handle)(struct bad_server *server, int fd, const struct bad_request *request);
    atomic_int step;    /* for the handlers' own use */
    atomic_int failure; /* a handler saw what must not be */
    atomic_int other_port;
    uint8_t *received_body; /* where to put the whole body of a request; may be NULL */
    size_t received_room;
    size_t stop_reading_at; /* so many bytes into a body; 0: read all */
};

/* The value of a header into @p to; "" when absent. */
static inline void header_of(const struct bad_request *q, const char *name, char *to, size_t size)
{
    to[0] = '\0';
    size_t len = strlen(name);
    for (const char *line = strchr(q->head, '\n'); line; line = strchr(line + 1, '\n')) {
        if (strncasecmp(line + 1, name, len) != 0 || line[1 + len] != ':')
            continue;
        const char *value = line + 2 + len;
        value += strspn(value, " ");
        (void)snprintf(to, size, "%.*s", (int)strcspn(value, "\r\n"), value);
        return;
    }
}

static inline void send_bytes(int fd, const void *data, size_t len)
{
    const char *p = data;
    while (len) {
        ssize_t n = send(fd, p, len, MSG_NOSIGNAL);
        if (n <= 0)
            return;
        p += n;
        len -= (size_t)n;
    }
}

/* Status line, headers as they stand (each with its line end), and the body. */
static inline void answer(int fd, const char *status, const char *headers, const void *body,
                          size_t len)
{
    char head[4096];
    int n = snprintf(head, sizeof(head),
                     "HTTP/1.1 %s\r\n%sContent-Length: %zu\r\nConnection: close\r\n\r\n", status,
                     headers, len);
    send_bytes(fd, head, (size_t)n);
    send_bytes(fd, body, len);
}

static inline void keep_received(struct bad_server *s, size_t at, const void *data, size_t len)
{
    if (s->received_body && at < s->received_room)
        memcpy(s->received_body + at, data,
               len < s->received_room - at ? len : s->received_room - at);
}

/* The rest of a body of which @p body bytes are there. */
static inline bool read_body(struct bad_server *s, int fd, struct bad_request *q, size_t body)
{
    static char part[65536];
    size_t end = q->length;
    if (s->stop_reading_at && s->stop_reading_at < end)
        end = s->stop_reading_at;
    while (body < end) {
        ssize_t n = recv(fd, part, end - body < sizeof(part) ? end - body : sizeof(part), 0);
        if (n <= 0)
            return false;
        if (body < sizeof(q->body) - 1) {
            size_t room = sizeof(q->body) - 1 - body;
            memcpy(q->body + body, part, (size_t)n < room ? (size_t)n : room);
        }
        keep_received(s, body, part, (size_t)n);
        body += (size_t)n;
    }
    q->received = end;
    return true;
}

static inline bool read_request(struct bad_server *s, int fd, struct bad_request *q)
{
    size_t have = 0;
    char *end = NULL;
    memset(q, 0, sizeof(*q));
    while (!end && have + 1 < sizeof(q->head)) {
        ssize_t n = recv(fd, q->head + have, sizeof(q->head) - 1 - have, 0);
        if (n <= 0)
            return false;
        have += (size_t)n;
        end = strstr(q->head, "\r\n\r\n");
    }
    char length[32];
    if (!end || sscanf(q->head, "%15s %1023s", q->method, q->path) != 2)
        return false;
    size_t body = have - (size_t)(end + 4 - q->head);
    memcpy(q->body, end + 4, body < sizeof(q->body) - 1 ? body : sizeof(q->body) - 1);
    end[2] = '\0';
    header_of(q, "Content-Length", length, sizeof(length));
    q->length = strtoull(length, NULL, 10);
    keep_received(s, 0, end + 4, body);
    return read_body(s, fd, q, body);
}

static inline void *bad_server_run(void *arg)
{
    struct bad_server *s = arg;
    while (!atomic_load(&s->stop)) {
        struct pollfd p = {.fd = s->fd, .events = POLLIN};
        if (poll(&p, 1, 20) <= 0)
            continue;
        int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC);
        struct bad_request *q = malloc(sizeof(*q));
        if (fd >= 0 && q && read_request(s, fd, q)) {
            atomic_fetch_add(&s->requests, 1);
            s->handle(s, fd, q);
        }
        free(q);
        if (fd >= 0) {
            (void)shutdown(fd, SHUT_WR);
            (void)close(fd);
        }
    }
    return NULL;
}

static inline void bad_server_start(struct bad_server *s)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s->fd < 0 || bind(s->fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(s->fd, 16) < 0 ||
        getsockname(s->fd, (struct sockaddr *)&a, &len) < 0 ||
        pthread_create(&s->thread, NULL, bad_server_run, s) != 0) {
        (void)fprintf(stderr, "the test's server does not start\n");
        abort();
    }
    s->port = ntohs(a.sin_port);
}

static inline void bad_server_stop(struct bad_server *s)
{
    atomic_store(&s->stop, true);
    (void)pthread_join(s->thread, NULL);
    (void)close(s->fd);
}

#endif
