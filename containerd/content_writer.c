/* SPDX-License-Identifier: Apache-2.0 */
/* Blobs written: STAT says what is there already, WRITE messages go with several in flight, COMMIT
 * carries the offset and is answered twice. Each reply tells the digest of all that came so far. */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "containerd/content.h"
#include "containerd/internal.h"
#include "proto/content.pb-c.h"
#include "rpc/text.h"

#define CONTENT "/containerd.services.content.v1.Content/"

enum {
    CHUNK_BYTES = 128 << 10,        /* of what is copied */
    DATA_FIELD = 6,                 /* of a WriteContentRequest */
    MAX_UNANSWERED_BYTES = 4 << 20, /* sent without an answer */
    LOCK_TRIES = 40, /* containerd unlocks an ingest a moment after its last stream has ended */
    LOCK_WAIT_MS = 50,
};

typedef Containerd__Services__Content__V1__WriteContentRequest write_request;
typedef Containerd__Services__Content__V1__WriteContentResponse write_response;
#define ACTION(name) CONTAINERD__SERVICES__CONTENT__V1__WRITE_ACTION__##name

struct wcow_content_writer {
    const struct wcow_containerd_ctx *ctx;
    char *ref;
    char *expected; /* or NULL */
    uint64_t total_bytes;
    struct wcow_rpc_stream *stream;
    uint8_t *chunk;
    size_t chunk_len;
    uint64_t offset;           /* sent, or in the chunk's front */
    uint64_t answered;         /* of these containerd has told that it has them */
    unsigned in_flight;        /* messages without an answer */
    struct wcow_digest digest; /* of what is answered, as containerd has it; or "" */
    bool present;              /* the whole is in the ingest already: only COMMIT is left */
    bool committed;            /* or was never there: nothing to abort */
    int failed;
};

/* Takes one reply. @return 1, or 0 at the end of the stream, or an error. */
static int take_reply(struct wcow_content_writer *writer, write_response *ret,
                      struct wcow_error *err)
{
    wcow_automessage *message = NULL;
    int r = wcow_rpc_stream_recv(
        writer->stream, &containerd__services__content__v1__write_content_response__descriptor,
        &message, err);
    if (r != 1)
        return r;
    *ret = *(const write_response *)(const void *)message;
    writer->answered = ret->offset > 0 ? (uint64_t)ret->offset : 0;
    writer->digest.text[0] = '\0';
    if (wcow_digest_is_valid(ret->digest))
        memcpy(writer->digest.text, ret->digest, sizeof(writer->digest.text));
    ret->digest = NULL; /* goes with the message */
    return 1;
}

/* Have room for @p len bytes more on their way. */
static int wait_for_room(struct wcow_content_writer *writer, size_t len, struct wcow_error *err)
{
    while (writer->in_flight && writer->offset - writer->answered + len > MAX_UNANSWERED_BYTES) {
        write_response reply;
        int r = take_reply(writer, &reply, err);
        if (r <= 0)
            return r < 0 ? r
                         : WCOW_FAIL(err, WCOW_E_PRECONDITION, "containerd ended ingest %s early",
                                     writer->ref);
        writer->in_flight--;
    }
    return WCOW_OK;
}

/* One more message of @p len bytes is on its way. */
static void sent(struct wcow_content_writer *writer, size_t len)
{
    writer->in_flight++;
    writer->offset += len;
}

static int send_chunk(struct wcow_content_writer *writer, const void *data, size_t len,
                      struct wcow_error *err)
{
    int r = wait_for_room(writer, len, err);
    if (r < 0)
        return r;
    write_request request = CONTAINERD__SERVICES__CONTENT__V1__WRITE_CONTENT_REQUEST__INIT;
    request.action = ACTION(WRITE);
    request.offset = (int64_t)writer->offset;
    memcpy(&request.data.data, &data, sizeof(data)); /* only read: const goes */
    request.data.len = len;
    r = wcow_rpc_stream_send(writer->stream, &request.base, err);
    if (r == WCOW_OK)
        sent(writer, len);
    return r;
}

static int flush(struct wcow_content_writer *writer, struct wcow_error *err)
{
    if (writer->chunk_len == 0)
        return WCOW_OK;
    int r = send_chunk(writer, writer->chunk, writer->chunk_len, err);
    writer->chunk_len = 0;
    return r;
}

