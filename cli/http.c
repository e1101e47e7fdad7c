/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/http.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/beneath.h"

enum { MAX_HEAD_BYTES = 8192, MAX_MS = 5000 };

struct wcow_http {
    int listen_fd;
    int wake_fd;
    wcow_http_source source;
    void *ctx;
    pthread_t thread;
    bool has_thread;
};

static int64_t now_ms(void)
{
    struct timespec t = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Until the connection is ready; false at the deadline, or when the server ends. */
static bool wait_for(const struct wcow_http *http, int fd, short events, int64_t until_ms)
{
    struct pollfd fds[] = {{.fd = fd, .events = events}, {.fd = http->wake_fd, .events = POLLIN}};
    int64_t left = until_ms - now_ms();
    return left > 0 && poll(fds, 2, (int)left) > 0 && !fds[1].revents && fds[0].revents;
}

/* The request up to its empty line, as a string. */
static bool read_head(const struct wcow_http *http, int fd, int64_t until_ms,
                      char head[MAX_HEAD_BYTES])
{
    size_t len = 0;
    while (len + 1 < MAX_HEAD_BYTES && wait_for(http, fd, POLLIN, until_ms)) {
        ssize_t n = recv(fd, head + len, MAX_HEAD_BYTES - 1 - len, 0);
        if (n <= 0)
            return false;
        len += (size_t)n;
        head[len] = '\0';
        if (strstr(head, "\r\n\r\n"))
            return true;
    }
    return false;
}

static void send_all(const struct wcow_http *http, int fd, int64_t until_ms, const uint8_t *data,
                     size_t len)
{
    while (len && wait_for(http, fd, POLLOUT, until_ms)) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
        if (n <= 0)
            return;
        data += n;
        len -= (size_t)n;
    }
}

static const char *answer(const struct wcow_http *http, char *head, struct wcow_buf *body,
                          struct wcow_error *err)
{
    char *save = NULL;
    const char *method = strtok_r(head, " ", &save);
    char *path = strtok_r(NULL, " ", &save);
    const char *version = strtok_r(NULL, "\r", &save);
    if (!method || !path || !version || strncmp(version, "HTTP/1.", 7) != 0) {
        (void)WCOW_FAIL(err, WCOW_E_INVALID, "this is no HTTP/1 request");
        return "400 Bad Request";
    }
    if (strcmp(method, "GET") != 0) {
        (void)WCOW_FAIL(err, WCOW_E_INVALID, "only GET is served here");
        return "405 Method Not Allowed\r\nAllow: GET";
    }
    path[strcspn(path, "?")] = '\0';
    int r = http->source(http->ctx, path, body, err);
    if (r == WCOW_OK)
        return "200 OK";
    return r == WCOW_E_NOT_FOUND ? "404 Not Found" : "500 Internal Server Error";
}

static void serve_one(const struct wcow_http *http, int fd)
{
    int64_t until_ms = now_ms() + MAX_MS;
    char head[MAX_HEAD_BYTES];
    if (!read_head(http, fd, until_ms, head))
        return;
    struct wcow_error err = {0};
    struct wcow_error ignored = {0};
    wcow_autobuf body = {0};
    const char *status = answer(http, head, &body, &err);
    if (err.code) {
        body.len = 0;
        (void)!wcow_buf_addf(&body, &ignored, "%s\n", err.msg);
    }
    wcow_autobuf out = {0};
    int r = wcow_buf_addf(&out, &ignored,
                          "HTTP/1.1 %s\r\nContent-Type: text/plain; version=0.0.4\r\n"
                          "Content-Length: %zu\r\nConnection: close\r\n\r\n",
                          status, body.len);
    if (r == WCOW_OK && body.len)
        r = wcow_buf_add(&out, body.data, body.len, &ignored);
    if (r == WCOW_OK)
        send_all(http, fd, until_ms, out.data, out.len);
}

static void *serve(void *arg)
{
    const struct wcow_http *http = arg;
    for (;;) {
        struct pollfd fds[] = {{.fd = http->listen_fd, .events = POLLIN},
                               {.fd = http->wake_fd, .events = POLLIN}};
        (void)poll(fds, 2, -1);
        if (fds[1].revents)
            return NULL;
        wcow_autoclose int fd = accept4(http->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0)
            serve_one(http, fd);
        else if (errno != EAGAIN && errno != EINTR)
            (void)poll(&fds[1], 1, 100); /* out of descriptors, mostly */
    }
}

int wcow_http_new(int listen_fd, wcow_http_source source, void *ctx, struct wcow_http **ret,
                  struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_http_free_p) struct wcow_http *http = calloc(1, sizeof(*http));
    if (!http)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for the metrics server");
    *http = (struct wcow_http){.listen_fd = -1, .source = source, .ctx = ctx};
    http->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (http->wake_fd < 0)
        return WCOW_FAIL_ERRNO(err, WCOW_E_LIMIT, "cannot make an event descriptor");
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    http->listen_fd = listen_fd;
    int e = pthread_create(&http->thread, NULL, serve, http);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (e) {
        http->listen_fd = -1;
        return WCOW_FAIL(err, WCOW_E_LIMIT, "cannot start the thread of the metrics server: %d", e);
    }
    http->has_thread = true;
    *ret = WCOW_TAKE_PTR(http);
    return WCOW_OK;
}

void wcow_http_free(struct wcow_http *http)
{
    if (!http)
        return;
    if (http->has_thread) {
        (void)eventfd_write(http->wake_fd, 1);
        (void)pthread_join(http->thread, NULL);
    }
    wcow_closep_(&http->listen_fd);
    wcow_closep_(&http->wake_fd);
    free(http);
}
