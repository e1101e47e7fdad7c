/* SPDX-License-Identifier: Apache-2.0 */
/** @file registry_upload.c
 *  The bytes of a blob on their way up (distribution-spec v1.1, "Pushing a blob in chunks"): whole
 *  or in pieces, and what broke goes on where the session's GET says that it broke. A registry that
 *  tells nothing of the kind, or that was wrong once, gets the blob from its beginning. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "image/registry_upload.h"

enum { CHUNK_BYTES = 16 << 20 };

void wcow_upload_done(struct wcow_upload *u)
{
    free(u->scope);
    free(u->location);
    wcow_http_response_done(&u->answer);
}

struct wcow_call wcow_upload_call(const struct wcow_upload *u, const char *method, const char *url)
{
    return (struct wcow_call){.host = u->host,
                              .ref = u->ref,
                              .what = u->what,
                              .method = method,
                              .url = url,
                              .scope = u->scope,
                              .body_max_bytes = WCOW_HTTP_ERROR_BODY_MAX,
                              .transfer = u->push ? u->push->transfer : NULL,
                              .follow = true};
}

int wcow_upload_is_there(const struct wcow_upload *u, const char *digest, bool *ret,
                         struct wcow_error *err)
{
    char path[16 + WCOW_DIGEST_LEN];
    (void)snprintf(path, sizeof(path), "blobs/%s", digest);
    wcow_autofree char *url = NULL;
    int r = wcow_registry_url(u->host, u->ref, path, &url, err);
    if (r < 0)
        return r;
    struct wcow_call call = wcow_upload_call(u, "HEAD", url);
    wcow_auto_response response = {0};
    r = wcow_registry_call(u->registry, &call, &response, err);
    if (r < 0)
        return r;
    if (response.status != 200 && response.status != 404)
        return wcow_registry_fail(&call, &response, err);
    *ret = response.status == 200;
    return WCOW_OK;
}

/* Take the session's new place from an answer. */
static int keep_location(struct wcow_upload *u, const char *base,
                         const struct wcow_http_response *response, struct wcow_error *err)
{
    if (!response->location)
        return WCOW_FAIL(err, WCOW_E_CORRUPT,
                         "%s/%s: %s: the registry gave no Location to upload to", u->ref->host,
                         u->ref->repository, u->what);
    wcow_autofree char *location = NULL;
    int r = wcow_http_resolve_url(base, response->location, &location, err);
    if (r < 0)
        return r;
    free(u->location);
    u->location = WCOW_TAKE_PTR(location);
    if (response->chunk_min_length)
        u->chunk_min_bytes = strtoull(response->chunk_min_length, NULL, 10);
    return WCOW_OK;
}

int wcow_upload_start(struct wcow_upload *u, const char *mount_query, bool *ret_mounted,
                      struct wcow_error *err)
{
    wcow_autofree char *path = NULL;
    wcow_autofree char *url = NULL;
    if (asprintf(&path, "blobs/uploads/%s%s", mount_query ? "?" : "",
                 mount_query ? mount_query : "") < 0)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a URL");
    int r = wcow_registry_url(u->host, u->ref, path, &url, err);
    if (r < 0)
        return r;
    struct wcow_call call = wcow_upload_call(u, "POST", url);
    wcow_auto_response response = {0};
    r = wcow_registry_call(u->registry, &call, &response, err);
    if (r < 0)
        return r;
    *ret_mounted = response.status == 201;
    if (response.status == 201)
        return WCOW_OK;
    return response.status == 202 ? keep_location(u, url, &response, err)
                                  : wcow_registry_fail(&call, &response, err);
}

void wcow_upload_drop(struct wcow_upload *u)
{
    struct wcow_call call = wcow_upload_call(u, "DELETE", u->location);
    call.max_attempts = 1;
    wcow_auto_response response = {0};
    struct wcow_error ignored = {0};
    bool is_own = false;
    if (wcow_http_same_origin(u->location, u->host->url, &is_own, &ignored) == WCOW_OK && is_own)
        (void)!wcow_registry_call(u->registry, &call, &response, &ignored);
    free(u->location);
    u->location = NULL;
}

/* A request to the session, whose answer is kept in @p u. When it lies on another server, that one
 * gets no credentials. */
static int call_session(struct wcow_upload *u, struct wcow_call *call, struct wcow_error *err)
{
    bool is_own = false;
    struct wcow_host stranger = {.url = u->host->url,
                                 .authority = u->host->authority,
                                 .ca = u->registry->extra_ca,
                                 .skip_verify = u->registry->options.skip_verify};
    wcow_http_response_done(&u->answer);
    int r = wcow_http_same_origin(call->url, u->host->url, &is_own, err);
    if (r < 0)
        return r;
    if (!is_own) {
        call->host = &stranger;
        call->scope = NULL;
    }
    /* What broke is not sent again before the session was asked what it holds. */
    call->max_attempts = 1;
    r = wcow_registry_call(u->registry, call, &u->answer, err);
    call->host = u->host;
    return r;
}

