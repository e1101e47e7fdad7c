/* SPDX-License-Identifier: Apache-2.0 */
/* A file over HTTP (RFC 9110): asked for on condition that it is another one than was known, its
 * bytes into a spool. A transfer that broke goes on by Range where the server says, by If-Range and
 * by what it answers, that the file is still the same; else it begins anew. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "builder/remote.h"
#include "image/http.h"

enum {
    MAX_ATTEMPTS = 3,
    CONNECT_TIMEOUT_MS = 15000,
    STALL_TIMEOUT_MS = 30000,
    RETRY_DELAY_MS = 500,
    PROGRESS_BYTES = 16 << 10, /* what an attempt has to bring to count as none */
};

struct fetching {
    const struct wcow_remote_fetch *fetch;
    struct wcow_http *http;
    struct wcow_spool *spool;
    uint64_t received;
    struct wcow_remote_known said; /* by the answer whose bytes are in the spool */
    int64_t retry_after_ms;
    bool is_known;
    bool is_other;  /* what is in the spool is not what the server has now */
    bool no_ranges; /* one that it sent was wrong */
};

static void fetching_done(struct fetching *f)
{
    wcow_http_free(f->http);
    wcow_spool_free(f->spool);
    wcow_remote_known_done(&f->said);
}

static int take_bytes(void *ctx, const void *data, size_t len, struct wcow_error *err)
{
    struct fetching *f = ctx;
    f->received += len;
    if (f->fetch->progress)
        f->fetch->progress(f->fetch->progress_ctx, f->received);
    return wcow_spool_add(f->spool, data, len, err);
}

/* ---- redirects ---- */

static int follow(char **url, const struct wcow_http_response *response, struct wcow_error *err)
{
    char *next = NULL;
    if (!response->location)
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "%s: a redirect that leads nowhere",
                         wcow_http_shown(*url).text);
    int r = wcow_http_resolve_url(*url, response->location, &next, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "redirect of %s", wcow_http_shown(*url).text);
    if (strncasecmp(*url, "https://", 8) == 0 && strncasecmp(next, "https://", 8) != 0) {
        r = WCOW_FAIL(err, WCOW_E_DENIED, "%s redirects to %s, which is without TLS",
                      wcow_http_shown(*url).text, wcow_http_shown(next).text);
        free(next);
        return r;
    }
    free(*url);
    *url = next;
    return WCOW_OK;
}

/* The address without login and query, where signatures stand that are others each time. */
static int place_of(const char *url, struct wcow_digest *ret, struct wcow_error *err)
{
    wcow_autobuf place = {0};
    const char *host = strstr(url, "://");
    host = host ? host + 3 : url;
    size_t authority = strcspn(host, "/?#");
    const char *at = memrchr(host, '@', authority);
    int r = wcow_buf_add(&place, url, (size_t)(host - url), err);
    host = at ? at + 1 : host;
    if (r == WCOW_OK)
        r = wcow_buf_add(&place, host, strcspn(host, "?#"), err);
    return r < 0 ? r : wcow_digest_of(place.data, place.len, ret, err);
}

/* ---- one request ---- */

/* What stands for the file byte by byte; NULL where there is nothing of the kind. */
static const char *validator_of(const struct wcow_remote_known *said)
{
    if (said->etag && strncmp(said->etag, "W/", 2) != 0)
        return said->etag;
    return wcow_remote_date_counts(said) ? said->modified : NULL;
}

static int add_header(struct wcow_str_list *headers, const char *name, const char *value,
                      struct wcow_error *err)
{
    wcow_autobuf line = {0};
    int r = wcow_buf_addf(&line, err, "%s: %s", name, value);
    return r < 0 ? r : wcow_str_list_add(headers, (const char *)line.data, err);
}

/* 1 where the answer may be that nothing changed. */
static int add_conditions(const struct fetching *f, const char *url, struct wcow_str_list *headers,
                          struct wcow_error *err)
{
    const struct wcow_remote_known *known = f->fetch->known;
    struct wcow_digest place;
    if (f->received) {
        int r = add_header(headers, "If-Range", validator_of(&f->said), err);
        return r < 0 ? r : 0;
    }
    if (!known || (!known->etag && !known->modified))
        return 0;
    int r = place_of(url, &place, err);
    if (r < 0 || strcmp(place.text, known->place.text) != 0)
        return r < 0 ? r : 0;
    r = known->etag ? add_header(headers, "If-None-Match", known->etag, err)
                    : add_header(headers, "If-Modified-Since", known->modified, err);
    return r < 0 ? r : 1;
}

