/* SPDX-License-Identifier: Apache-2.0 */
#include "differ/blob_write.h"

#include "differ/ingest.h"
#include "differ/outflow.h"

/* The blob on its way to the content store, which hashes it. */
struct blob_sink {
    struct wcow_borrower to;
    struct wcow_ingest ingest;
};

static int blob_take(void *ctx, const struct wcow_lent *lent, struct wcow_error *err)
{
    struct blob_sink *b = ctx;
    size_t len = lent->len;
    int r = wcow_borrower_take(&b->to, lent, err);
    wcow_ingest_grown(&b->ingest, len);
    return r;
}

/* What containerd takes in messages is slow (it copies and hashes it), so it has a thread of its
 * own. */
static int write_messages(const struct wcow_blob_job *job, struct blob_sink *blob,
                          struct wcow_error *err)
{
    struct wcow_borrower borrower = {.take = blob_take, .ctx = blob};
    WCOW_CLEANUP(wcow_outflow_free_p) struct wcow_outflow *out = NULL;
    int r = wcow_outflow_new(&borrower, &out, err);
    if (r < 0)
        return r;
    struct wcow_sink to = wcow_outflow_sink(out);
    r = job->write(job->arg, &to, err);
    return r < 0 ? r : wcow_outflow_finish(out, err);
}

static int write_bytes(const struct wcow_blob_job *job, struct wcow_content_writer *writer,
                       struct blob_sink *blob, struct wcow_error *err)
{
    if (!blob->ingest.is_ours)
        return write_messages(job, blob, err);
    struct wcow_sink to = wcow_ingest_sink(&blob->ingest);
    int r = job->write(job->arg, &to, err);
    return r < 0 ? r : wcow_content_writer_adopt(writer, blob->ingest.seen_bytes, err);
}

int wcow_blob_write(const struct wcow_containerd_ctx *ctx, const struct wcow_blob_job *job,
                    struct wcow_blob_written *ret, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_content_writer_free_p) struct wcow_content_writer *writer = NULL;
    struct wcow_digest digest = {0};
    int r = wcow_content_writer_open(ctx, job->ref, NULL, 0, &writer, err);
    if (r < 0)
        return r;
    struct blob_sink blob = {.to = wcow_content_writer_borrower(writer)};
    wcow_ingest_find(&blob.ingest, job->content_root, ctx->ns, job->ref);
    r = write_bytes(job, writer, &blob, err);
    if (r == WCOW_OK)
        r = wcow_content_writer_digest(writer, &digest, err);
    if (r == WCOW_OK)
        r = wcow_content_writer_commit(writer, digest.text, job->labels, err);
    uint64_t size_bytes = blob.ingest.seen_bytes;
    wcow_ingest_done(&blob.ingest);
    if (r == WCOW_OK)
        *ret = (struct wcow_blob_written){.digest = digest, .size_bytes = size_bytes};
    return r;
}
