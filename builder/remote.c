/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/remote.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "image/http.h"

enum {
    MAX_REDIRECTS = 10,
    MAX_ATTEMPTS = 3,
    CONNECT_TIMEOUT_MS = 15000,
    STALL_TIMEOUT_MS = 30000,
    RETRY_DELAY_MS = 500,
};

bool wcow_remote_is_http(const char *source)
{
    return strncasecmp(source, "http://", 7) == 0 || strncasecmp(source, "https://", 8) == 0;
}

void wcow_remote_file_done(struct wcow_remote_file *file)
{
    free(file->name);
    wcow_payload_done(&file->payload);
    wcow_spool_free(file->spool);
    *file = (struct wcow_remote_file){0};
}

/* ---- its name ---- */

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void unescape(char *text)
{
    char *out = text;
    for (const char *p = text; *p; p++) {
        bool is_escape = *p == '%' && hex(p[1]) >= 0 && hex(p[2]) >= 0;
        int byte = is_escape ? hex(p[1]) * 16 + hex(p[2]) : 0;
        if (byte > 0) {
            *out++ = (char)byte;
            p += 2;
        } else {
            *out++ = *p;
        }
    }
    *out = '\0';
}

int wcow_remote_name(const char *url, char **ret, struct wcow_error *err)
{
    const char *path = strstr(url, "://");
    path = path ? path + 3 : url;
    path += strcspn(path, "/?#");
    size_t len = strcspn(path, "?#");
    while (len > 0 && path[len - 1] == '/')
        len--;
    size_t start = len;
    while (start > 0 && path[start - 1] != '/')
        start--;
    char *name = strndup(path + start, len - start);
    if (!name)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a URL");
    unescape(name);
    /* What was an escaped separator is none in a name. */
    if (!*name || strpbrk(name, "/\\") || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
        free(name);
        name = strdup("__unnamed__");
    }
    *ret = name;
    return name ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a URL");
}

/* ---- its bytes ---- */

struct fetching {
    const struct wcow_remote_fetch *fetch;
    struct wcow_http *http;
    struct wcow_spool *spool;
    uint64_t received;
};

static int take_bytes(void *ctx, const void *data, size_t len, struct wcow_error *err)
{
    struct fetching *f = ctx;
    f->received += len;
    if (f->fetch->progress)
        f->fetch->progress(f->fetch->progress_ctx, f->received);
    return wcow_spool_add(f->spool, data, len, err);
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

static bool is_redirect(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

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

static int64_t time_of(const char *http_date)
{
    struct tm tm = {0};
    if (!http_date || !strptime(http_date, "%a, %d %b %Y %H:%M:%S GMT", &tm))
        return 0;
    int64_t time = timegm(&tm);
    return time > 0 ? time : 0;
}

/* One attempt, redirects and all. */
static int attempt(struct fetching *f, int64_t *ret_mtime_s, struct wcow_error *err)
{
    wcow_autofree char *url = strdup(f->fetch->url);
    if (!url)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a URL");
    url[strcspn(url, "#")] = '\0';
    const struct wcow_sink sink = {.write = take_bytes, .ctx = f};
    for (int i = 0; i <= MAX_REDIRECTS; i++) {
        wcow_auto_response response = {0};
        const struct wcow_http_request request = {.method = "GET",
                                                  .url = url,
                                                  .user_agent = "wcow",
                                                  .sink = &sink,
                                                  .body_max_bytes = 1 << 20,
                                                  .connect_timeout_ms = CONNECT_TIMEOUT_MS,
                                                  .stall_timeout_ms = STALL_TIMEOUT_MS,
                                                  .cancelled = {f->fetch->cancel, NULL}};
        int r = wcow_http_perform(f->http, &request, &response, err);
        if (r < 0)
            return wcow_error_wrap(r, err, "%s", wcow_http_shown(url).text);
        if (is_redirect(response.status)) {
            r = follow(&url, &response, err);
            if (r < 0)
                return r;
            continue;
        }
        if (response.status != 200)
            return status_error(url, response.status, err);
        *ret_mtime_s = time_of(response.last_modified);
        return WCOW_OK;
    }
    return WCOW_FAIL(err, WCOW_E_LIMIT, "%s: more than %d redirects",
                     wcow_http_shown(f->fetch->url).text, MAX_REDIRECTS);
}

static void wait_ms(unsigned ms)
{
    const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    (void)nanosleep(&pause, NULL);
}

static int get(struct fetching *f, struct wcow_remote_file *ret, struct wcow_error *err)
{
    unsigned delay = f->fetch->retry_delay_ms ? f->fetch->retry_delay_ms : RETRY_DELAY_MS;
    int r = WCOW_OK;
    for (int i = 0; i < MAX_ATTEMPTS; i++) {
        if (i > 0)
            wait_ms(delay << (i - 1));
        wcow_spool_free(f->spool);
        f->spool = NULL;
        f->received = 0;
        r = wcow_spool_new(&f->spool, err);
        if (r == WCOW_OK)
            r = wcow_spool_begin(f->spool, err);
        if (r == WCOW_OK)
            r = attempt(f, &ret->mtime_s, err);
        if (r != WCOW_E_UNAVAILABLE && r != WCOW_E_DEADLINE)
            break;
    }
    return r < 0 ? r : wcow_spool_end(f->spool, &ret->payload, &ret->size_bytes, err);
}

static int check(const struct wcow_remote_fetch *fetch, const struct wcow_remote_file *file,
                 struct wcow_error *err)
{
    struct wcow_digest digest = {0};
    int r = wcow_payload_digest(&file->payload, &digest, err);
    if (r < 0 || strcasecmp(digest.text, fetch->checksum) == 0)
        return r < 0 ? r : WCOW_OK;
    return WCOW_FAIL(err, WCOW_E_DATA_LOSS, "%s has the digest %s, not %s as --checksum says",
                     fetch->url, digest.text, fetch->checksum);
}

int wcow_remote_get(const struct wcow_remote_fetch *fetch, struct wcow_remote_file *ret,
                    struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_remote_file_done) struct wcow_remote_file file = {0};
    WCOW_CLEANUP(wcow_http_free_p) struct wcow_http *http = NULL;
    if (fetch->checksum && !wcow_digest_is_valid(fetch->checksum))
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "--checksum=%s is no digest: it is sha256: and 64 hexadecimal digits",
                         fetch->checksum);
    int r = wcow_remote_name(fetch->url, &file.name, err);
    if (r == WCOW_OK)
        r = wcow_http_new(&http, err);
    if (r < 0)
        return r;
    struct fetching f = {.fetch = fetch, .http = http};
    r = get(&f, &file, err);
    file.spool = f.spool;
    if (r == WCOW_OK && fetch->checksum)
        r = check(fetch, &file, err);
    if (r < 0)
        return r;
    *ret = file;
    file = (struct wcow_remote_file){0};
    return WCOW_OK;
}
