/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/metrics.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/http.h"
#include "rpc/status.h"

enum {
    MAX_METHODS = 64, /* wcowd serves under twenty */
    N_STATUS = 17,    /* gRPC's statuses are 0 to 16 */
    N_BUCKETS = 10,
};

/* Upper bounds of the duration buckets in microseconds; above the last one is +Inf. */
static const uint64_t bounds_us[N_BUCKETS] = {100,    250,    1000,    5000,     25000,
                                              100000, 500000, 2500000, 10000000, 60000000};

/* The socket's name until it listens. */
#define STARTING_SUFFIX "~"

struct method {
    char *name;
    uint64_t by_status[N_STATUS];
    uint64_t buckets[N_BUCKETS + 1];
    uint64_t total_ns;
};

struct wcow_metrics {
    pthread_mutex_t lock;
    struct method methods[MAX_METHODS];
    size_t n_methods;
    wcow_metrics_source more;
    void *more_ctx;
    struct wcow_http *http;
    char *socket_path;
};

int wcow_metrics_new(wcow_metrics_source more, void *more_ctx, struct wcow_metrics **ret,
                     struct wcow_error *err)
{
    struct wcow_metrics *m = calloc(1, sizeof(*m));
    if (!m)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for metrics");
    (void)pthread_mutex_init(&m->lock, NULL);
    m->more = more;
    m->more_ctx = more_ctx;
    *ret = m;
    return WCOW_OK;
}

static struct method *find_method(struct wcow_metrics *m, const char *name)
{
    for (size_t i = 0; i < m->n_methods; i++) {
        if (strcmp(m->methods[i].name, name) == 0)
            return &m->methods[i];
    }
    char *copy = m->n_methods < MAX_METHODS ? strdup(name) : NULL;
    if (!copy)
        return NULL;
    m->methods[m->n_methods].name = copy;
    return &m->methods[m->n_methods++];
}

void wcow_metrics_call(struct wcow_metrics *metrics, const char *method, int code,
                       uint64_t duration_ns)
{
    int status = wcow_rpc_status_of_code(code);
    if (status < 0 || status >= N_STATUS)
        status = 2; /* unknown */
    size_t bucket = 0;
    while (bucket < N_BUCKETS && duration_ns > bounds_us[bucket] * 1000)
        bucket++;

    (void)pthread_mutex_lock(&metrics->lock);
    struct method *entry = find_method(metrics, method);
    if (entry) {
        entry->by_status[status]++;
        entry->buckets[bucket]++;
        entry->total_ns += duration_ns;
    }
    (void)pthread_mutex_unlock(&metrics->lock);
}

static int write_counts(const struct method *method, struct wcow_buf *out, struct wcow_error *err)
{
    static const char *const names[N_STATUS] = {
        "OK",       "Cancelled",      "Unknown",          "InvalidArgument",   "DeadlineExceeded",
        "NotFound", "AlreadyExists",  "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
        "Aborted",  "OutOfRange",     "Unimplemented",    "Internal",          "Unavailable",
        "DataLoss", "Unauthenticated"};
    int r = WCOW_OK;
    for (size_t s = 0; s < N_STATUS && r == WCOW_OK; s++) {
        if (method->by_status[s])
            r = wcow_buf_addf(out, err, "wcow_calls_total{method=\"%s\",code=\"%s\"} %llu\n",
                              method->name, names[s], (unsigned long long)method->by_status[s]);
    }
    return r;
}

static int write_durations(const struct method *method, struct wcow_buf *out,
                           struct wcow_error *err)
{
    int r = WCOW_OK;
    unsigned long long sum = 0;
    for (size_t b = 0; b <= N_BUCKETS && r == WCOW_OK; b++) {
        sum += method->buckets[b];
        char bound[24] = "+Inf";
        if (b < N_BUCKETS)
            (void)snprintf(bound, sizeof(bound), "%g", (double)bounds_us[b] / 1e6);
        r = wcow_buf_addf(out, err,
                          "wcow_call_duration_seconds_bucket{method=\"%s\",le=\"%s\"} %llu\n",
                          method->name, bound, sum);
    }
    if (r == WCOW_OK)
        r = wcow_buf_addf(out, err,
                          "wcow_call_duration_seconds_sum{method=\"%s\"} %.9f\n"
                          "wcow_call_duration_seconds_count{method=\"%s\"} %llu\n",
                          method->name, (double)method->total_ns / 1e9, method->name, sum);
    return r;
}

static int write_methods(struct wcow_metrics *m, struct wcow_buf *out, struct wcow_error *err)
{
    int r = wcow_buf_add_str(out,
                             "# HELP wcow_calls_total Calls by method and gRPC status.\n"
                             "# TYPE wcow_calls_total counter\n",
                             err);
    for (size_t i = 0; i < m->n_methods && r == WCOW_OK; i++)
        r = write_counts(&m->methods[i], out, err);
    if (r == WCOW_OK)
        r = wcow_buf_add_str(out,
                             "# HELP wcow_call_duration_seconds Time from a call's arrival to its "
                             "answer.\n"
                             "# TYPE wcow_call_duration_seconds histogram\n",
                             err);
    for (size_t i = 0; i < m->n_methods && r == WCOW_OK; i++)
        r = write_durations(&m->methods[i], out, err);
    return r;
}