static int send_lent(struct wcow_content_writer *writer, const struct wcow_lent *lent,
                     struct wcow_error *err)
{
    size_t len = lent->len;
    int r = flush(writer, err);
    if (r == WCOW_OK)
        r = wait_for_room(writer, len, err);
    if (r < 0) {
        lent->release(lent->arg);
        return r;
    }
    write_request request = CONTAINERD__SERVICES__CONTENT__V1__WRITE_CONTENT_REQUEST__INIT;
    request.action = ACTION(WRITE);
    request.offset = (int64_t)writer->offset;
    r = wcow_rpc_stream_send_lent(writer->stream, &request.base, DATA_FIELD, lent, err);
    if (r == WCOW_OK)
        sent(writer, len);
    return r;
}

static int write_bytes(struct wcow_content_writer *writer, const uint8_t *data, size_t len,
                       struct wcow_error *err)
{
    while (len > 0) {
        int r = WCOW_OK;
        size_t n = CHUNK_BYTES - writer->chunk_len;
        if (n > len)
            n = len;
        if (n == CHUNK_BYTES) {
            r = send_chunk(writer, data, n, err); /* a whole chunk needs no copy */
        } else {
            memcpy(writer->chunk + writer->chunk_len, data, n);
            writer->chunk_len += n;
            if (writer->chunk_len == CHUNK_BYTES)
                r = flush(writer, err);
        }
        if (r < 0)
            return r;
        data += n;
        len -= n;
    }
    return WCOW_OK;
}

static int writer_write(void *ctx, const void *data, size_t len, struct wcow_error *err)
{
    struct wcow_content_writer *writer = ctx;
    if (writer->failed)
        return WCOW_FAIL(err, writer->failed, "writing of ingest %s failed before", writer->ref);
    if (writer->present) {
        writer->offset += len; /* the caller writes what is there; COMMIT checks the digest */
        return WCOW_OK;
    }
    int r = write_bytes(writer, data, len, err);
    writer->failed = r;
    return r < 0 ? wcow_error_wrap(r, err, "cannot write ingest %s", writer->ref) : r;
}

static int writer_take(void *ctx, const struct wcow_lent *lent, struct wcow_error *err)
{
    struct wcow_content_writer *writer = ctx;
    int r = writer->failed;
    if (r < 0 || writer->present) {
        writer->offset += lent->len;
        lent->release(lent->arg);
        return r < 0 ? WCOW_FAIL(err, r, "writing of ingest %s failed before", writer->ref) : r;
    }
    writer->failed = r = send_lent(writer, lent, err);
    return r < 0 ? wcow_error_wrap(r, err, "cannot write ingest %s", writer->ref) : r;
}

struct wcow_borrower wcow_content_writer_borrower(struct wcow_content_writer *writer)
{
    return (struct wcow_borrower){.take = writer_take, .ctx = writer};
}

struct wcow_sink wcow_content_writer_sink(struct wcow_content_writer *writer)
{
    return (struct wcow_sink){.write = writer_write, .ctx = writer};
}

/* ---- opening ---- */

static int abort_ingest(const struct wcow_containerd_ctx *ctx, const char *ref,
                        struct wcow_error *err)
{
    /* Also when the caller was cancelled: that is when it matters. */
    struct wcow_containerd_ctx own = *ctx;
    own.cancel = NULL;
    own.timeout_ms = 30000; /* of a disk that others keep busy */
    Containerd__Services__Content__V1__AbortRequest request =
        CONTAINERD__SERVICES__CONTENT__V1__ABORT_REQUEST__INIT;
    request.ref = wcow_rpc_text(ref);
    return wcow_containerd_order(&own, CONTENT "Abort", &request.base, err);
}

int wcow_content_abort(const struct wcow_containerd_ctx *ctx, const char *ref,
                       struct wcow_error *err)
{
    struct wcow_error why = {0};
    int r = abort_ingest(ctx, ref, &why);
    if (r == WCOW_OK || r == WCOW_E_NOT_FOUND)
        return WCOW_OK;
    if (err)
        *err = why;
    return wcow_error_wrap(r, err, "abort ingest %s", ref);
}

