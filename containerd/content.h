/* SPDX-License-Identifier: Apache-2.0 */
/** @file content.h
 *  containerd's content store: blobs by digest, read and written.
 *  Source: containerd api/services/content/v1. */
#ifndef WCOW_CONTAINERD_CONTENT_H
#define WCOW_CONTAINERD_CONTENT_H

#include "base/bytes.h"
#include "base/digest.h"
#include "base/stream.h"
#include "containerd/client.h"

struct wcow_content_info {
    struct wcow_digest digest;
    uint64_t size_bytes;
    struct wcow_labels labels;
};
void wcow_content_info_done(struct wcow_content_info *info);

WCOW_NODISCARD int wcow_content_info(const struct wcow_containerd_ctx *ctx, const char *digest,
                                     struct wcow_content_info *ret, struct wcow_error *err);
/** Set labels (an empty value removes one). */
WCOW_NODISCARD int wcow_content_label(const struct wcow_containerd_ctx *ctx, const char *digest,
                                      const struct wcow_labels *labels, struct wcow_error *err);

/* ---- reading ---- */
struct wcow_content_reader;
/** Reads the blob's file straight from @p content_root (may be NULL) where it can be opened, else
 * over gRPC. The whole must match @p digest and @p size_bytes (UINT64_MAX: unknown): the last chunk
 * is given only after the check; WCOW_E_DATA_LOSS otherwise. @p ctx must outlive the reader.
 *  WCOW_E_NOT_FOUND where containerd has no such blob. */
WCOW_NODISCARD int wcow_content_reader_open(const struct wcow_containerd_ctx *ctx,
                                            const char *content_root, const char *digest,
                                            uint64_t size_bytes, struct wcow_content_reader **ret,
                                            struct wcow_error *err);
/** Its bytes, once. A large file is read ahead and hashed by a thread for that. */
struct wcow_source wcow_content_reader_source(struct wcow_content_reader *reader);
/** The same without such a thread, for who has others call `ahead`. */
struct wcow_source wcow_content_reader_helped_source(struct wcow_content_reader *reader);
void wcow_content_reader_free(struct wcow_content_reader *reader);
WCOW_DEFINE_CLEANUP(struct wcow_content_reader, wcow_content_reader_free)

/** A whole small blob (manifest, config), checked; WCOW_E_LIMIT over @p max_bytes. */
WCOW_NODISCARD int wcow_content_read_all(const struct wcow_containerd_ctx *ctx, const char *digest,
                                         size_t max_bytes, struct wcow_buf *out,
                                         struct wcow_error *err);
/** The same of a blob that a record of this namespace refers to, from its file where
 *  @p content_root has one: containerd need not be asked. */
WCOW_NODISCARD int wcow_content_read_local(const struct wcow_containerd_ctx *ctx,
                                           const char *content_root, const char *digest,
                                           size_t max_bytes, struct wcow_buf *out,
                                           struct wcow_error *err);

/* ---- writing ---- */
struct wcow_content_writer;
/** Begin (or truncate) ingest @p ref. @p expected digest or NULL, @p total_bytes or 0: unknown.
 *  @return WCOW_OK, or WCOW_E_EXISTS where a blob @p expected is there already.
 *  Several messages are in flight. @p ctx must outlive the writer. */
WCOW_NODISCARD int wcow_content_writer_open(const struct wcow_containerd_ctx *ctx, const char *ref,
                                            const char *expected, uint64_t total_bytes,
                                            struct wcow_content_writer **ret,
                                            struct wcow_error *err);
struct wcow_sink wcow_content_writer_sink(struct wcow_content_writer *writer);
/** The same without a copy: each piece is one message, best of 1 to 2 MiB. */
struct wcow_borrower wcow_content_writer_borrower(struct wcow_content_writer *writer);
/** Instead of writing: the ingest's file has @p bytes by now, for the caller wrote them there.
 *  containerd lets go of it, takes it up again as it does an interrupted one, and hashes what it
 *  finds. WCOW_E_DATA_LOSS where it finds another number of bytes. */
WCOW_NODISCARD int wcow_content_writer_adopt(struct wcow_content_writer *writer, uint64_t bytes,
                                             struct wcow_error *err);
/** The digest of all that was written, as containerd has hashed it: waits until it has it all. */
WCOW_NODISCARD int wcow_content_writer_digest(struct wcow_content_writer *writer,
                                              struct wcow_digest *ret, struct wcow_error *err);
/** Commit with these labels. A blob that is there already is fine (its labels are then updated).
 *  @p digest is checked by containerd; it is what the caller hashed, or containerd told. */
WCOW_NODISCARD int wcow_content_writer_commit(struct wcow_content_writer *writer,
                                              const char *digest, const struct wcow_labels *labels,
                                              struct wcow_error *err);
/** Without a commit before: aborts the ingest, so that nothing dangles. */
void wcow_content_writer_free(struct wcow_content_writer *writer);
WCOW_DEFINE_CLEANUP(struct wcow_content_writer, wcow_content_writer_free)

/** Take away what was written under @p ref without a commit. Absent is fine. */
WCOW_NODISCARD int wcow_content_abort(const struct wcow_containerd_ctx *ctx, const char *ref,
                                      struct wcow_error *err);

/** One small blob in one go; fine where it exists. */
WCOW_NODISCARD int wcow_content_write_all(const struct wcow_containerd_ctx *ctx, const char *ref,
                                          const void *data, size_t len,
                                          const struct wcow_labels *labels,
                                          struct wcow_digest *ret_digest, struct wcow_error *err);

#endif
