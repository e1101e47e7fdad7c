/* SPDX-License-Identifier: Apache-2.0 */
/** @file registry_blob.c
 *  Fetching blobs: checked while they pass, resumed where they broke, from whichever server has
 *  them. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "image/registry_private.h"

/* Between the network and the caller's sink, for the whole life of one fetch. */
struct check {
    const struct wcow_descriptor *desc;
    const struct wcow_sink *sink;
    struct wcow_hash *hash;
    uint64_t received;
    const char *oddity; /* of the last answer */
    bool failed;        /* the sink has failed, or too much came: no server can mend that */
};

static int check_write(void *ctx, const void *data, size_t len, struct wcow_error *err)
{
    struct check *check = ctx;
    uint64_t size = check->desc->size_bytes;
    if (len > size || check->received > size - len) {
        check->failed = true;
        return WCOW_FAIL(err, WCOW_E_DATA_LOSS,
                         "the blob is longer than the %" PRIu64 " bytes that "
                         "its descriptor tells",
                         size);
    }
    wcow_hash_add(check->hash, data, len);
    check->received += len;
    int r = wcow_sink_write(check->sink, data, len, err);
    check->failed = r < 0;
    return r;
}

static int fetch_from_url(struct wcow_registry *registry, struct wcow_call *call,
                          struct check *check, struct wcow_error *err)
{
    struct wcow_sink sink = {.write = check_write, .ctx = check};
    wcow_auto_response response = {0};
    call->method = "GET";
    call->sink = &sink;
    call->offset = check->received;
    call->total_bytes = check->desc->size_bytes;
    call->follow = true;
    int r = wcow_registry_call(registry, call, &response, err);
    bool success = response.status == 0 || response.status == 200 || response.status == 206;
    check->oddity = success ? wcow_registry_oddity(&response) : "";
    if (r < 0)
        return *check->oddity ? wcow_error_wrap(r, err, "%s", check->oddity) : r;
    return success ? WCOW_OK : wcow_registry_fail(call, &response, err);
}

static int fetch_from(struct wcow_registry *registry, const struct wcow_host *host,
                      const struct wcow_reference *ref, const struct wcow_transfer *transfer,
                      struct check *check, struct wcow_error *err)
{
    char path[16 + WCOW_DIGEST_LEN];
    char what[16 + WCOW_DIGEST_LEN];
    (void)snprintf(path, sizeof(path), "blobs/%s", check->desc->digest.text);
    (void)snprintf(what, sizeof(what), "blob %s", check->desc->digest.text);
    wcow_autofree char *url = NULL;
    wcow_autofree char *scope = NULL;
    int r = wcow_registry_url(host, ref, path, &url, err);
    if (r == WCOW_OK)
        r = wcow_registry_scope(ref, "pull", &scope, err);
    if (r != WCOW_OK)
        return r;
    struct wcow_call call = {.host = host,
                             .ref = ref,
                             .what = what,
                             .url = url,
                             .scope = scope,
                             .transfer = transfer,
                             .max_attempts = host->is_mirror ? WCOW_MIRROR_ATTEMPTS : 0};
    return fetch_from_url(registry, &call, check, err);
}

static int fetch_from_hosts(struct wcow_registry *registry, const struct wcow_reference *ref,
                            const struct wcow_transfer *transfer, struct check *check,
                            struct wcow_error *err)
{
    wcow_auto_hosts hosts = {0};
    int r = wcow_registry_hosts(registry, ref, &hosts, err);
    if (r < 0)
        return r;
    r = WCOW_FAIL(err, WCOW_E_UNAVAILABLE, "hosts.toml names no server to pull %s/%s from",
                  ref->host, ref->repository);
    for (size_t i = 0; i < hosts.count; i++) {
        if (!(hosts.items[i].capabilities & WCOW_HOST_PULL))
            continue;
        r = fetch_from(registry, &hosts.items[i], ref, transfer, check, err);
        if (r == WCOW_OK || check->failed || !wcow_registry_may_try_next(r))
            return r;
    }
    return r;
}

/* A foreign layer's own places; nobody's credentials go there. */
static int fetch_from_urls(struct wcow_registry *registry, const struct wcow_transfer *transfer,
                           struct check *check, struct wcow_error *err)
{
    int r = WCOW_E_NOT_FOUND;
    const struct wcow_str_list *urls = &check->desc->urls;
    for (size_t i = 0; i < urls->count; i++) {
        struct wcow_host host = {.url = urls->items[i],
                                 .authority = urls->items[i],
                                 .ca = registry->extra_ca,
                                 .skip_verify = registry->options.skip_verify};
        struct wcow_call call = {
            .host = &host, .what = "a foreign layer", .url = urls->items[i], .transfer = transfer};
        r = fetch_from_url(registry, &call, check, err);
        if (r == WCOW_OK || check->failed || !wcow_registry_may_try_next(r))
            return r;
    }
    return r;
}

int wcow_registry_fetch_blob(struct wcow_registry *registry, const struct wcow_reference *ref,
                             const struct wcow_descriptor *desc, const struct wcow_sink *sink,
                             const struct wcow_transfer *transfer, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_hash_free_p) struct wcow_hash *hash = NULL;
    int r = wcow_hash_new(&hash, err);
    if (r < 0)
        return r;
    struct check check = {.desc = desc, .sink = sink, .hash = hash, .oddity = ""};
    r = fetch_from_hosts(registry, ref, transfer, &check, err);
    bool elsewhere = r < 0 && !check.failed && wcow_registry_may_try_next(r) && desc->urls.count;
    if (elsewhere)
        r = fetch_from_urls(registry, transfer, &check, err);
    struct wcow_digest digest;
    if (r == WCOW_OK)
        r = wcow_hash_digest(hash, &digest, err);
    if (r != WCOW_OK)
        return r;
    if (strcmp(digest.text, desc->digest.text) != 0)
        return WCOW_FAIL(err, WCOW_E_DATA_LOSS,
                         "%s/%s: blob %s: %s%sthe bytes that came have the digest %s; the registry "
                         "or something on the way to it is broken",
                         ref->host, ref->repository, desc->digest.text, check.oddity,
                         *check.oddity ? ": " : "", digest.text);
    return WCOW_OK;
}

int wcow_registry_fetch_bytes(struct wcow_registry *registry, const struct wcow_reference *ref,
                              const struct wcow_descriptor *desc, size_t max_bytes,
                              struct wcow_buf *out, struct wcow_error *err)
{
    if (desc->size_bytes > max_bytes)
        return WCOW_FAIL(
            err, WCOW_E_LIMIT, "%s/%s: blob %s has %" PRIu64 " bytes, more than the limit of %zu",
            ref->host, ref->repository, desc->digest.text, desc->size_bytes, max_bytes);
    wcow_autobuf whole = {.max_bytes = max_bytes + 1};
    struct wcow_sink sink = wcow_buf_sink(&whole);
    int r = wcow_registry_fetch_blob(registry, ref, desc, &sink, NULL, err);
    return r < 0 ? r : wcow_buf_add(out, whole.data, whole.len, err);
}