/* PUT with the digest: the end of the session, with @p reader's bytes or without any. */
static int put(struct wcow_upload *u, const struct wcow_blob_reader *reader, struct wcow_error *err)
{
    wcow_autofree char *url = NULL;
    wcow_auto_str_list headers = {0};
    if (asprintf(&url, "%s%cdigest=%s", u->location, strchr(u->location, '?') ? '&' : '?',
                 u->push->desc->digest.text) < 0)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a URL");
    struct wcow_call call = wcow_upload_call(u, "PUT", url);
    if (reader) {
        int r = wcow_str_list_add(&headers, "Content-Type: application/octet-stream", err);
        if (r < 0)
            return r;
        call.headers = headers;
        call.reader = reader;
        call.body_bytes = u->push->desc->size_bytes;
        call.total_bytes = u->push->desc->size_bytes;
    }
    int r = call_session(u, &call, err);
    if (r < 0)
        return r;
    return u->answer.status == 201 || u->answer.status == 204
               ? WCOW_OK
               : wcow_registry_fail(&call, &u->answer, err);
}

/* ---- in pieces ---- */

/* A reader that stops after so many bytes. */
struct piece {
    const struct wcow_blob_reader *reader;
    struct wcow_source source;
    uint64_t size_bytes;
    uint64_t left_bytes;
};

static int piece_next(void *ctx, const uint8_t **ret_data, size_t *ret_len, struct wcow_error *err)
{
    struct piece *piece = ctx;
    if (!piece->left_bytes) {
        *ret_len = 0;
        return WCOW_OK;
    }
    int r = wcow_source_next(&piece->source, ret_data, ret_len, err);
    if (r < 0)
        return r;
    if (*ret_len > piece->left_bytes)
        *ret_len = (size_t)piece->left_bytes;
    piece->left_bytes -= *ret_len;
    return WCOW_OK;
}

static int piece_open(void *ctx, uint64_t offset, struct wcow_source *ret, struct wcow_error *err)
{
    struct piece *piece = ctx;
    int r = piece->reader->open(piece->reader->ctx, offset, &piece->source, err);
    if (r < 0)
        return r;
    piece->left_bytes = piece->size_bytes;
    *ret = (struct wcow_source){.next = piece_next, .ctx = piece};
    return WCOW_OK;
}

static void piece_close(void *ctx)
{
    const struct piece *piece = ctx;
    if (piece->reader->close)
        piece->reader->close(piece->reader->ctx);
}

/* The next @p len bytes. */
static int patch(struct wcow_upload *u, uint64_t len, struct wcow_error *err)
{
    struct piece piece = {.reader = u->push->reader, .size_bytes = len};
    struct wcow_blob_reader reader = {.open = piece_open, .close = piece_close, .ctx = &piece};
    wcow_auto_str_list headers = {0};
    char range[80];
    (void)snprintf(range, sizeof(range), "Content-Range: %" PRIu64 "-%" PRIu64, u->stored_bytes,
                   u->stored_bytes + len - 1);
    int r = wcow_str_list_add(&headers, "Content-Type: application/octet-stream", err);
    if (r == WCOW_OK)
        r = wcow_str_list_add(&headers, range, err);
    if (r != WCOW_OK)
        return r;
    wcow_autofree char *url = strdup(u->location);
    if (!url)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a URL");
    struct wcow_call call = wcow_upload_call(u, "PATCH", url);
    call.headers = headers;
    call.reader = &reader;
    call.reader_offset = u->stored_bytes;
    call.body_bytes = len;
    call.total_bytes = u->push->desc->size_bytes;
    r = call_session(u, &call, err);
    if (r < 0)
        return r;
    if (u->answer.status != 202)
        return wcow_registry_fail(&call, &u->answer, err);
    u->stored_bytes += len;
    return keep_location(u, url, &u->answer, err);
}

static int put_pieces(struct wcow_upload *u, struct wcow_error *err)
{
    const uint64_t size = u->push->desc->size_bytes;
    uint64_t chunk = u->registry->options.upload_chunk_bytes;
    int r = WCOW_OK;
    if (!chunk)
        chunk = CHUNK_BYTES;
    if (u->chunk_min_bytes > chunk)
        chunk = u->chunk_min_bytes;
    while (r == WCOW_OK && u->stored_bytes < size)
        r = patch(u, size - u->stored_bytes < chunk ? size - u->stored_bytes : chunk, err);
    return r == WCOW_OK ? put(u, NULL, err) : r;
}

/* ---- going on ---- */

/* How many bytes "0-1023", in some registries "bytes=0-1023", says that there are. "0-0" is what
 * docker's registry says of none. */
