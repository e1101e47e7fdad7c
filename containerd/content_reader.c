/* SPDX-License-Identifier: Apache-2.0 */
/* Blobs read chunk by chunk: from containerd's own file where it can be opened (ten times as fast),
 * else over gRPC. Each chunk is held back until the next one has come, so that the last is given
 * out only when the whole is known to be right. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/beneath.h"
#include "base/read_ahead.h"
#include "containerd/content.h"
#include "containerd/internal.h"
#include "proto/content.pb-c.h"

enum { LARGE_BYTES = 4 << 20 }; /* a file worth a thread of its own */

struct wcow_content_reader {
    struct wcow_digest digest;
    const atomic_bool *cancel;
    uint64_t size_bytes; /* UINT64_MAX: unknown */
    uint64_t read_bytes;
    struct wcow_hash *hash;
    bool ended;
    int failed; /* an error stays */

    int fd; /* -1: over gRPC */
    bool is_large;
    struct wcow_read_ahead *file; /* hashes what it reads */

    struct wcow_rpc_stream *stream;
    ProtobufCMessage *messages[2];
    unsigned turn;

    const uint8_t *held; /* read, hashed, not given out yet */
    size_t held_len;
    bool primed;
};

/* ---- the two origins ---- */

static int next_of_file(struct wcow_content_reader *reader, const uint8_t **ret, size_t *ret_len,
                        struct wcow_error *err)
{
    int r = wcow_read_ahead_next(reader->file, ret, ret_len, err);
    return r < 0 ? wcow_error_wrap(r, err, "blob %s", reader->digest.text) : r;
}

static int next_of_stream(struct wcow_content_reader *reader, const uint8_t **ret, size_t *ret_len,
                          struct wcow_error *err)
{
    reader->turn ^= 1U;
    ProtobufCMessage **slot = &reader->messages[reader->turn];
    for (;;) {
        if (*slot)
            protobuf_c_message_free_unpacked(*slot, NULL);
        *slot = NULL;
        int r = wcow_rpc_stream_recv(
            reader->stream, &containerd__services__content__v1__read_content_response__descriptor,
            slot, err);
        if (r < 0)
            return wcow_error_wrap(r, err, "cannot read blob %s", reader->digest.text);
        if (r == 0) {
            *ret = NULL;
            *ret_len = 0;
            return WCOW_OK;
        }
        const Containerd__Services__Content__V1__ReadContentResponse *reply = (const void *)*slot;
        if (reply->data.len == 0)
            continue; /* an empty message is not the end */
        *ret = reply->data.data;
        *ret_len = reply->data.len;
        return WCOW_OK;
    }
}

/* ---- what is common ---- */

static int check_whole(struct wcow_content_reader *reader, struct wcow_error *err)
{
    if (reader->size_bytes != UINT64_MAX && reader->read_bytes != reader->size_bytes)
        return WCOW_FAIL(err, WCOW_E_DATA_LOSS,
                         "blob %s has %" PRIu64 " bytes instead of %" PRIu64
                         ": the content store is damaged; remove the blob and pull it again",
                         reader->digest.text, reader->read_bytes, reader->size_bytes);
    struct wcow_digest digest;
    if (reader->file)
        wcow_read_ahead_settle(reader->file);
    int r = wcow_hash_digest(reader->hash, &digest, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "blob %s", reader->digest.text);
    if (strcmp(digest.text, reader->digest.text) != 0)
        return WCOW_FAIL(err, WCOW_E_DATA_LOSS,
                         "blob %s has the digest %s: the content store is damaged; remove the blob "
                         "and pull it again",
                         reader->digest.text, digest.text);
    return WCOW_OK;
}

/* Reads one chunk into the hand that is free. */
static int fetch(struct wcow_content_reader *reader, const uint8_t **ret, size_t *ret_len,
                 struct wcow_error *err)
{
    if (reader->cancel && atomic_load(reader->cancel))
        return WCOW_FAIL(err, WCOW_E_CANCELLED, "reading of blob %s was cancelled",
                         reader->digest.text);
    int r = reader->fd >= 0 ? next_of_file(reader, ret, ret_len, err)
                            : next_of_stream(reader, ret, ret_len, err);
    if (r < 0)
        return r;
    reader->read_bytes += *ret_len;
    if (reader->read_bytes > reader->size_bytes || *ret_len == 0) {
        reader->ended = true;
        return check_whole(reader, err);
    }
    if (!reader->file)
        wcow_hash_add(reader->hash, *ret, *ret_len);
    return WCOW_OK;
}

static int next_chunk(struct wcow_content_reader *reader, const uint8_t **ret_data, size_t *ret_len,
                      struct wcow_error *err)
{
    int r = WCOW_OK;
    if (!reader->primed) {
        r = fetch(reader, &reader->held, &reader->held_len, err);
        reader->primed = true;
    }
    const uint8_t *data = reader->held;
    size_t len = reader->held_len;
    reader->held_len = 0;
    if (r == WCOW_OK && !reader->ended)
        r = fetch(reader, &reader->held, &reader->held_len, err);
    if (r < 0)
        return r;
    *ret_data = data;
    *ret_len = len;
    return WCOW_OK;
}

