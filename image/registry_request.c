/* SPDX-License-Identifier: Apache-2.0 */
/** @file registry_request.c
 *  One API call with what it takes to get it through: authentication, redirects without
 *  credentials, attempts with growing pauses, resumed bodies. */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "image/registry_private.h"

enum {
    PAUSE_MAX_MS = 30000,
    MIRROR_RETRY_AFTER_MAX_MS = 3000,
};

/* Progress of one request as that of the whole transfer. */
struct progress {
    const struct wcow_call *call;
};

static void on_progress(void *ctx, uint64_t sent, uint64_t received)
{
    const struct progress *p = ctx;
    const struct wcow_call *call = p->call;
    if (!call->transfer || !call->transfer->progress)
        return;
    if (call->sink)
        call->transfer->progress(call->transfer->ctx, call->offset + received, call->total_bytes);
    else if (call->reader)
        call->transfer->progress(call->transfer->ctx, call->reader_offset + sent,
                                 call->total_bytes);
}

static const atomic_bool *cancel_of(const struct wcow_call *call)
{
    return call->transfer ? call->transfer->cancelled : NULL;
}

/* Send one request to one URL, whose server is the call's own or (@p foreign) another one, which
 * is told nothing that was meant for the first. */
static int send_once(struct wcow_registry *registry, struct wcow_call *call, const char *url,
                     bool foreign, const char *authorization, struct wcow_http_response *ret,
                     struct wcow_error *err)
{
    wcow_auto_str_list headers = {0};
    int r = wcow_str_list_copy(&headers, &call->headers, err);
    const struct wcow_str_map *own = &call->host->headers;
    for (size_t i = 0; r == WCOW_OK && !foreign && i < own->count; i++) {
        wcow_autobuf line = {0};
        r = wcow_buf_addf(&line, err, "%s: %s", own->pairs[i].key, own->pairs[i].value);
        if (r == WCOW_OK)
            r = wcow_str_list_add(&headers, (const char *)line.data, err);
    }
    struct wcow_source body = {0};
    if (r == WCOW_OK && call->reader)
        r = call->reader->open(call->reader->ctx, call->reader_offset, &body, err);
    if (r < 0)
        return r;
    struct progress progress = {.call = call};
    const struct wcow_host *host = call->host;
    struct wcow_http_request request = {
        .method = call->method,
        .url = url,
        .headers = &headers,
        .authorization = foreign ? NULL : authorization,
        .user_agent = registry->user_agent,
        .body = call->reader ? &body : NULL,
        .body_bytes = call->body_bytes,
        .sink = call->sink,
        .body_max_bytes = call->body_max_bytes,
        .range_from = call->offset,
        .total_bytes = call->total_bytes,
        .tls = {.skip_verify = foreign ? registry->options.skip_verify : host->skip_verify,
                .ca = foreign ? &registry->extra_ca : &host->ca,
                .client_cert = foreign ? NULL : host->client_cert,
                .client_key = foreign ? NULL : host->client_key},
        .connect_timeout_ms = registry->options.connect_timeout_ms,
        .stall_timeout_ms = registry->options.stall_timeout_ms,
        .cancelled = {registry->options.cancelled, cancel_of(call)},
        .progress = on_progress,
        .progress_ctx = &progress,
    };
    r = wcow_http_perform(registry->http, &request, ret, err);
    if (call->reader && call->reader->close)
        call->reader->close(call->reader->ctx);
    call->offset += ret->delivered_bytes;
    return r;
}

/* The next URL of a redirect, and whether it is another server's. */
static int follow(const struct wcow_call *call, const struct wcow_http_response *response,
                  char **url, bool *foreign, struct wcow_error *err)
{
    wcow_autofree char *next = NULL;
    bool is_own = false;
    if (!response->location)
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "HTTP %d without a Location", response->status);
    int r = wcow_http_resolve_url(*url, response->location, &next, err);
    if (r == WCOW_OK)
        r = wcow_http_same_origin(call->url, next, &is_own, err);
    if (r != WCOW_OK)
        return r;
    if (strncmp(*url, "https:", 6) == 0 && strncmp(next, "https:", 6) != 0)
        return WCOW_FAIL(err, WCOW_E_DENIED, "a redirect from https to plain http is refused");
    *foreign = !is_own;
    free(*url);
    *url = WCOW_TAKE_PTR(next);
    return WCOW_OK;
}

static int send_following(struct wcow_registry *registry, struct wcow_call *call,
                          const char *authorization, struct wcow_http_response *ret,
                          struct wcow_error *err)
{
    wcow_autofree char *url = strdup(call->url);
    if (!url)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a URL");
    bool foreign = false;
    for (int hop = 0; hop <= WCOW_HTTP_REDIRECTS_MAX; hop++) {
        int r = send_once(registry, call, url, foreign, authorization, ret, err);
        if (r < 0 || !call->follow || !wcow_http_is_redirect(ret->status))
            return r;
        r = follow(call, ret, &url, &foreign, err);
        if (r < 0)
            return r;
    }
    return WCOW_FAIL(err, WCOW_E_CORRUPT, "more than %d redirects", WCOW_HTTP_REDIRECTS_MAX);
}

