/* SPDX-License-Identifier: Apache-2.0 */
/** @file registry_push.c
 *  Pushing blobs and manifests (distribution-spec v1.1, "Push"): what is there is not sent, what
 *  another repository has is mounted, the rest goes up whole or, where that is refused, in pieces.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "image/registry_private.h"

enum { CHUNK_BYTES = 16 << 20, CHUNK_BYTES_MAX = 1 << 30 };

/* One blob on its way to one server. */
struct upload {
    struct wcow_registry *registry;
    const struct wcow_host *host;
    const struct wcow_reference *ref;
    const struct wcow_blob_push *push;
    char what[16 + WCOW_DIGEST_LEN];
    char *scope;
    char *location; /* of the upload session; NULL when there is none */
    uint64_t chunk_min_bytes;
};

static void upload_done(struct upload *u)
{
    free(u->scope);
    free(u->location);
}

/* The first server that takes pushes, moved out of the list. */
static int push_host(struct wcow_registry *registry, const struct wcow_reference *ref,
                     struct wcow_hosts *hosts, const struct wcow_host **ret, struct wcow_error *err)
{
    int r = wcow_registry_hosts(registry, ref, hosts, err);
    for (size_t i = 0; r == WCOW_OK && i < hosts->count; i++) {
        if (hosts->items[i].capabilities & WCOW_HOST_PUSH) {
            *ret = &hosts->items[i];
            return WCOW_OK;
        }
    }
    return r < 0 ? r
                 : WCOW_FAIL(err, WCOW_E_DENIED, "hosts.toml names no server to push %s/%s to",
                             ref->host, ref->repository);
}

static struct wcow_call upload_call(const struct upload *u, const char *method, const char *url)
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

static int blob_is_there(const struct upload *u, const char *digest, bool *ret,
                         struct wcow_error *err)
{
    char path[16 + WCOW_DIGEST_LEN];
    (void)snprintf(path, sizeof(path), "blobs/%s", digest);
    wcow_autofree char *url = NULL;
    int r = wcow_registry_url(u->host, u->ref, path, &url, err);
    if (r < 0)
        return r;
    struct wcow_call call = upload_call(u, "HEAD", url);
    wcow_auto_response response = {0};
    r = wcow_registry_call(u->registry, &call, &response, err);
    if (r < 0)
        return r;
    if (response.status != 200 && response.status != 404)
        return wcow_registry_fail(&call, &response, err);
    *ret = response.status == 200;
    return WCOW_OK;
}

int wcow_registry_blob_exists(struct wcow_registry *registry, const struct wcow_reference *ref,
                              const char *digest, bool *ret, struct wcow_error *err)
{
    wcow_auto_hosts hosts = {0};
    WCOW_CLEANUP(upload_done) struct upload u = {.registry = registry, .ref = ref};
    (void)snprintf(u.what, sizeof(u.what), "blob %.*s", WCOW_DIGEST_LEN, digest);
    int r = push_host(registry, ref, &hosts, &u.host, err);
    if (r == WCOW_OK)
        r = wcow_registry_scope(ref, "pull", &u.scope, err);
    return r == WCOW_OK ? blob_is_there(&u, digest, ret, err) : r;
}