static int open_stream(struct wcow_content_writer *writer, write_response *ret,
                       struct wcow_error *err)
{
    struct wcow_call_setup setup;
    wcow_call_setup(writer->ctx, &setup);
    setup.options.timeout_ms = 0; /* the caller's limit is for a call, not for a whole blob */
    int r = wcow_rpc_stream_open(writer->ctx->client->channel, &setup.options, CONTENT "Write",
                                 &writer->stream, err);
    if (r < 0)
        return r;
    write_request request = CONTAINERD__SERVICES__CONTENT__V1__WRITE_CONTENT_REQUEST__INIT;
    request.action = ACTION(STAT);
    request.ref = writer->ref;
    request.total = (int64_t)writer->total_bytes;
    if (writer->expected)
        request.expected = writer->expected;
    r = wcow_rpc_stream_send(writer->stream, &request.base, err);
    if (r == WCOW_OK)
        r = take_reply(writer, ret, err);
    if (r == 0)
        r = WCOW_FAIL(err, WCOW_E_PRECONDITION, "containerd ended ingest %s early", writer->ref);
    return r < 0 ? r : WCOW_OK;
}

/* The same, with patience where another stream still holds the ingest. */
static int open_unlocked(struct wcow_content_writer *writer, write_response *ret,
                         struct wcow_error *err)
{
    for (int i = 0;; i++) {
        int r = open_stream(writer, ret, err);
        /* Without a stream it is containerd that cannot be reached. */
        if (r != WCOW_E_UNAVAILABLE || !writer->stream || i == LOCK_TRIES)
            return r;
        wcow_rpc_stream_free(writer->stream);
        writer->stream = NULL;
        if (writer->ctx->cancel && atomic_load(writer->ctx->cancel))
            return WCOW_FAIL(err, WCOW_E_CANCELLED, "waiting for ingest %s was cancelled",
                             writer->ref);
        const struct timespec pause = {.tv_nsec = LOCK_WAIT_MS * 1000000L};
        (void)nanosleep(&pause, NULL);
    }
}

/* An interrupted ingest of that name holds bytes that nobody vouches for: begin afresh, unless all
 * is there and the digest is known beforehand. */
static int begin(struct wcow_content_writer *writer, struct wcow_error *err)
{
    write_response reply = CONTAINERD__SERVICES__CONTENT__V1__WRITE_CONTENT_RESPONSE__INIT;
    int r = open_unlocked(writer, &reply, err);
    if (r < 0 || reply.offset == 0)
        return r;
    if (writer->expected && writer->total_bytes > 0 &&
        (uint64_t)reply.offset == writer->total_bytes) {
        writer->present = true;
        return WCOW_OK;
    }
    wcow_rpc_stream_free(writer->stream);
    writer->stream = NULL;
    r = abort_ingest(writer->ctx, writer->ref, err);
    if (r == WCOW_OK)
        r = open_unlocked(writer, &reply, err);
    if (r == WCOW_OK && reply.offset != 0)
        r = WCOW_FAIL(err, WCOW_E_UNAVAILABLE, "ingest %s is being written by somebody else",
                      writer->ref);
    return r;
}

int wcow_content_writer_open(const struct wcow_containerd_ctx *ctx, const char *ref,
                             const char *expected, uint64_t total_bytes,
                             struct wcow_content_writer **ret, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_content_writer_free_p)
    struct wcow_content_writer *writer = calloc(1, sizeof(*writer));
    if (!writer)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a writer");
    writer->ctx = ctx;
    writer->committed = true; /* until there is something to abort */
    writer->total_bytes = total_bytes;
    writer->chunk = malloc(CHUNK_BYTES);
    if (!writer->chunk)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a writer");
    int r = wcow_copy(ref, &writer->ref, err);
    if (r == WCOW_OK && expected)
        r = wcow_copy(expected, &writer->expected, err);
    if (r == WCOW_OK)
        r = begin(writer, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "cannot begin ingest %s", ref);
    writer->committed = false;
    *ret = WCOW_TAKE_PTR(writer);
    return WCOW_OK;
}

/* ---- committing ---- */

/* Send what is left and hear that containerd has all of it. */
static int settle(struct wcow_content_writer *writer, struct wcow_error *err)
{
    int r = flush(writer, err);
    return r < 0 ? r : wait_for_room(writer, MAX_UNANSWERED_BYTES, err);
}

int wcow_content_writer_digest(struct wcow_content_writer *writer, struct wcow_digest *ret,
                               struct wcow_error *err)
{
    int r = writer->failed;
    if (r < 0)
        return WCOW_FAIL(err, r, "writing of ingest %s failed before", writer->ref);
    writer->failed = r = settle(writer, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "cannot write ingest %s", writer->ref);
    if (!writer->digest.text[0] || writer->answered != writer->offset)
        return WCOW_FAIL(err, WCOW_E_UNSUPPORTED,
                         "containerd does not tell the digest of ingest %s", writer->ref);
    *ret = writer->digest;
    return WCOW_OK;
}

