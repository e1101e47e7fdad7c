/* SPDX-License-Identifier: Apache-2.0 */
/* What containerd knows of blobs, and small blobs whole. Reading and writing: content_reader.c,
 * content_writer.c. */
#include "containerd/content.h"

#include <inttypes.h>
#include <stdio.h>

#include "containerd/internal.h"
#include "proto/content.pb-c.h"
#include "rpc/text.h"

#define CONTENT "/containerd.services.content.v1.Content/"

typedef Containerd__Services__Content__V1__Info info_message;

void wcow_content_info_done(struct wcow_content_info *info)
{
    wcow_labels_done(&info->labels);
    *info = (struct wcow_content_info){0};
}

int wcow_content_info(const struct wcow_containerd_ctx *ctx, const char *digest,
                      struct wcow_content_info *ret, struct wcow_error *err)
{
    Containerd__Services__Content__V1__InfoRequest request =
        CONTAINERD__SERVICES__CONTENT__V1__INFO_REQUEST__INIT;
    request.digest = wcow_rpc_text(digest);
    wcow_automessage *message = NULL;
    int r = wcow_containerd_call(ctx, CONTENT "Info", &request.base,
                                 &containerd__services__content__v1__info_response__descriptor,
                                 &message, err);
    if (r < 0)
        return r;
    const info_message *info =
        ((const Containerd__Services__Content__V1__InfoResponse *)(const void *)message)->info;
    if (!info || !wcow_digest_is_valid(info->digest) || info->size < 0)
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "containerd's record of blob %s is no record",
                         digest);
    struct wcow_content_info out = {.size_bytes = (uint64_t)info->size};
    (void)snprintf(out.digest.text, sizeof(out.digest.text), "%s", info->digest);
    r = wcow_labels_of((const void *)info->labels, info->n_labels, &out.labels, err);
    if (r < 0)
        return r;
    *ret = out;
    return WCOW_OK;
}

/* "labels.<key>" for each, so that the other labels stay. */
static int make_mask(const struct wcow_labels *labels, char ***ret, struct wcow_error *err)
{
    char **paths = calloc(labels->n + 1, sizeof(*paths));
    bool ok = paths != NULL;
    for (size_t i = 0; ok && i < labels->n; i++) {
        if (asprintf(&paths[i], "labels.%s", labels->items[i].key) < 0) {
            paths[i] = NULL;
            ok = false;
        }
    }
    *ret = paths;
    return ok ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for %zu labels", labels->n);
}

static void free_mask(char **paths)
{
    for (size_t i = 0; paths && paths[i]; i++)
        free(paths[i]);
    free((void *)paths);
}

int wcow_content_label(const struct wcow_containerd_ctx *ctx, const char *digest,
                       const struct wcow_labels *labels, struct wcow_error *err)
{
    char **paths = NULL;
    WCOW_CLEANUP(wcow_map_done) struct wcow_map map = {0};
    int r = wcow_map_of(labels, &containerd__services__content__v1__info__labels_entry__descriptor,
                        &map, err);
    if (r == WCOW_OK)
        r = make_mask(labels, &paths, err);
    if (r == WCOW_OK) {
        info_message info = CONTAINERD__SERVICES__CONTENT__V1__INFO__INIT;
        info.digest = wcow_rpc_text(digest);
        info.n_labels = map.n;
        info.labels = (void *)map.items;
        Google__Protobuf__FieldMask mask = GOOGLE__PROTOBUF__FIELD_MASK__INIT;
        mask.n_paths = labels->n;
        mask.paths = paths;
        Containerd__Services__Content__V1__UpdateRequest request =
            CONTAINERD__SERVICES__CONTENT__V1__UPDATE_REQUEST__INIT;
        request.info = &info;
        request.update_mask = &mask;
        r = wcow_containerd_call(ctx, CONTENT "Update", &request.base,
                                 &containerd__services__content__v1__update_response__descriptor,
                                 NULL, err);
    }
    free_mask(paths);
    return r < 0 ? wcow_error_wrap(r, err, "cannot label blob %s", digest) : r;
}

static int too_large(const char *digest, uint64_t bytes, size_t max_bytes, struct wcow_error *err)
{
    return WCOW_FAIL(err, WCOW_E_LIMIT, "blob %s has %" PRIu64 " bytes; at most %zu are read",
                     digest, bytes, max_bytes);
}

int wcow_content_read_local(const struct wcow_containerd_ctx *ctx, const char *content_root,
                            const char *digest, size_t max_bytes, struct wcow_buf *out,
                            struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_content_reader_free_p) struct wcow_content_reader *reader = NULL;
    int r = wcow_content_reader_open(ctx, content_root, digest, UINT64_MAX, &reader, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "blob %s", digest);
    struct wcow_source source = wcow_content_reader_source(reader);
    const uint8_t *data = NULL;
    size_t len = 1;
    size_t len_before = out->len;
    while (r == WCOW_OK && len > 0) {
        r = wcow_source_next(&source, &data, &len, err);
        if (r == WCOW_OK && len > max_bytes - (out->len - len_before))
            r = too_large(digest, out->len - len_before + len, max_bytes, err);
        if (r == WCOW_OK)
            r = wcow_buf_add(out, data, len, err);
    }
    if (r < 0)
        out->len = len_before;
    return r;
}

int wcow_content_read_all(const struct wcow_containerd_ctx *ctx, const char *digest,
                          size_t max_bytes, struct wcow_buf *out, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_content_info_done) struct wcow_content_info info = {0};
    int r = wcow_content_info(ctx, digest, &info, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "blob %s", digest);
    return info.size_bytes > max_bytes
               ? too_large(digest, info.size_bytes, max_bytes, err)
               : wcow_content_read_local(ctx, NULL, digest, max_bytes, out, err);
}

int wcow_content_write_all(const struct wcow_containerd_ctx *ctx, const char *ref, const void *data,
                           size_t len, const struct wcow_labels *labels,
                           struct wcow_digest *ret_digest, struct wcow_error *err)
{
    struct wcow_digest digest;
    int r = wcow_digest_of(data, len, &digest, err);
    if (r < 0)
        return r;
    WCOW_CLEANUP(wcow_content_writer_free_p) struct wcow_content_writer *writer = NULL;
    struct wcow_error why = {0};
    r = wcow_content_writer_open(ctx, ref, digest.text, len, &writer, &why);
    if (r == WCOW_OK) {
        struct wcow_sink sink = wcow_content_writer_sink(writer);
        r = wcow_sink_write(&sink, data, len, &why);
        if (r == WCOW_OK)
            r = wcow_content_writer_commit(writer, digest.text, labels, &why);
    } else if (r == WCOW_E_EXISTS) {
        r = labels && labels->n > 0 ? wcow_content_label(ctx, digest.text, labels, &why) : WCOW_OK;
    }
    if (r < 0) {
        if (err)
            *err = why;
        return r;
    }
    *ret_digest = digest;
    return WCOW_OK;
}
