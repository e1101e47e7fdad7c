/* SPDX-License-Identifier: Apache-2.0 */
#include "image/http.h"

#include <inttypes.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "image/curl.h"
#include "image/file.h"
#include "image/reference.h"

enum {
    POLL_MS = 100,
    CONNECTIONS_MAX = 32,
    CRAWL_TIMEOUTS = 10,    /* in so many stall timeouts */
    CRAWL_BYTES = 16 << 10, /* so much has to move: a byte now and then is no transfer */
};

/* One connection cache: a multi handle and the easy handle that runs in it. */
struct slot {
    const struct wcow_curl *curl;
    CURLM *multi;
    CURL *easy;
};

struct wcow_http {
    pthread_mutex_t lock; /* guards the idle slots */
    struct slot idle[CONNECTIONS_MAX];
    size_t idle_count;
};

/* One request under way. */
struct exchange {
    const struct wcow_http_request *request;
    struct wcow_http_response *response;
    const struct wcow_curl *curl;
    CURL *easy;
    int failure; /* of the source, the sink or this code; its message is in err */
    struct wcow_error *err;
    const uint8_t *pending; /* what the source gave and curl has not taken yet */
    size_t pending_len;
    uint64_t sent;
    uint64_t to_skip;    /* bytes at the front that the sink has already */
    size_t header_bytes; /* of all heads, interim ones too */
    bool answered;       /* the answer has begun */
    bool body_started;
    uint64_t moved; /* anything at all, to see a stall */
};

int wcow_http_new(struct wcow_http **ret, struct wcow_error *err)
{
    struct wcow_http *http = calloc(1, sizeof(*http));
    if (!http)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for an HTTP client");
    (void)pthread_mutex_init(&http->lock, NULL);
    *ret = http;
    return WCOW_OK;
}

static void free_slot(struct slot *slot)
{
    if (slot->easy)
        slot->curl->easy_cleanup(slot->easy);
    if (slot->multi)
        (void)slot->curl->multi_cleanup(slot->multi);
    *slot = (struct slot){0};
}

void wcow_http_free(struct wcow_http *http)
{
    if (!http)
        return;
    for (size_t i = 0; i < http->idle_count; i++)
        free_slot(&http->idle[i]);
    (void)pthread_mutex_destroy(&http->lock);
    free(http);
}

static int take_slot(struct wcow_http *http, struct slot *ret, struct wcow_error *err)
{
    struct slot slot = {0};
    int r = wcow_curl_load(&slot.curl, err);
    if (r < 0)
        return r;
    (void)pthread_mutex_lock(&http->lock);
    if (http->idle_count)
        slot = http->idle[--http->idle_count];
    (void)pthread_mutex_unlock(&http->lock);
    if (!slot.easy) {
        slot.multi = slot.curl->multi_init();
        slot.easy = slot.curl->easy_init();
    }
    if (!slot.multi || !slot.easy) {
        free_slot(&slot);
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a connection");
    }
    *ret = slot;
    return WCOW_OK;
}

static void give_slot(struct wcow_http *http, struct slot *slot)
{
    slot->curl->easy_reset(slot->easy);
    (void)pthread_mutex_lock(&http->lock);
    if (http->idle_count < CONNECTIONS_MAX) {
        http->idle[http->idle_count++] = *slot;
        *slot = (struct slot){0};
    }
    (void)pthread_mutex_unlock(&http->lock);
    free_slot(slot);
}

void wcow_http_response_done(struct wcow_http_response *r)
{
    free(r->content_type);
    free(r->content_encoding);
    free(r->content_digest);
    free(r->location);
    free(r->retry_after);
    free(r->last_modified);
    free(r->etag);
    free(r->chunk_min_length);
    free(r->range);
    wcow_str_list_done(&r->challenges);
    wcow_buf_done(&r->body);
    *r = (struct wcow_http_response){0};
}

/* ---- receiving ---- */

static void set_header(char **to, const char *value, size_t len)
{
    free(*to);
    *to = strndup(value, len);
}

/* "bytes 100-199/200": the 100 and the 200; "*" in its place is nothing said. */
static void keep_content_range(struct wcow_http_response *r, const char *value, size_t len)
{
    char text[64] = "";
    r->range_start = UINT64_MAX;
    r->range_total = 0;
    if (len >= sizeof(text))
        return;
    memcpy(text, value, len);
    if (strncasecmp(text, "bytes ", 6) != 0 || text[6] < '0' || text[6] > '9')
        return;
    r->range_start = strtoull(text + 6, NULL, 10);
    const char *slash = strchr(text, '/');
    if (slash && slash[1] >= '0' && slash[1] <= '9')
        r->range_total = strtoull(slash + 1, NULL, 10);
}

