/* SPDX-License-Identifier: Apache-2.0 */
/** @file remote.h
 *  ADD of a URL: the file behind it, fetched over HTTP. */
#ifndef WCOW_BUILDER_REMOTE_H
#define WCOW_BUILDER_REMOTE_H

#include <stdatomic.h>

#include "builder/spool.h"

/** "http://…", "https://…". */
bool wcow_remote_is_http(const char *source);

/** What a server said of a file, which tells whether it is still the same. Zero-initialise; release
 *  with wcow_remote_known_done(). */
struct wcow_remote_known {
    struct wcow_digest digest; /**< of the file */
    struct wcow_digest place;  /**< of the address at the end of all redirects: nobody else is told
                                    what follows */
    int64_t mtime_s;
    char *etag;     /**< NULL: none */
    char *modified; /**< Last-Modified as it was written; NULL: none */
};
void wcow_remote_known_done(struct wcow_remote_known *known);
/** Whether its date tells it from what comes after it: dates tell seconds apart, so not that of a
 *  file that was put there just now; nor one that a server gives to all files, as 1970. */
bool wcow_remote_date_counts(const struct wcow_remote_known *known);
/** As a text to keep. */
WCOW_NODISCARD int wcow_remote_known_write(const struct wcow_remote_known *known,
                                           struct wcow_buf *out, struct wcow_error *err);
/** False for a text that is none. @p ret must be zeroed. */
bool wcow_remote_known_read(const char *text, struct wcow_remote_known *ret);

struct wcow_remote_fetch {
    const char *url;
    const struct wcow_remote_known *known; /**< not fetched where it is still this; may be NULL */
    const char *checksum;                  /**< "sha256:…" that the file must have; NULL: any */
    const atomic_bool *cancel;             /**< may be NULL */
    unsigned retry_delay_ms;               /**< before the second attempt; 0: 500 */
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
    struct wcow_remote_known said; /**< to be known the next time */
    bool is_known;                 /**< it is still what was known: no bytes came */
};
void wcow_remote_file_done(struct wcow_remote_file *file);

/** The name that the file of @p url gets. */
WCOW_NODISCARD int wcow_remote_name(const char *url, char **ret, struct wcow_error *err);

/** Fetch it into a temporary file, redirects followed; broken transfers go on where they broke if
 *  the server says that the file is the same, and busy servers are tried again. WCOW_E_NOT_FOUND,
 * WCOW_E_DENIED, WCOW_E_UNAVAILABLE with the server's status; WCOW_E_DATA_LOSS where the checksum
 * is another. */
WCOW_NODISCARD int wcow_remote_get(const struct wcow_remote_fetch *fetch,
                                   struct wcow_remote_file *ret, struct wcow_error *err);
/** WCOW_E_DATA_LOSS where @p digest is not @p checksum. */
WCOW_NODISCARD int wcow_remote_check(const char *url, const char *checksum,
                                     const struct wcow_digest *digest, struct wcow_error *err);

#endif
