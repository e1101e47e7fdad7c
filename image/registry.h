/* SPDX-License-Identifier: Apache-2.0 */
/** @file registry.h
 *  A client of OCI registries (distribution-spec v1.1): resolve, pull and push by libcurl, with
 *  Basic, Bearer and OAuth authentication, mirrors, retries and resume.
 *
 *  One client serves several threads at once; each call blocks its caller and uses a connection
 *  of the client's pool. Credentials go only to the host they were configured for and are never
 *  carried over a redirect to another host.
 *
 *  Errors of all calls: WCOW_E_NOT_FOUND (names the tag or blob), WCOW_E_DENIED (401 or 403; says
 * how to log in), WCOW_E_UNAVAILABLE (no connection, 429 or 5xx after all retries), WCOW_E_DEADLINE
 * (stalled), WCOW_E_CANCELLED, WCOW_E_DATA_LOSS (digest or size mismatch), WCOW_E_LIMIT,
 * WCOW_E_CORRUPT (an answer that makes no sense), WCOW_E_IO, WCOW_E_NOMEM. The message has host,
 * repository, HTTP status and the registry's own words. */
#ifndef WCOW_IMAGE_REGISTRY_H
#define WCOW_IMAGE_REGISTRY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/stream.h"
#include "image/descriptor.h"
#include "image/reference.h"

/** Zeroes mean the defaults; strings are copied. */
struct wcow_registry_options {
    const char *hosts_dir;         /**< containerd's certs.d; NULL for none */
    const char *docker_config_dir; /**< holds config.json; NULL: $DOCKER_CONFIG, ~/.docker */
    bool plain_http;               /**< http for every registry, not only loopback */
    bool skip_verify;              /**< do not check TLS certificates */
    const char *ca_file;           /**< PEM bundle trusted besides the system's; NULL for none */
    const char *user_agent;        /**< NULL: "wcow" */
    unsigned connect_timeout_ms;   /**< 0: 15,000 */
    unsigned stall_timeout_ms;     /**< no byte for so long ends a transfer; 0: 30,000 */
    unsigned max_attempts;         /**< of each request; 0: 5 */
    unsigned retry_delay_ms;       /**< before the second attempt, doubling after; 0: 500 */
    uint64_t upload_chunk_bytes;   /**< send blobs in pieces of so many bytes; 0: whole, in pieces
                                        only where a registry refuses the whole as too large */
    const atomic_bool *cancelled;  /**< polled; true ends every call. Must outlive the client */
};

struct wcow_registry;

WCOW_NODISCARD int wcow_registry_new(const struct wcow_registry_options *options,
                                     struct wcow_registry **ret, struct wcow_error *err);
/** No call may be under way. */
void wcow_registry_free(struct wcow_registry *registry);
WCOW_DEFINE_CLEANUP(struct wcow_registry, wcow_registry_free)

/** About one transfer; NULL where it is not wanted. Called on the caller's thread. */
struct wcow_transfer {
    /** @p done of @p total bytes; may fall back when an upload starts again. */
    void (*progress)(void *ctx, uint64_t done, uint64_t total);
    void *ctx;
    const atomic_bool *cancelled; /**< besides the client's own */
};

/** What @p ref names: media type, digest and size of its manifest or index. The digest wins over
 *  the tag where both are given. @p ret must be zeroed. */
WCOW_NODISCARD int wcow_registry_resolve(struct wcow_registry *registry,
                                         const struct wcow_reference *ref,
                                         struct wcow_descriptor *ret, struct wcow_error *err);
/** Fetch the manifest or index itself, appended to @p out after its digest was checked; *ret
 *  (zeroed; may be NULL) describes it. */
WCOW_NODISCARD int wcow_registry_fetch_manifest(struct wcow_registry *registry,
                                                const struct wcow_reference *ref,
                                                struct wcow_buf *out, struct wcow_descriptor *ret,
                                                struct wcow_error *err);
/** Fetch a blob into @p sink in order, each byte once, resuming where a connection broke. The
 *  digest is only known to be right when this returns WCOW_OK: the receiver must not trust the
 *  bytes before. Foreign layers come from desc->urls when the registry has not got them. */
WCOW_NODISCARD int
wcow_registry_fetch_blob(struct wcow_registry *registry, const struct wcow_reference *ref,
                         const struct wcow_descriptor *desc, const struct wcow_sink *sink,
                         const struct wcow_transfer *transfer, struct wcow_error *err);
/** A small blob (an image config) into memory; WCOW_E_LIMIT when desc says it is over @p max_bytes.
 */
WCOW_NODISCARD int wcow_registry_fetch_bytes(struct wcow_registry *registry,
                                             const struct wcow_reference *ref,
                                             const struct wcow_descriptor *desc, size_t max_bytes,
                                             struct wcow_buf *out, struct wcow_error *err);

/** Bytes that can be read again, for an upload that has to start anew. */
struct wcow_blob_reader {
    /** Start over at byte @p offset. *ret stays good until the next open or close. */
    int (*open)(void *ctx, uint64_t offset, struct wcow_source *ret, struct wcow_error *err);
    /** Called once after each successful open; may be NULL. */
    void (*close)(void *ctx);
    void *ctx;
};

/** One blob to push. */
struct wcow_blob_push {
    const struct wcow_descriptor *desc;     /**< digest and size; not changed */
    const struct wcow_blob_reader *reader;  /**< the bytes */
    const struct wcow_str_list *mount_from; /**< repositories on the same registry that may hold it
                                                 ("library/base"), tried in turn; may be NULL */
    const struct wcow_transfer *transfer;   /**< may be NULL */
};
/** Push a blob; one that the repository already has is not sent.
 *  @param ret_was_there  true when nothing was sent (there already, or mounted); may be NULL */
WCOW_NODISCARD int wcow_registry_push_blob(struct wcow_registry *registry,
                                           const struct wcow_reference *ref,
                                           const struct wcow_blob_push *push, bool *ret_was_there,
                                           struct wcow_error *err);
/** Push a blob from memory. */
WCOW_NODISCARD int wcow_registry_push_bytes(struct wcow_registry *registry,
                                            const struct wcow_reference *ref, const void *data,
                                            size_t len, struct wcow_error *err);
/** Push a manifest or index under the tag of @p ref, or by its digest when it has none. *ret is
 *  its digest (may be NULL). */
WCOW_NODISCARD int wcow_registry_push_manifest(struct wcow_registry *registry,
                                               const struct wcow_reference *ref,
                                               const char *media_type, const void *data, size_t len,
                                               struct wcow_digest *ret, struct wcow_error *err);

#endif