static void keep_header(struct exchange *x, const char *name, size_t name_len, const char *value,
                        size_t len)
{
    struct wcow_http_response *r = x->response;
    const struct {
        const char *name;
        char **to;
    } kept[] = {
        {"Content-Type", &r->content_type},
        {"Content-Encoding", &r->content_encoding},
        {"Docker-Content-Digest", &r->content_digest},
        {"Location", &r->location},
        {"Retry-After", &r->retry_after},
        {"OCI-Chunk-Min-Length", &r->chunk_min_length},
        {"Range", &r->range},
        {"Last-Modified", &r->last_modified},
        {"ETag", &r->etag},
    };
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
        if (strlen(kept[i].name) == name_len && strncasecmp(kept[i].name, name, name_len) == 0)
            set_header(kept[i].to, value, len);
    if (name_len == strlen("Content-Range") && strncasecmp(name, "Content-Range", name_len) == 0)
        keep_content_range(r, value, len);
    if (name_len == strlen("WWW-Authenticate") &&
        strncasecmp(name, "WWW-Authenticate", name_len) == 0 && r->challenges.count < 16) {
        wcow_autofree char *text = strndup(value, len);
        if (!text || wcow_str_list_add(&r->challenges, text, x->err) < 0)
            x->failure = WCOW_E_NOMEM;
    }
}

static size_t on_header(char *line, size_t size, size_t count, void *ctx)
{
    struct exchange *x = ctx;
    size_t len = size * count;
    x->moved += len;
    x->answered = true;
    x->header_bytes += len;
    if (x->header_bytes > WCOW_HTTP_HEADERS_MAX) {
        x->failure = WCOW_FAIL(x->err, WCOW_E_LIMIT, "the answer has more than %d bytes of headers",
                               WCOW_HTTP_HEADERS_MAX);
        return 0;
    }
    if (len >= 5 && memcmp(line, "HTTP/", 5) == 0) {
        /* The head of an interim answer (100) is forgotten for that of the real one. */
        struct wcow_http_response fresh = {.content_length = -1};
        wcow_http_response_done(x->response);
        *x->response = fresh;
        return len;
    }
    const char *colon = memchr(line, ':', len);
    if (!colon || len > WCOW_HTTP_HEADER_MAX)
        return len;
    const char *value = colon + 1;
    const char *end = line + len;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (end > value && strchr("\r\n \t", end[-1]))
        end--;
    keep_header(x, line, (size_t)(colon - line), value, (size_t)(end - value));
    return x->failure ? 0 : len;
}

/* The first bytes of the body: what does this answer mean for the sink? */
static int start_body(struct exchange *x, long status)
{
    x->body_started = true;
    uint64_t from = x->request->range_from;
    if (!x->request->sink || !from)
        return WCOW_OK;
    if (status == 200)
        x->to_skip = from; /* the server knows no ranges and sends all again */
    else if (status == 206 && x->response->range_start != from)
        return WCOW_FAIL(x->err, WCOW_E_CORRUPT,
                         "asked for the bytes from %" PRIu64 ", the server sends other ones", from);
    uint64_t whole = x->response->range_total;
    if (status == 206 && whole && x->request->total_bytes && whole != x->request->total_bytes)
        return WCOW_FAIL(x->err, WCOW_E_CORRUPT,
                         "the server has %" PRIu64 " bytes there, not %" PRIu64, whole,
                         x->request->total_bytes);
    return WCOW_OK;
}

static int keep_body(struct exchange *x, const char *data, size_t len, bool success)
{
    struct wcow_buf *body = &x->response->body;
    if (!success) {
        size_t room =
            body->len < WCOW_HTTP_ERROR_BODY_MAX ? WCOW_HTTP_ERROR_BODY_MAX - body->len : 0;
        return wcow_buf_add(body, data, len < room ? len : room, x->err);
    }
    if (len > x->request->body_max_bytes || body->len > x->request->body_max_bytes - len)
        return WCOW_FAIL(x->err, WCOW_E_LIMIT, "the answer has more than %zu bytes",
                         x->request->body_max_bytes);
    return wcow_buf_add(body, data, len, x->err);
}