static bool read_range(const char *text, uint64_t *ret)
{
    char *end = NULL;
    if (!text)
        return false;
    if (strncasecmp(text, "bytes", 5) == 0)
        text += 5 + strspn(text + 5, "= ");
    if (strncmp(text, "0-", 2) != 0 || text[2] < '0' || text[2] > '9')
        return false;
    uint64_t last = strtoull(text + 2, &end, 10);
    if (*end || last == UINT64_MAX)
        return false;
    *ret = last ? last + 1 : 0;
    return true;
}

/* Ask a session that broke what it holds, and where it is now; without a clear answer it is left,
 * and the blob begins anew. */
static int ask_session(struct wcow_upload *u, struct wcow_error *err)
{
    wcow_autofree char *url = strdup(u->location);
    if (!url)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a URL");
    struct wcow_call call = wcow_upload_call(u, "GET", url);
    uint64_t stored = 0;
    int r = call_session(u, &call, err);
    if (r == WCOW_E_UNAVAILABLE || r == WCOW_E_DEADLINE || r == WCOW_E_CANCELLED)
        return r;
    bool is_told = r == WCOW_OK && (u->answer.status == 204 || u->answer.status == 202) &&
                   read_range(u->answer.range, &stored) && stored <= u->push->desc->size_bytes;
    if (!is_told) {
        wcow_upload_drop(u);
        return WCOW_OK;
    }
    u->is_unsure = false;
    u->stored_bytes = stored;
    u->is_resumed = stored > 0;
    u->in_pieces = u->in_pieces || stored > 0;
    return u->answer.location ? keep_location(u, url, &u->answer, err) : WCOW_OK;
}

static int open_session(struct wcow_upload *u, bool *ret_mounted, struct wcow_error *err)
{
    if (u->location && u->is_unsure && u->never_resume)
        wcow_upload_drop(u);
    if (u->location && u->is_unsure) {
        int r = ask_session(u, err);
        if (r < 0)
            return r;
    }
    if (u->location)
        return WCOW_OK;
    u->is_unsure = false;
    u->is_resumed = false;
    u->stored_bytes = 0;
    return wcow_upload_start(u, NULL, ret_mounted, err);
}

/* One upload from where its session is to its end; after a 413 once more in pieces. */
static int upload_once(struct wcow_upload *u, struct wcow_error *err)
{
    bool mounted = false;
    wcow_http_response_done(&u->answer);
    int r = open_session(u, &mounted, err);
    if (r < 0 || mounted)
        return r;
    if (!u->in_pieces) {
        r = put(u, u->push->reader, err);
        if (u->answer.status != 413 || u->push->desc->size_bytes <= CHUNK_BYTES)
            return r;
        u->in_pieces = true;
        r = wcow_upload_start(u, NULL, &mounted, err);
        if (r < 0 || mounted)
            return r;
    }
    return put_pieces(u, err);
}

/* Whether another attempt may mend this failure; then u says how it is to begin. */
static bool may_go_on(struct wcow_upload *u, int code)
{
    const int status = u->answer.status;
    u->is_unsure = true;
    if (code == WCOW_E_UNAVAILABLE || code == WCOW_E_DEADLINE)
        return true;
    /* It holds more or less than was thought. */
    bool is_out_of_step = status == 416;
    if (is_out_of_step && u->stored_bytes)
        return true;
    /* The session is gone; or it is not what it said, and that may be why. */
    bool is_wrong = u->is_resumed && status >= 400 && status != 401 && status != 403;
    if (!u->location || (status != 404 && !is_out_of_step && !is_wrong))
        return false;
    u->never_resume = u->never_resume || is_wrong;
    free(u->location);
    u->location = NULL;
    return true;
}

int wcow_upload_send(struct wcow_upload *u, struct wcow_error *err)
{
    const unsigned max = u->registry->options.max_attempts;
    unsigned tried = 0;
    u->in_pieces = u->registry->options.upload_chunk_bytes != 0 && u->push->desc->size_bytes != 0;
    for (;;) {
        int r = upload_once(u, err);
        /* An upload that moves on is not giving up, however often it breaks. */
        bool moved = u->stored_bytes >= u->best_bytes + WCOW_MOVED_ON_BYTES;
        if (moved)
            u->best_bytes = u->stored_bytes;
        tried = moved ? 1 : tried + 1;
        if (r == WCOW_OK || tried >= max || !may_go_on(u, r))
            return r;
        struct wcow_error why = {0};
        r = wcow_registry_pause(u->registry, u->push->transfer, tried, &u->answer, &why);
        if (r < 0) {
            if (err)
                *err = why;
            return r;
        }
        /* The end of an upload may have got through though its answer did not. */
        bool there = false;
        if (wcow_upload_is_there(u, u->push->desc->digest.text, &there, &why) == WCOW_OK && there)
            return WCOW_OK;
    }
}