/* Reads the replies up to the status: those of WRITE that are left, then COMMIT's, twice. */
static int drain(struct wcow_content_writer *writer, struct wcow_error *err)
{
    write_response reply;
    int r;
    do
        r = take_reply(writer, &reply, err);
    while (r > 0);
    return r;
}

static int adopt(struct wcow_content_writer *writer, uint64_t bytes, struct wcow_error *err)
{
    int r = wcow_rpc_stream_close_send(writer->stream, err);
    if (r == WCOW_OK)
        r = drain(writer, err);
    if (r < 0)
        return r;
    wcow_rpc_stream_free(writer->stream);
    writer->stream = NULL;
    write_response reply = CONTAINERD__SERVICES__CONTENT__V1__WRITE_CONTENT_RESPONSE__INIT;
    r = open_unlocked(writer, &reply, err);
    if (r < 0)
        return r;
    if (reply.offset < 0 || (uint64_t)reply.offset != bytes)
        return WCOW_FAIL(err, WCOW_E_DATA_LOSS,
                         "%" PRIu64 " bytes were written and containerd finds %" PRId64
                         ": somebody else wrote there",
                         bytes, reply.offset);
    writer->offset = bytes;
    return WCOW_OK;
}

int wcow_content_writer_adopt(struct wcow_content_writer *writer, uint64_t bytes,
                              struct wcow_error *err)
{
    if (writer->failed)
        return WCOW_FAIL(err, writer->failed, "writing of ingest %s failed before", writer->ref);
    writer->failed = adopt(writer, bytes, err);
    return writer->failed < 0
               ? wcow_error_wrap(writer->failed, err, "cannot write ingest %s", writer->ref)
               : WCOW_OK;
}

static int commit(struct wcow_content_writer *writer, const char *digest,
                  const struct wcow_labels *labels, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_map_done) struct wcow_map map = {0};
    int r = wcow_map_of(
        labels, &containerd__services__content__v1__write_content_request__labels_entry__descriptor,
        &map, err);
    if (r == WCOW_OK)
        r = flush(writer, err);
    if (r < 0)
        return r;
    write_request request = CONTAINERD__SERVICES__CONTENT__V1__WRITE_CONTENT_REQUEST__INIT;
    request.action = ACTION(COMMIT);
    request.offset = (int64_t)writer->offset;
    request.total = (int64_t)writer->offset;
    request.expected = wcow_rpc_text(digest);
    request.n_labels = map.n;
    request.labels = (void *)map.items;
    r = wcow_rpc_stream_send(writer->stream, &request.base, err);
    if (r == WCOW_OK)
        r = wcow_rpc_stream_close_send(writer->stream, err);
    if (r == WCOW_OK)
        r = drain(writer, err);
    return r;
}

int wcow_content_writer_commit(struct wcow_content_writer *writer, const char *digest,
                               const struct wcow_labels *labels, struct wcow_error *err)
{
    if (writer->failed)
        return WCOW_FAIL(err, writer->failed, "writing of ingest %s failed before", writer->ref);
    struct wcow_error why = {0};
    int r = commit(writer, digest, labels, &why);
    bool there = r == WCOW_E_EXISTS;
    if (there) {
        /* The same bytes came another way; the ingest must still go. */
        r = abort_ingest(writer->ctx, writer->ref, &why);
        if (r == WCOW_E_NOT_FOUND)
            r = WCOW_OK;
        if (r == WCOW_OK && labels && labels->n > 0)
            r = wcow_content_label(writer->ctx, digest, labels, &why);
    }
    if (r == WCOW_OK) {
        writer->committed = true;
        return WCOW_OK;
    }
    writer->failed = r;
    if (err)
        *err = why;
    return wcow_error_wrap(r, err, "cannot commit blob %s", digest);
}

void wcow_content_writer_free(struct wcow_content_writer *writer)
{
    if (!writer)
        return;
    /* An ingest that its stream still holds would outlive the abort: let the stream end first. */
    if (writer->stream && !writer->committed &&
        wcow_rpc_stream_close_send(writer->stream, NULL) == WCOW_OK)
        (void)!drain(writer, NULL);
    wcow_rpc_stream_free(writer->stream);
    if (!writer->committed)
        (void)!abort_ingest(writer->ctx, writer->ref, NULL);
    free(writer->ref);
    free(writer->expected);
    free(writer->chunk);
    free(writer);
}
