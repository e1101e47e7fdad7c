/* SPDX-License-Identifier: Apache-2.0 */
/** @file registry_push.c
 *  Pushing blobs and manifests (distribution-spec v1.1, "Push"): what is there is not sent, what
 *  another repository has is mounted, the rest goes up whole or, where that is refused, in pieces.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "image/registry_upload.h"

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

/* Mounting needs to read the other repository too. */
static int mount_scope(const struct wcow_upload *u, const char *from, char **ret,
                       struct wcow_error *err)
{
    return asprintf(ret, "%s repository:%s:pull", u->scope, from) < 0
               ? WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a scope")
               : WCOW_OK;
}

/* Try to mount; without luck a session may stay open in u->location. That a repository cannot be
 * read is no failure of the push. */
static int try_mount(struct wcow_upload *u, const char *from, bool *ret_mounted,
                     struct wcow_error *err)
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
    r = wcow_upload_start(u, (const char *)query.data, ret_mounted, err);
    u->scope = own;
    return r == WCOW_E_NOT_FOUND || r == WCOW_E_DENIED || r == WCOW_E_CORRUPT ? WCOW_OK : r;
}

static int mount_blob(struct wcow_upload *u, bool *ret_mounted, struct wcow_error *err)
{
    const struct wcow_str_list *from = u->push->mount_from;
    for (size_t i = 0; from && i < from->count; i++) {
        if (strcmp(from->items[i], u->ref->repository) == 0)
            continue;
        if (u->location)
            wcow_upload_drop(u);
        int r = try_mount(u, from->items[i], ret_mounted, err);
        if (r < 0 || *ret_mounted)
            return r;
    }
    return WCOW_OK;
}

int wcow_registry_push_blob(struct wcow_registry *registry, const struct wcow_reference *ref,
                            const struct wcow_blob_push *push, bool *ret_was_there,
                            struct wcow_error *err)
{
    wcow_auto_hosts hosts = {0};
    WCOW_CLEANUP(wcow_upload_done)
    struct wcow_upload u = {.registry = registry, .ref = ref, .push = push};
    (void)snprintf(u.what, sizeof(u.what), "blob %s", push->desc->digest.text);
    bool there = false;
    int r = push_host(registry, ref, &hosts, &u.host, err);
    if (r == WCOW_OK)
        r = wcow_registry_scope(ref, "pull,push", &u.scope, err);
    if (r == WCOW_OK)
        r = wcow_upload_is_there(&u, push->desc->digest.text, &there, err);
    if (r == WCOW_OK && !there)
        r = mount_blob(&u, &there, err);
    if (r == WCOW_OK && !there)
        r = wcow_upload_send(&u, err);
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

static int put_manifest(struct wcow_upload *u, const char *name, const char *media_type,
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
    struct wcow_call call = wcow_upload_call(u, "PUT", url);
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
    WCOW_CLEANUP(wcow_upload_done) struct wcow_upload u = {.registry = registry, .ref = ref};
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