/* Take the session's new place from an answer. */
static int keep_location(struct upload *u, const char *base,
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

/* Open an upload session, or with @p mount_query ("mount=…&from=…") get the blob without one. */
static int start_session(struct upload *u, const char *mount_query, bool *ret_mounted,
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
    struct wcow_call call = upload_call(u, "POST", url);
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

/* Let the server forget the session; it would in time by itself. */
static void drop_session(struct upload *u)
{
    struct wcow_call call = upload_call(u, "DELETE", u->location);
    call.max_attempts = 1;
    wcow_auto_response response = {0};
    struct wcow_error ignored = {0};
    bool is_own = false;
    if (wcow_http_same_origin(u->location, u->host->url, &is_own, &ignored) == WCOW_OK && is_own)
        (void)!wcow_registry_call(u->registry, &call, &response, &ignored);
    free(u->location);
    u->location = NULL;
}

/* Mounting needs to read the other repository too. */
static int mount_scope(const struct upload *u, const char *from, char **ret, struct wcow_error *err)
{
    return asprintf(ret, "%s repository:%s:pull", u->scope, from) < 0
               ? WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a scope")
               : WCOW_OK;
}

/* Try to mount; without luck a session may stay open in u->location. That a repository cannot be
 * read is no failure of the push. */
static int try_mount(struct upload *u, const char *from, bool *ret_mounted, struct wcow_error *err)
{
    wcow_autobuf query = {0};
    wcow_autofree char *scope = NULL;
    int r = wcow_buf_addf(&query, err, "mount=%s&from=", u->push->desc->digest.text);
    if (r == WCOW_OK)
        r = wcow_http_escape(from, &query, err);
    if (r == WCOW_OK)
        r = mount_scope(u, from, &scope, err);
    if (r != WCOW_OK)
        return r;
    char *own = u->scope;
    u->scope = scope;
    r = start_session(u, (const char *)query.data, ret_mounted, err);
    u->scope = own;
    return r == WCOW_E_NOT_FOUND || r == WCOW_E_DENIED || r == WCOW_E_CORRUPT ? WCOW_OK : r;
}

static int mount_blob(struct upload *u, bool *ret_mounted, struct wcow_error *err)
{
    const struct wcow_str_list *from = u->push->mount_from;
    for (size_t i = 0; from && i < from->count; i++) {
        if (strcmp(from->items[i], u->ref->repository) == 0)
            continue;
        if (u->location)
            drop_session(u);
        int r = try_mount(u, from->items[i], ret_mounted, err);
        if (r < 0 || *ret_mounted)
            return r;
    }
    return WCOW_OK;
}

/* Send a request to the session. When it lies on another server, that one gets no credentials. */
static int call_session(struct upload *u, struct wcow_call *call, struct wcow_http_response *ret,
                        struct wcow_error *err)
{
    bool is_own = false;
    struct wcow_host stranger = {.url = u->host->url,
                                 .authority = u->host->authority,
                                 .ca = u->registry->extra_ca,
                                 .skip_verify = u->registry->options.skip_verify};
    int r = wcow_http_same_origin(call->url, u->host->url, &is_own, err);
    if (r < 0)
        return r;
    if (!is_own) {
        call->host = &stranger;
        call->scope = NULL;
    }
    r = wcow_registry_call(u->registry, call, ret, err);
    call->host = u->host;
    return r;
}

static int final_url(const struct upload *u, char **ret, struct wcow_error *err)
{
    return asprintf(ret, "%s%cdigest=%s", u->location, strchr(u->location, '?') ? '&' : '?',
                    u->push->desc->digest.text) < 0
               ? WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a URL")
               : WCOW_OK;
}

/* The whole blob in one PUT. *ret_status tells of a 413. */
static int put_whole(struct upload *u, int *ret_status, struct wcow_error *err)
{
    wcow_autofree char *url = NULL;
    wcow_auto_str_list headers = {0};
    int r = final_url(u, &url, err);
    if (r == WCOW_OK)
        r = wcow_str_list_add(&headers, "Content-Type: application/octet-stream", err);
    if (r != WCOW_OK)
        return r;
    struct wcow_call call = upload_call(u, "PUT", url);
    call.headers = headers;
    call.reader = u->push->reader;
    call.body_bytes = u->push->desc->size_bytes;
    call.total_bytes = u->push->desc->size_bytes;
    call.max_attempts = 1; /* a session that broke is not to be trusted: the caller opens another */
    wcow_auto_response response = {0};
    r = call_session(u, &call, &response, err);
    *ret_status = response.status;
    if (r < 0)
        return r;
    return response.status == 201 || response.status == 204
               ? WCOW_OK
               : wcow_registry_fail(&call, &response, err);
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

static int patch(struct upload *u, uint64_t offset, uint64_t len, struct wcow_error *err)
{
    struct piece piece = {.reader = u->push->reader, .size_bytes = len};
    struct wcow_blob_reader reader = {.open = piece_open, .close = piece_close, .ctx = &piece};
    wcow_auto_str_list headers = {0};
    char range[80];
    (void)snprintf(range, sizeof(range), "Content-Range: %" PRIu64 "-%" PRIu64, offset,
                   offset + len - 1);
    int r = wcow_str_list_add(&headers, "Content-Type: application/octet-stream", err);
    if (r == WCOW_OK)
        r = wcow_str_list_add(&headers, range, err);
    if (r != WCOW_OK)
        return r;
    wcow_autofree char *url = strdup(u->location);
    if (!url)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a URL");
    struct wcow_call call = upload_call(u, "PATCH", url);
    call.headers = headers;
    call.reader = &reader;
    call.reader_offset = offset;
    call.body_bytes = len;
    call.total_bytes = u->push->desc->size_bytes;
    call.max_attempts = 1;
    wcow_auto_response response = {0};
    r = call_session(u, &call, &response, err);
    if (r < 0)
        return r;
    return response.status == 202 ? keep_location(u, url, &response, err)
                                  : wcow_registry_fail(&call, &response, err);
}

static int put_end(struct upload *u, struct wcow_error *err)
{
    wcow_autofree char *url = NULL;
    int r = final_url(u, &url, err);
    if (r < 0)
        return r;
    struct wcow_call call = upload_call(u, "PUT", url);
    call.max_attempts = 1;
    wcow_auto_response response = {0};
    r = call_session(u, &call, &response, err);
    if (r < 0)
        return r;
    return response.status == 201 || response.status == 204
               ? WCOW_OK
               : wcow_registry_fail(&call, &response, err);
}

static int put_pieces(struct upload *u, struct wcow_error *err)
{
    uint64_t chunk = u->registry->options.upload_chunk_bytes;
    if (!chunk)
        chunk = CHUNK_BYTES;
    if (u->chunk_min_bytes > chunk && u->chunk_min_bytes <= CHUNK_BYTES_MAX)
        chunk = u->chunk_min_bytes;
    uint64_t size = u->push->desc->size_bytes;
    int r = WCOW_OK;
    for (uint64_t at = 0; r == WCOW_OK && at < size; at += chunk)
        r = patch(u, at, size - at < chunk ? size - at : chunk, err);
    return r == WCOW_OK ? put_end(u, err) : r;
}

/* ---- the whole way ---- */

/* One upload from its session to its end; with 413 once more in pieces. */
static int upload_once(struct upload *u, struct wcow_error *err)
{
    bool mounted = false;
    int status = 0;
    int r = u->location ? WCOW_OK : start_session(u, NULL, &mounted, err);
    if (r < 0 || mounted)
        return r;
    bool pieces = u->registry->options.upload_chunk_bytes != 0 && u->push->desc->size_bytes != 0;
    if (!pieces) {
        r = put_whole(u, &status, err);
        if (status != 413 || u->push->desc->size_bytes <= CHUNK_BYTES)
            return r;
        r = start_session(u, NULL, &mounted, err);
        if (r < 0 || mounted)
            return r;
    }
    return put_pieces(u, err);
}

static int upload_blob(struct upload *u, struct wcow_error *err)
{
    unsigned max = u->registry->options.max_attempts;
    for (unsigned tried = 1;; tried++) {
        int r = upload_once(u, err);
        free(u->location);
        u->location = NULL;
        if ((r != WCOW_E_UNAVAILABLE && r != WCOW_E_DEADLINE) || tried >= max)
            return r;
        struct wcow_error why = {0};
        r = wcow_registry_pause(u->registry, u->push->transfer, tried, &why);
        if (r < 0) {
            if (err)
                *err = why;
            return r;
        }
        /* The end of an upload may have got through though its answer did not. */
        bool there = false;
        if (blob_is_there(u, u->push->desc->digest.text, &there, &why) == WCOW_OK && there)
            return WCOW_OK;
    }
}

int wcow_registry_push_blob(struct wcow_registry *registry, const struct wcow_reference *ref,
                            const struct wcow_blob_push *push, bool *ret_was_there,
                            struct wcow_error *err)
{
    wcow_auto_hosts hosts = {0};
    WCOW_CLEANUP(upload_done)
    struct upload u = {.registry = registry, .ref = ref, .push = push};
    (void)snprintf(u.what, sizeof(u.what), "blob %s", push->desc->digest.text);
    bool there = false;
    int r = push_host(registry, ref, &hosts, &u.host, err);
    if (r == WCOW_OK)
        r = wcow_registry_scope(ref, "pull,push", &u.scope, err);
    if (r == WCOW_OK)
        r = blob_is_there(&u, push->desc->digest.text, &there, err);
    if (r == WCOW_OK && !there)
        r = mount_blob(&u, &there, err);
    if (r == WCOW_OK && !there)
        r = upload_blob(&u, err);
    if (r < 0)
        return r;
    if (ret_was_there)
        *ret_was_there = there;
    return WCOW_OK;
}

/* ---- from memory, and manifests ---- */

struct memory {
    const uint8_t *data;
    size_t len;
    size_t at;
};

static int memory_next(void *ctx, const uint8_t **ret_data, size_t *ret_len, struct wcow_error *err)
{
    (void)err;
    struct memory *m = ctx;
    *ret_data = m->data + m->at;
    *ret_len = m->len - m->at;
    m->at = m->len;
    return WCOW_OK;
}

static int memory_open(void *ctx, uint64_t offset, struct wcow_source *ret, struct wcow_error *err)
{
    (void)err;
    struct memory *m = ctx;
    m->at = offset < m->len ? (size_t)offset : m->len;
    *ret = (struct wcow_source){.next = memory_next, .ctx = m};
    return WCOW_OK;
}

int wcow_registry_push_bytes(struct wcow_registry *registry, const struct wcow_reference *ref,
                             const void *data, size_t len, struct wcow_error *err)
{
    wcow_auto_descriptor desc = {0};
    struct wcow_digest digest;
    int r = wcow_digest_of(data, len, &digest, err);
    if (r == WCOW_OK)
        r = wcow_descriptor_init(&desc, "application/octet-stream", digest.text, len, err);
    if (r != WCOW_OK)
        return r;
    struct memory memory = {.data = data, .len = len};
    struct wcow_blob_reader reader = {.open = memory_open, .ctx = &memory};
    struct wcow_blob_push push = {.desc = &desc, .reader = &reader};
    return wcow_registry_push_blob(registry, ref, &push, NULL, err);
}

static int put_manifest(struct upload *u, const char *name, const char *media_type,
                        struct memory *memory, struct wcow_http_response *ret,
                        struct wcow_error *err)
{
    wcow_autofree char *path = NULL;
    wcow_autofree char *url = NULL;
    wcow_autofree char *type = NULL;
    wcow_auto_str_list headers = {0};
    if (asprintf(&path, "manifests/%s", name) < 0 ||
        asprintf(&type, "Content-Type: %s", media_type) < 0)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a URL");
    int r = wcow_registry_url(u->host, u->ref, path, &url, err);
    if (r == WCOW_OK)
        r = wcow_str_list_add(&headers, type, err);
    if (r != WCOW_OK)
        return r;
    struct wcow_blob_reader reader = {.open = memory_open, .ctx = memory};
    struct wcow_call call = upload_call(u, "PUT", url);
    call.headers = headers;
    call.reader = &reader;
    call.body_bytes = memory->len;
    r = wcow_registry_call(u->registry, &call, ret, err);
    if (r < 0)
        return r;
    bool taken = ret->status == 201 || ret->status == 200 || ret->status == 202;
    return taken ? WCOW_OK : wcow_registry_fail(&call, ret, err);
}

int wcow_registry_push_manifest(struct wcow_registry *registry, const struct wcow_reference *ref,
                                const char *media_type, const void *data, size_t len,
                                struct wcow_digest *ret, struct wcow_error *err)
{
    wcow_auto_hosts hosts = {0};
    WCOW_CLEANUP(upload_done) struct upload u = {.registry = registry, .ref = ref};
    struct wcow_digest digest;
    int r = wcow_digest_of(data, len, &digest, err);
    if (r == WCOW_OK)
        r = push_host(registry, ref, &hosts, &u.host, err);
    if (r == WCOW_OK)
        r = wcow_registry_scope(ref, "pull,push", &u.scope, err);
    if (r != WCOW_OK)
        return r;
    const char *name = ref->tag[0] ? ref->tag : digest.text;
    (void)snprintf(u.what, sizeof(u.what), "manifest %.60s", name);
    struct memory memory = {.data = data, .len = len};
    wcow_auto_response response = {0};
    r = put_manifest(&u, name, media_type, &memory, &response, err);
    if (r < 0)
        return r;
    const char *told = response.content_digest;
    if (told && strncmp(told, "sha256:", 7) == 0 && strcmp(told, digest.text) != 0)
        return WCOW_FAIL(err, WCOW_E_DATA_LOSS,
                         "%s/%s: the manifest %s was sent with the digest %s, the registry stored "
                         "%s",
                         ref->host, ref->repository, name, digest.text, told);
    if (ret)
        *ret = digest;
    return WCOW_OK;
}