static int deliver(struct exchange *x, const char *data, size_t len)
{
    size_t skip = x->to_skip < len ? (size_t)x->to_skip : len;
    x->to_skip -= skip;
    if (skip == len)
        return WCOW_OK;
    int r = wcow_sink_write(x->request->sink, data + skip, len - skip, x->err);
    if (r == WCOW_OK)
        x->response->delivered_bytes += len - skip;
    return r;
}

static size_t on_body(char *data, size_t size, size_t count, void *ctx)
{
    struct exchange *x = ctx;
    size_t len = size * count;
    long status = 0;
    (void)x->curl->easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
    x->moved += len;
    int r = x->body_started ? WCOW_OK : start_body(x, status);
    if (r == WCOW_OK && x->request->sink && (status == 200 || status == 206))
        r = deliver(x, data, len);
    else if (r == WCOW_OK)
        r = keep_body(x, data, len, status >= 200 && status < 300);
    if (r < 0) {
        x->failure = r;
        return CURL_WRITEFUNC_ERROR;
    }
    if (x->request->progress)
        x->request->progress(x->request->progress_ctx, x->sent, x->response->delivered_bytes);
    return len;
}

/* ---- sending ---- */

static size_t on_read(char *to, size_t size, size_t count, void *ctx)
{
    struct exchange *x = ctx;
    size_t room = size * count;
    if (!x->pending_len) {
        int r = wcow_source_next(x->request->body, &x->pending, &x->pending_len, x->err);
        if (r < 0) {
            x->failure = r;
            return CURL_READFUNC_ABORT;
        }
    }
    uint64_t left = x->request->body_bytes - x->sent;
    if ((x->pending_len == 0 && left) || x->pending_len > left) {
        x->failure = WCOW_FAIL(x->err, WCOW_E_DATA_LOSS,
                               "what is to be sent is not %" PRIu64 " bytes long as was said",
                               x->request->body_bytes);
        return CURL_READFUNC_ABORT;
    }
    size_t n = x->pending_len < room ? x->pending_len : room;
    if (n)
        memcpy(to, x->pending, n);
    x->pending += n;
    x->pending_len -= n;
    x->sent += n;
    x->moved += n;
    if (x->request->progress)
        x->request->progress(x->request->progress_ctx, x->sent, 0);
    return n;
}

/* ---- setting up ---- */

static int add_line(const struct wcow_curl *curl, struct curl_slist **list, const char *line,
                    struct wcow_error *err)
{
    if (line[strcspn(line, "\r\n")])
        return WCOW_FAIL(err, WCOW_E_INVALID, "a request header holds a line break");
    struct curl_slist *more = curl->slist_append(*list, line);
    if (!more)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for request headers");
    *list = more;
    return WCOW_OK;
}

static int make_headers(const struct wcow_curl *curl, const struct wcow_http_request *q,
                        struct curl_slist **list, struct wcow_error *err)
{
    /* Without this curl waits a second for servers that never say "100 Continue". */
    int r = add_line(curl, list, "Expect:", err);
    for (size_t i = 0; r == WCOW_OK && q->headers && i < q->headers->count; i++)
        r = add_line(curl, list, q->headers->items[i], err);
    char range[64];
    (void)snprintf(range, sizeof(range), "Range: bytes=%" PRIu64 "-", q->range_from);
    if (r == WCOW_OK && q->range_from)
        r = add_line(curl, list, range, err);
    if (r < 0 || !q->authorization)
        return r;
    wcow_autobuf line = {0};
    r = wcow_buf_addf(&line, err, "Authorization: %s", q->authorization);
    return r < 0 ? r : add_line(curl, list, (const char *)line.data, err);
}

static void set_method(const struct wcow_curl *curl, CURL *easy, const struct wcow_http_request *q)
{
    if (strcmp(q->method, "HEAD") == 0) {
        (void)curl->easy_setopt(easy, CURLOPT_NOBODY, 1L);
    } else if (q->body) {
        (void)curl->easy_setopt(easy, CURLOPT_UPLOAD, 1L);
        (void)curl->easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)q->body_bytes);
        (void)curl->easy_setopt(easy, CURLOPT_CUSTOMREQUEST, q->method);
    } else if (strcmp(q->method, "GET") != 0) {
        (void)curl->easy_setopt(easy, CURLOPT_POST, 1L);
        (void)curl->easy_setopt(easy, CURLOPT_POSTFIELDSIZE, 0L);
        (void)curl->easy_setopt(easy, CURLOPT_POSTFIELDS, "");
        (void)curl->easy_setopt(easy, CURLOPT_CUSTOMREQUEST, q->method);
    }
}