int wcow_metrics_write(struct wcow_metrics *metrics, struct wcow_buf *out, struct wcow_error *err)
{
    (void)pthread_mutex_lock(&metrics->lock);
    int r = write_methods(metrics, out, err);
    (void)pthread_mutex_unlock(&metrics->lock);
    if (r == WCOW_OK && metrics->more)
        r = metrics->more(metrics->more_ctx, out, err);
    return r;
}

static int give_metrics(void *ctx, const char *path, struct wcow_buf *out, struct wcow_error *err)
{
    if (strcmp(path, "/metrics") != 0)
        return WCOW_FAIL(err, WCOW_E_NOT_FOUND, "The metrics are at GET /metrics");
    return wcow_metrics_write(ctx, out, err);
}

/* A socket that nobody listens on any more is a leftover and may go. */
static bool is_stale(const struct sockaddr_un *address)
{
    wcow_autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 &&
           errno == ECONNREFUSED;
}

static int fill_address(const char *path, const char *suffix, struct sockaddr_un *ret,
                        struct wcow_error *err)
{
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    int n = snprintf(ret->sun_path, sizeof(ret->sun_path), "%s%s", path, suffix);
    if (n < 0 || (size_t)n >= sizeof(ret->sun_path))
        return WCOW_FAIL(err, WCOW_E_INVALID, "socket path over %zu bytes: \"%s\"",
                         sizeof(ret->sun_path) - 1 - strlen(STARTING_SUFFIX), path);
    return WCOW_OK;
}

/* As the server's own socket (rpc/listener.c): bound and listened on under a name beside the path,
 * then renamed, so that who sees the path is not refused. */
static int listen_on_path(const char *path, int *ret_fd, struct wcow_error *err)
{
    struct sockaddr_un address;
    struct sockaddr_un starting;
    int r = fill_address(path, "", &address, err);
    if (r == WCOW_OK)
        r = fill_address(path, STARTING_SUFFIX, &starting, err);
    if (r < 0)
        return r;
    if (is_stale(&address))
        (void)unlink(path);
    if (is_stale(&starting))
        (void)unlink(starting.sun_path);
    wcow_autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "socket");
    mode_t old = umask(0177);
    r = bind(fd, (const struct sockaddr *)&starting, sizeof(starting));
    int saved = errno;
    (void)umask(old);
    errno = saved;
    if (r < 0)
        return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "listen for metrics on \"%s\"", path);
    if (listen(fd, 16) < 0 ||
        renameat2(AT_FDCWD, starting.sun_path, AT_FDCWD, path, RENAME_NOREPLACE) < 0) {
        r = WCOW_FAIL_ERRNO(err, WCOW_E_IO, "listen for metrics on \"%s\"", path);
        (void)unlink(starting.sun_path);
        return r;
    }
    *ret_fd = WCOW_TAKE_FD(fd);
    return WCOW_OK;
}

static int parse_port(const char *text, uint16_t *ret)
{
    char *end = NULL;
    unsigned long port = strtoul(text, &end, 10);
    if (end == text || *end || port > 65535)
        return -1;
    *ret = (uint16_t)port;
    return 0;
}

static int listen_on_loopback(const char *text, int *ret_fd, struct wcow_error *err)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    const struct sockaddr *address = NULL;
    socklen_t len = 0;
    uint16_t port = 0;
    if (strncmp(text, "127.0.0.1:", 10) == 0 && parse_port(text + 10, &port) == 0) {
        v4.sin_port = htons(port);
        address = (const struct sockaddr *)&v4;
        len = sizeof(v4);
    } else if (strncmp(text, "[::1]:", 6) == 0 && parse_port(text + 6, &port) == 0) {
        v6.sin6_port = htons(port);
        address = (const struct sockaddr *)&v6;
        len = sizeof(v6);
    } else {
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "metrics are served on 127.0.0.1:PORT, [::1]:PORT or a socket path, not "
                         "\"%s\"",
                         text);
    }
    wcow_autoclose int fd =
        socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "socket");
    int one = 1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, address, len) < 0 || listen(fd, 16) < 0)
        return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "listen for metrics on %s", text);
    *ret_fd = WCOW_TAKE_FD(fd);
    return WCOW_OK;
}

int wcow_metrics_serve(struct wcow_metrics *metrics, const char *address, struct wcow_error *err)
{
    wcow_autoclose int fd = -1;
    bool path = address[0] == '/';
    int r = path ? listen_on_path(address, &fd, err) : listen_on_loopback(address, &fd, err);
    if (r < 0)
        return r;
    if (path && !(metrics->socket_path = strdup(address)))
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for metrics");
    r = wcow_http_new(fd, give_metrics, metrics, &metrics->http, err);
    if (r < 0)
        return r;
    fd = -1; /* the server closes it */
    return WCOW_OK;
}

void wcow_metrics_free(struct wcow_metrics *metrics)
{
    if (!metrics)
        return;
    wcow_http_free(metrics->http);
    if (metrics->socket_path)
        (void)unlink(metrics->socket_path);
    free(metrics->socket_path);
    for (size_t i = 0; i < metrics->n_methods; i++)
        free(metrics->methods[i].name);
    (void)pthread_mutex_destroy(&metrics->lock);
    free(metrics);
}
