/* SPDX-License-Identifier: Apache-2.0 */
/** @file blob_write.h
 *  A blob of unknown digest into containerd's content store: straight into the ingest's file where
 *  that can be opened, otherwise in messages of lent buffers. containerd hashes it either way; see
 *  docs/decisions/0015-blobs-into-the-ingest.md. */
#ifndef WCOW_DIFFER_BLOB_WRITE_H
#define WCOW_DIFFER_BLOB_WRITE_H

#include "containerd/content.h"

/** What is to be written. Borrowed. */
struct wcow_blob_job {
    const char *ref;          /**< of the ingest */
    const char *content_root; /**< containerd's, or NULL */
    /** Writes all bytes of the blob. */
    int (*write)(void *arg, const struct wcow_sink *to, struct wcow_error *err);
    void *arg;
    const struct wcow_labels *labels; /**< of the blob; looked at when all is written */
};

struct wcow_blob_written {
    struct wcow_digest digest;
    uint64_t size_bytes;
};

/** Write and commit it. */
WCOW_NODISCARD int wcow_blob_write(const struct wcow_containerd_ctx *ctx,
                                   const struct wcow_blob_job *job, struct wcow_blob_written *ret,
                                   struct wcow_error *err);

#endif
