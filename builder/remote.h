/* SPDX-License-Identifier: Apache-2.0 */
/** @file remote.h
 *  ADD of a URL: the file behind it, fetched over HTTP. */
#ifndef WCOW_BUILDER_REMOTE_H
#define WCOW_BUILDER_REMOTE_H

#include <stdatomic.h>

#include "builder/spool.h"

/** "http://…", "https://…". */
bool wcow_remote_is_http(const char *source);

struct wcow_remote_fetch {
    const char *url;
    const char *checksum;      /**< "sha256:…" that the file must have; NULL: any */
    const atomic_bool *cancel; /**< may be NULL */
    unsigned retry_delay_ms;   /**< before the second attempt; 0: 500 */
    void (*progress)(void *ctx, uint64_t done);
    void *progress_ctx;
};

/** Zero-initialise; release with wcow_remote_file_done(). */
struct wcow_remote_file {
    char *name;      /**< the path's last component; "__unnamed__" where it has none */
    int64_t mtime_s; /**< Last-Modified; 0 where the server does not say */
    uint64_t size_bytes;
    struct wcow_spool *spool; /**< holds the bytes and nothing else */
    struct wcow_payload payload;
};
void wcow_remote_file_done(struct wcow_remote_file *file);

/** The name that the file of @p url gets. */
WCOW_NODISCARD int wcow_remote_name(const char *url, char **ret, struct wcow_error *err);

/** Fetch it into a temporary file, redirects followed; broken transfers and busy servers are tried
 *  again. WCOW_E_NOT_FOUND, WCOW_E_DENIED, WCOW_E_UNAVAILABLE with the server's status;
 *  WCOW_E_DATA_LOSS where the checksum is another. */
WCOW_NODISCARD int wcow_remote_get(const struct wcow_remote_fetch *fetch,
                                   struct wcow_remote_file *ret, struct wcow_error *err);

#endif