static bool is_same(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

static void keep(char **to, char **from)
{
    free(*to);
    *to = WCOW_TAKE_PTR(*from);
}

/* What an answer with bytes says of the file; of one that goes on, whether it is the same. */
static int take_said(struct fetching *f, const char *url, bool goes_on,
                     struct wcow_http_response *response, struct wcow_error *err)
{
    if (goes_on) {
        f->is_other = !is_same(response->etag, f->said.etag) ||
                      !is_same(response->last_modified, f->said.modified);
        return WCOW_OK;
    }
    f->said.mtime_s = 0;
    if (!wcow_http_date(response->last_modified, &f->said.mtime_s) || f->said.mtime_s < 0)
        f->said.mtime_s = 0;
    keep(&f->said.etag, &response->etag);
    keep(&f->said.modified, &response->last_modified);
    return place_of(url, &f->said.place, err);
}

static int status_error(const char *url, int status, struct wcow_error *err)
{
    int code = WCOW_E_IO;
    if (status == 404 || status == 410)
        code = WCOW_E_NOT_FOUND;
    else if (status == 401 || status == 403)
        code = WCOW_E_DENIED;
    else if (status == 408 || status == 429 || status >= 500)
        code = WCOW_E_UNAVAILABLE;
    return WCOW_FAIL(err, code, "%s: the server answered with status %d", wcow_http_shown(url).text,
                     status);
}

/* Whether as many bytes came as the answer that came last speaks of. */
static bool is_whole(const struct fetching *f, const struct wcow_http_response *response)
{
    if (response->status == 206)
        return !response->range_total || response->range_total == f->received;
    return response->content_length < 0 || (uint64_t)response->content_length == f->received;
}

/* What the end of a request comes to. */
static int judge(struct fetching *f, const char *url, bool may_be_known, bool goes_on,
                 const struct wcow_http_response *response, struct wcow_error *err)
{
    const int status = response->status;
    f->retry_after_ms = wcow_http_retry_after_ms(response->retry_after, time(NULL));
    if (status == 304 && may_be_known) {
        f->is_known = true;
        return WCOW_OK;
    }
    if (status == 416 && goes_on)
        f->is_other = true;
    else if (status != 200 && (status != 206 || !goes_on))
        return status_error(url, status, err);
    if (f->is_other || !is_whole(f, response)) {
        f->is_other = true;
        return WCOW_FAIL(err, WCOW_E_UNAVAILABLE, "%s: the file changed while it was fetched",
                         wcow_http_shown(url).text);
    }
    return WCOW_OK;
}

/* One request. *ret_again: another place has the file, whose address *url is then. */
static int ask(struct fetching *f, char **url, bool *ret_again, struct wcow_error *err)
{
    const struct wcow_sink sink = {.write = take_bytes, .ctx = f};
    const bool goes_on = f->received > 0;
    wcow_auto_str_list headers = {0};
    wcow_auto_response response = {0};
    int conditional = add_conditions(f, *url, &headers, err);
    if (conditional < 0)
        return conditional;
    const struct wcow_http_request request = {.method = "GET",
                                              .url = *url,
                                              .headers = &headers,
                                              .user_agent = "wcow",
                                              .sink = &sink,
                                              .body_max_bytes = 1 << 20,
                                              .range_from = f->received,
                                              .connect_timeout_ms = CONNECT_TIMEOUT_MS,
                                              .stall_timeout_ms = STALL_TIMEOUT_MS,
                                              .cancelled = {f->fetch->cancel, NULL}};
    int r = wcow_http_perform(f->http, &request, &response, err);
    if (r < 0)
        (void)wcow_error_wrap(r, err, "%s", wcow_http_shown(*url).text);
    if (r == WCOW_E_CORRUPT && goes_on) {
        f->is_other = true;
        f->no_ranges = true;
    }
    *ret_again = r == WCOW_OK && wcow_http_is_redirect(response.status);
    if (*ret_again)
        return follow(url, &response, err);
    bool has_bytes = response.delivered_bytes || response.status == 200 || response.status == 206;
    int said = has_bytes ? take_said(f, *url, goes_on, &response, err) : WCOW_OK;
    if (r < 0 || said < 0)
        return r < 0 ? r : said;
    return judge(f, *url, conditional == 1, goes_on, &response, err);
}

/* One attempt, redirects and all. */
static int attempt(struct fetching *f, struct wcow_error *err)
{
    wcow_autofree char *url = strdup(f->fetch->url);
    if (!url)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a URL");
    url[strcspn(url, "#")] = '\0';
    f->retry_after_ms = 0;
    for (int i = 0; i <= WCOW_HTTP_REDIRECTS_MAX; i++) {
        bool again = false;
        int r = ask(f, &url, &again, err);
        if (r < 0 || !again)
            return r;
    }
    return WCOW_FAIL(err, WCOW_E_LIMIT, "%s: more than %d redirects",
                     wcow_http_shown(f->fetch->url).text, WCOW_HTTP_REDIRECTS_MAX);
}

/* ---- all attempts ---- */

/* Keep what there is where the transfer may go on behind it. */
static int prepare(struct fetching *f, struct wcow_error *err)
{
    if (f->received && !f->is_other && !f->no_ranges && validator_of(&f->said))
        return WCOW_OK;
    wcow_spool_free(f->spool);
    f->spool = NULL;
    f->received = 0;
    f->is_other = false;
    int r = wcow_spool_new(&f->spool, err);
    return r < 0 ? r : wcow_spool_begin(f->spool, err);
}

static int get(struct fetching *f, struct wcow_error *err)
{
    const unsigned delay_ms = f->fetch->retry_delay_ms ? f->fetch->retry_delay_ms : RETRY_DELAY_MS;
    const atomic_bool *const cancelled[] = {f->fetch->cancel, NULL};
    unsigned tried = 0;
    for (;;) {
        int r = prepare(f, err);
        if (r < 0)
            return r;
        uint64_t before = f->received;
        r = attempt(f, err);
        /* A transfer that moves on is not giving up, however often it breaks. */
        bool moved = !f->is_other && validator_of(&f->said) && !f->no_ranges &&
                     f->received - before >= PROGRESS_BYTES;
        tried = moved ? 1 : tried + 1;
        bool again = r == WCOW_E_UNAVAILABLE || r == WCOW_E_DEADLINE || f->is_other;
        if (r == WCOW_OK || !again || tried >= MAX_ATTEMPTS)
            return r;
        int64_t pause_ms = (int64_t)delay_ms << (tried - 1);
        if (f->retry_after_ms > pause_ms)
            pause_ms = f->retry_after_ms;
        r = wcow_http_pause(pause_ms, cancelled, err);
        if (r < 0)
            return r;
    }
}

int wcow_remote_check(const char *url, const char *checksum, const struct wcow_digest *digest,
                      struct wcow_error *err)
{
    return strcasecmp(digest->text, checksum) == 0
               ? WCOW_OK
               : WCOW_FAIL(err, WCOW_E_DATA_LOSS, "%s has the digest %s, not %s as --checksum says",
                           wcow_http_shown(url).text, digest->text, checksum);
}

/* What came, or what was known, as the file. */
static int take_file(struct fetching *f, struct wcow_remote_file *ret, struct wcow_error *err)
{
    ret->is_known = f->is_known;
    if (f->is_known) {
        ret->mtime_s = f->fetch->known->mtime_s;
        ret->said.digest = f->fetch->known->digest;
        return WCOW_OK;
    }
    int r = wcow_spool_end(f->spool, &ret->payload, &ret->size_bytes, err);
    if (r == WCOW_OK)
        r = wcow_payload_digest(&ret->payload, &f->said.digest, err);
    ret->spool = WCOW_TAKE_PTR(f->spool);
    ret->mtime_s = f->said.mtime_s;
    ret->said = f->said;
    f->said = (struct wcow_remote_known){0};
    return r;
}

int wcow_remote_get(const struct wcow_remote_fetch *fetch, struct wcow_remote_file *ret,
                    struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_remote_file_done) struct wcow_remote_file file = {0};
    WCOW_CLEANUP(fetching_done) struct fetching f = {.fetch = fetch};
    if (fetch->checksum && !wcow_digest_is_valid(fetch->checksum))
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "--checksum=%s is no digest: it is sha256: and 64 hexadecimal digits",
                         fetch->checksum);
    int r = wcow_remote_name(fetch->url, &file.name, err);
    if (r == WCOW_OK)
        r = wcow_http_new(&f.http, err);
    if (r == WCOW_OK)
        r = get(&f, err);
    if (r == WCOW_OK)
        r = take_file(&f, &file, err);
    if (r == WCOW_OK && fetch->checksum)
        r = wcow_remote_check(fetch->url, fetch->checksum, &file.said.digest, err);
    if (r < 0)
        return r;
    *ret = file;
    file = (struct wcow_remote_file){0};
    return WCOW_OK;
}