/* Whether a server asked this thread's transfer for a client's certificate. Not in the exchange,
 * for the connection that remembers the callback outlives that. */
static _Thread_local bool client_cert_asked;

static int on_client_cert_asked(SSL *ssl, void *ctx)
{
    (void)ssl;
    (void)ctx;
    client_cert_asked = true;
    return 1;
}

static CURLcode on_tls_context(CURL *easy, void *tls, void *ctx)
{
    (void)easy;
    (void)ctx;
    SSL_CTX_set_cert_cb(tls, on_client_cert_asked, NULL);
    return CURLE_OK;
}

static void set_client_cert(const struct wcow_curl *curl, CURL *easy,
                            const struct wcow_http_tls *tls)
{
    (void)curl->easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_tls_context);
    if (!tls->client_cert)
        return;
    (void)curl->easy_setopt(easy, CURLOPT_SSLCERT, tls->client_cert);
    (void)curl->easy_setopt(easy, CURLOPT_SSLKEY,
                            tls->client_key ? tls->client_key : tls->client_cert);
}

/* A proxy has no business with this machine's own addresses. */
static void keep_loopback_off_proxies(const struct wcow_curl *curl, CURL *easy, const char *url)
{
    const char *host = strstr(url, "://");
    if (host && wcow_host_is_loopback(host + 3))
        (void)curl->easy_setopt(easy, CURLOPT_PROXY, "");
}

/* A file of the operator's own that is missing must not look like a missing image. */
static int fail_setup(int code, struct wcow_error *err, const char *what)
{
    int r = code == WCOW_E_NOT_FOUND ? WCOW_E_INVALID : code;
    if (err)
        err->code = r;
    return wcow_error_wrap(r, err, "%s", what);
}

/* The files of @p ca beside the system's certificates: curl goes on searching its CAPATH when it is
 * given a blob. */
static int add_ca(struct exchange *x, const struct wcow_str_list *ca)
{
    enum { CA_FILE_MAX = 4 << 20 };
    wcow_autobuf pem = {0};
    for (size_t i = 0; i < ca->count; i++) {
        int r = wcow_file_read(ca->items[i], CA_FILE_MAX, &pem, x->err);
        if (r == WCOW_OK)
            r = wcow_buf_add_str(&pem, "\n", x->err);
        if (r < 0)
            return fail_setup(r, x->err, "CA certificate");
    }
    struct curl_blob blob = {.data = pem.data, .len = pem.len, .flags = CURL_BLOB_COPY};
    if (x->curl->easy_setopt(x->easy, CURLOPT_CAINFO_BLOB, &blob) != CURLE_OK)
        return WCOW_FAIL(x->err, WCOW_E_NOMEM, "out of memory for CA certificates");
    return WCOW_OK;
}

static int set_options(struct exchange *x, char *error_text, struct curl_slist *headers)
{
    CURL *easy = x->easy;
    const struct wcow_curl *curl = x->curl;
    const struct wcow_http_request *q = x->request;
    (void)curl->easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl->easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    /* A cancelled look-up of a name is not waited for. */
    (void)curl->easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    (void)curl->easy_setopt(easy, CURLOPT_ERRORBUFFER, error_text);
    (void)curl->easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)q->connect_timeout_ms);
    (void)curl->easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    (void)curl->easy_setopt(easy, CURLOPT_BUFFERSIZE, 256L << 10);
    (void)curl->easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, 256L << 10);
    (void)curl->easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    (void)curl->easy_setopt(easy, CURLOPT_HEADERDATA, x);
    (void)curl->easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl->easy_setopt(easy, CURLOPT_WRITEDATA, x);
    (void)curl->easy_setopt(easy, CURLOPT_READFUNCTION, on_read);
    (void)curl->easy_setopt(easy, CURLOPT_READDATA, x);
    (void)curl->easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    (void)curl->easy_setopt(easy, CURLOPT_USERAGENT, q->user_agent ? q->user_agent : "wcow");
    (void)curl->easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, q->tls.skip_verify ? 0L : 1L);
    (void)curl->easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, q->tls.skip_verify ? 0L : 2L);
    set_method(curl, easy, q);
    set_client_cert(curl, easy, &q->tls);
    keep_loopback_off_proxies(curl, easy, q->url);
    if (curl->easy_setopt(easy, CURLOPT_URL, q->url) != CURLE_OK)
        return WCOW_FAIL(x->err, WCOW_E_NOMEM, "out of memory for a URL");
    bool more_ca = !q->tls.skip_verify && q->tls.ca && q->tls.ca->count;
    return more_ca ? add_ca(x, q->tls.ca) : WCOW_OK;
}