/* Send with what is known; after a 401 log in and send once more. */
static int send_authenticated(struct wcow_registry *registry, struct wcow_call *call,
                              struct wcow_http_response *ret, struct wcow_error *err)
{
    if (!call->scope)
        return send_following(registry, call, call->authorization, ret, err);
    wcow_autosecret *known = NULL;
    wcow_autosecret *fresh = NULL;
    int r = wcow_registry_known_authorization(registry, call, &known, err);
    if (r == WCOW_OK)
        r = send_following(registry, call, known, ret, err);
    if (r < 0 || ret->status != 401)
        return r;
    call->has_login = known != NULL;
    r = wcow_registry_authenticate(registry, call, &ret->challenges, &fresh, err);
    return r < 0 || !fresh ? r : send_following(registry, call, fresh, ret, err);
}

/* The first pause, doubled for each attempt, up to a quarter longer so that many clients do not
 * come back together; never shorter than the server asks for. */
static int64_t pause_ms(const struct wcow_registry *registry, unsigned attempt,
                        const struct wcow_http_response *response)
{
    int64_t pause = registry->options.retry_delay_ms;
    for (unsigned i = 1; i < attempt && pause < PAUSE_MAX_MS; i++)
        pause *= 2;
    if (pause > PAUSE_MAX_MS)
        pause = PAUSE_MAX_MS;
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    pause += pause / 4 * (t.tv_nsec % 1000) / 1000;
    int64_t asked = wcow_http_retry_after_ms(response->retry_after, time(NULL));
    return asked > pause ? asked : pause;
}

int wcow_registry_pause(const struct wcow_registry *registry, const struct wcow_transfer *transfer,
                        unsigned tried, const struct wcow_http_response *answer,
                        struct wcow_error *err)
{
    const atomic_bool *const cancelled[] = {registry->options.cancelled,
                                            transfer ? transfer->cancelled : NULL};
    return wcow_http_pause(pause_ms(registry, tried, answer), cancelled, err);
}

static bool status_is_passing(int status)
{
    return status == 408 || status == 429 || status == 500 || status == 502 || status == 503 ||
           status == 504;
}

/* One attempt: WCOW_OK with *ret_again set when the answer or the failure is worth another. */
static int attempt(struct wcow_registry *registry, struct wcow_call *call,
                   struct wcow_http_response *ret, bool *ret_again, struct wcow_error *err)
{
    int r = send_authenticated(registry, call, ret, err);
    *ret_again = r == WCOW_E_UNAVAILABLE || r == WCOW_E_DEADLINE;
    if (r < 0)
        return r;
    if (status_is_passing(ret->status)) {
        /* Rather the next server than a mirror that wants much time. */
        int64_t asked = wcow_http_retry_after_ms(ret->retry_after, time(NULL));
        *ret_again = !call->host->is_mirror || asked <= MIRROR_RETRY_AFTER_MAX_MS;
        return wcow_registry_fail(call, ret, err);
    }
    bool success = ret->status == 200 || ret->status == 206;
    if (call->sink && success && call->offset < call->total_bytes) {
        *ret_again = true;
        return WCOW_FAIL(err, WCOW_E_UNAVAILABLE,
                         "the transfer ended after %" PRIu64 " of %" PRIu64 " bytes", call->offset,
                         call->total_bytes);
    }
    return WCOW_OK;
}

int wcow_registry_call(struct wcow_registry *registry, struct wcow_call *call,
                       struct wcow_http_response *ret, struct wcow_error *err)
{
    unsigned max = call->max_attempts ? call->max_attempts : registry->options.max_attempts;
    unsigned tried = 0;
    for (;;) {
        uint64_t before = call->offset;
        bool again = false;
        struct wcow_error why = {0};
        int r = attempt(registry, call, ret, &again, &why);
        /* A transfer that moves on is not giving up, however often it breaks. */
        tried = call->offset - before >= WCOW_MOVED_ON_BYTES ? 1 : tried + 1;
        bool whole = call->sink && call->total_bytes && call->offset == call->total_bytes;
        if (r < 0 && whole && again) {
            ret->status = 200; /* the connection broke behind the last byte */
            return WCOW_OK;
        }
        if (r == WCOW_OK || !again || tried >= max) {
            if (r < 0 && err)
                *err = why;
            bool told = r < 0 && status_is_passing(ret->status);
            return r < 0 && !told ? wcow_registry_wrap(call, r, err) : r;
        }
        r = wcow_registry_pause(registry, call->transfer, tried, ret, err);
        if (r < 0)
            return wcow_registry_wrap(call, r, err);
    }
}