static int reader_next(void *ctx, const uint8_t **ret_data, size_t *ret_len, struct wcow_error *err)
{
    struct wcow_content_reader *reader = ctx;
    if (reader->failed)
        return WCOW_FAIL(err, reader->failed, "reading of blob %s failed before",
                         reader->digest.text);
    int r = next_chunk(reader, ret_data, ret_len, err);
    reader->failed = r;
    return r;
}

static bool reader_ahead(void *ctx)
{
    const struct wcow_content_reader *reader = ctx;
    return wcow_read_ahead_help(reader->file);
}

struct wcow_source wcow_content_reader_source(struct wcow_content_reader *reader)
{
    if (reader->is_large)
        wcow_read_ahead_start(reader->file);
    return (struct wcow_source){.next = reader_next, .ctx = reader};
}

struct wcow_source wcow_content_reader_helped_source(struct wcow_content_reader *reader)
{
    return (struct wcow_source){
        .next = reader_next, .ahead = reader->file ? reader_ahead : NULL, .ctx = reader};
}

/* ---- opening ---- */

static void hash_chunk(void *ctx, const uint8_t *data, size_t len)
{
    wcow_hash_add(ctx, data, len);
}

/* 1 with the file open, 0 where gRPC must serve. */
static int open_file(struct wcow_content_reader *reader, const char *content_root,
                     struct wcow_error *err)
{
    char path[sizeof("blobs/sha256/") + WCOW_DIGEST_HEX_LEN];
    (void)snprintf(path, sizeof(path), "blobs/sha256/%s", strchr(reader->digest.text, ':') + 1);
    wcow_autoclose int dir = open(content_root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    wcow_autoclose int fd = -1;
    struct stat st;
    /* Whatever stands in the way, gRPC can tell it better. A FIFO must not hang us. */
    if (dir < 0 || wcow_open_beneath(dir, path, O_RDONLY | O_NONBLOCK, 0, &fd, NULL) < 0 ||
        fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return 0;
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    int r = wcow_read_ahead_new(fd, hash_chunk, reader->hash, &reader->file, err);
    if (r < 0)
        return r;
    reader->is_large = st.st_size >= LARGE_BYTES;
    reader->fd = WCOW_TAKE_FD(fd);
    return 1;
}

/* The file says nothing of the namespace: a blob that containerd does not show there is none. */
static int open_stream(struct wcow_content_reader *reader, const struct wcow_containerd_ctx *ctx,
                       struct wcow_error *err)
{
    struct wcow_call_setup setup;
    wcow_call_setup(ctx, &setup);
    setup.options.timeout_ms = 0; /* the caller's limit is for a call, not for a whole blob */
    int r =
        wcow_rpc_stream_open(ctx->client->channel, &setup.options,
                             "/containerd.services.content.v1.Content/Read", &reader->stream, err);
    if (r < 0)
        return r;
    Containerd__Services__Content__V1__ReadContentRequest request =
        CONTAINERD__SERVICES__CONTENT__V1__READ_CONTENT_REQUEST__INIT;
    request.digest = reader->digest.text;
    r = wcow_rpc_stream_send(reader->stream, &request.base, err);
    if (r == WCOW_OK)
        r = wcow_rpc_stream_close_send(reader->stream, err);
    /* The first chunk tells whether there is such a blob. */
    if (r == WCOW_OK)
        r = fetch(reader, &reader->held, &reader->held_len, err);
    reader->primed = true;
    return r;
}

int wcow_content_reader_open(const struct wcow_containerd_ctx *ctx, const char *content_root,
                             const char *digest, uint64_t size_bytes,
                             struct wcow_content_reader **ret, struct wcow_error *err)
{
    if (!wcow_digest_is_valid(digest))
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "\"%s\" is no digest: \"sha256:\" and 64 lower-case hex digits are wanted",
                         digest);
    WCOW_CLEANUP(wcow_content_reader_free_p)
    struct wcow_content_reader *reader = calloc(1, sizeof(*reader));
    if (!reader)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a reader");
    reader->fd = -1;
    reader->size_bytes = size_bytes;
    reader->cancel = ctx->cancel;
    memcpy(reader->digest.text, digest, sizeof(reader->digest.text));
    int r = wcow_hash_new(&reader->hash, err);
    if (r == WCOW_OK && content_root)
        r = open_file(reader, content_root, err);
    if (r == 0)
        r = open_stream(reader, ctx, err);
    if (r < 0)
        return r;
    *ret = WCOW_TAKE_PTR(reader);
    return WCOW_OK;
}

void wcow_content_reader_free(struct wcow_content_reader *reader)
{
    if (!reader)
        return;
    wcow_rpc_stream_free(reader->stream);
    for (int i = 0; i < 2; i++)
        if (reader->messages[i])
            protobuf_c_message_free_unpacked(reader->messages[i], NULL);
    wcow_read_ahead_free(reader->file);
    wcow_closep_(&reader->fd);
    wcow_hash_free(reader->hash);
    free(reader);
}