/* ---- running ---- */

static int64_t now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static bool is_cancelled(const struct wcow_http_request *q)
{
    for (size_t i = 0; i < 2; i++)
        if (q->cancelled[i] && atomic_load(q->cancelled[i]))
            return true;
    return false;
}

/* How much had moved when. */
struct mark {
    uint64_t moved;
    int64_t ms;
};

struct pace {
    struct mark last;   /* when anything moved */
    struct mark window; /* where the time began in which CRAWL_BYTES are to move */
};

/* After the last byte of an upload a server may hash for long. */
static bool is_hashing(const struct exchange *x)
{
    return x->request->body && x->sent == x->request->body_bytes && !x->answered;
}

static long long seconds(int64_t ms)
{
    return (long long)(ms + 999) / 1000;
}

static int check_pace(const struct exchange *x, struct pace *pace)
{
    const struct mark now = {.moved = x->moved, .ms = now_ms()};
    const int64_t stall_ms = x->request->stall_timeout_ms;
    const int64_t crawl_ms = stall_ms * CRAWL_TIMEOUTS;
    const int64_t limit_ms = is_hashing(x) ? crawl_ms : stall_ms;
    if (now.moved != pace->last.moved)
        pace->last = now;
    if (now.ms - pace->last.ms >= limit_ms)
        return WCOW_FAIL(x->err, WCOW_E_DEADLINE, "no byte moved for %lld seconds",
                         seconds(limit_ms));
    if (now.moved - pace->window.moved >= CRAWL_BYTES || is_hashing(x))
        pace->window = now;
    if (now.ms - pace->window.ms >= crawl_ms)
        return WCOW_FAIL(x->err, WCOW_E_DEADLINE, "%llu bytes in %lld seconds are too few",
                         (unsigned long long)(now.moved - pace->window.moved), seconds(crawl_ms));
    return WCOW_OK;
}

static int run(const struct slot *slot, struct exchange *x, CURLcode *ret_code)
{
    const struct wcow_curl *curl = slot->curl;
    struct pace pace = {.last.ms = now_ms()};
    pace.window = pace.last;
    for (;;) {
        int running = 0;
        CURLMcode m = curl->multi_perform(slot->multi, &running);
        if (m != CURLM_OK)
            return WCOW_FAIL(x->err, WCOW_E_INTERNAL, "libcurl: %s", curl->multi_strerror(m));
        if (!running)
            break;
        if (is_cancelled(x->request))
            return WCOW_FAIL(x->err, WCOW_E_CANCELLED, "cancelled");
        int r = check_pace(x, &pace);
        if (r < 0)
            return r;
        (void)curl->multi_poll(slot->multi, NULL, 0, POLL_MS, NULL);
    }
    int left = 0;
    const CURLMsg *msg = curl->multi_info_read(slot->multi, &left);
    *ret_code = msg && msg->msg == CURLMSG_DONE ? msg->data.result : CURLE_RECV_ERROR;
    return WCOW_OK;
}

/* Whether the server misses a client's certificate, or doesn't like the one it got. In TLS 1.3 it
 * says so after the handshake, by an alert and by closing: that breaks what the client is sending,
 * and its side may come to know of the broken connection alone. */
static bool wants_client_cert(const struct exchange *x, CURLcode code, const char *why)
{
    if (code == CURLE_SSL_CONNECT_ERROR || code == CURLE_RECV_ERROR)
        /* in OpenSSL's words */
        if (strstr(why, "alert bad certificate") || strstr(why, "alert certificate required") ||
            strstr(why, "alert unknown ca"))
            return true;
    bool broke = code == CURLE_SSL_CONNECT_ERROR || code == CURLE_RECV_ERROR ||
                 code == CURLE_SEND_ERROR || code == CURLE_GOT_NOTHING || code == CURLE_HTTP2;
    return broke && client_cert_asked && !x->answered && !x->request->tls.client_cert;
}

/* The error that a failed transfer stands for. */
static int fail_of(const struct exchange *x, CURLcode code, const char *text)
{
    const char *why = *text ? text : x->curl->easy_strerror(code);
    if (x->failure)
        return x->failure;
    if (code == CURLE_OUT_OF_MEMORY)
        return WCOW_FAIL(x->err, WCOW_E_NOMEM, "out of memory for a transfer");
    if (code == CURLE_UNSUPPORTED_PROTOCOL && strncasecmp(x->request->url, "http", 4) == 0)
        return WCOW_FAIL(x->err, WCOW_E_UNAVAILABLE, "the server does not speak HTTP (%s)", why);
    if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL)
        return WCOW_FAIL(x->err, WCOW_E_INVALID, "bad URL \"%s\"",
                         wcow_http_shown(x->request->url).text);
    if (code == CURLE_PEER_FAILED_VERIFICATION && strstr(why, "subject name"))
        return WCOW_FAIL(x->err, WCOW_E_DENIED, "the server's certificate is for another name (%s)",
                         why);
    if (code == CURLE_PEER_FAILED_VERIFICATION)
        return WCOW_FAIL(x->err, WCOW_E_DENIED,
                         "the server's certificate is not trusted (%s); put its CA into the "
                         "registry's hosts.toml, or among the system's",
                         why);
    if (wants_client_cert(x, code, why))
        return WCOW_FAIL(
            x->err, WCOW_E_DENIED,
            "the server wants a client's certificate that it knows (%s); name one with "
            "client = [[\"FILE.cert\", \"FILE.key\"]] in the registry's hosts.toml",
            why);
    if (code == CURLE_SSL_CONNECT_ERROR)
        return WCOW_FAIL(x->err, WCOW_E_UNAVAILABLE,
                         "no TLS with the server (%s); where it speaks plain HTTP, say so: "
                         "--plain-http, or http:// in the registry's hosts.toml",
                         why);
    if (code == CURLE_SSL_CACERT_BADFILE || code == CURLE_SSL_CERTPROBLEM)
        return WCOW_FAIL(x->err, WCOW_E_INVALID, "a certificate file cannot be used: %s", why);
    if (code == CURLE_OPERATION_TIMEDOUT)
        return WCOW_FAIL(x->err, WCOW_E_UNAVAILABLE, "no connection in %u ms: %s",
                         x->request->connect_timeout_ms, why);
    return WCOW_FAIL(x->err, WCOW_E_UNAVAILABLE, "%s", why);
}

static int exchange_in(const struct slot *slot, struct exchange *x, struct curl_slist *headers)
{
    char error_text[CURL_ERROR_SIZE] = "";
    int r = set_options(x, error_text, headers);
    if (r < 0)
        return r;
    if (slot->curl->multi_add_handle(slot->multi, slot->easy) != CURLM_OK)
        return WCOW_FAIL(x->err, WCOW_E_INTERNAL, "libcurl takes no more transfers");
    CURLcode code = CURLE_OK;
    client_cert_asked = false;
    r = run(slot, x, &code);
    (void)slot->curl->multi_remove_handle(slot->multi, slot->easy);
    if (r < 0)
        return r;
    if (code != CURLE_OK)
        return fail_of(x, code, error_text);
    long status = 0;
    curl_off_t length = -1;
    (void)x->curl->easy_getinfo(slot->easy, CURLINFO_RESPONSE_CODE, &status);
    (void)x->curl->easy_getinfo(slot->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    x->response->status = (int)status;
    x->response->content_length = length;
    return WCOW_OK;
}

int wcow_http_perform(struct wcow_http *http, const struct wcow_http_request *request,
                      struct wcow_http_response *ret, struct wcow_error *err)
{
    wcow_http_response_done(ret);
    if (is_cancelled(request))
        return WCOW_FAIL(err, WCOW_E_CANCELLED, "cancelled");
    struct slot slot = {0};
    int r = take_slot(http, &slot, err);
    if (r < 0)
        return r;
    struct exchange x = {
        .request = request, .response = ret, .curl = slot.curl, .easy = slot.easy, .err = err};
    const struct wcow_curl *curl = slot.curl;
    struct curl_slist *headers = NULL;
    r = make_headers(curl, request, &headers, err);
    if (r == WCOW_OK)
        r = exchange_in(&slot, &x, headers);
    /* A handle whose transfer broke goes: its connections may be dead, and libcurl 8 does not
     * forget that it could not send a body again. */
    if (r < 0)
        free_slot(&slot);
    else
        give_slot(http, &slot);
    curl->slist_free_all(headers);
    return r;
}
