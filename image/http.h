/* SPDX-License-Identifier: Apache-2.0 */
/** @file http.h
 *  One HTTP request at a time over libcurl: no redirect is followed, no credential added and
 *  nothing repeated here; that is for image/registry_request.h. A pool of connections serves
 * several threads. */
#ifndef WCOW_IMAGE_HTTP_H
#define WCOW_IMAGE_HTTP_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/stream.h"
#include "image/strings.h"

enum {
    WCOW_HTTP_ERROR_BODY_MAX = 64 << 10,   /**< of an answer that is not 2xx; more is cut off */
    WCOW_HTTP_HEADER_MAX = 16 << 10,       /**< of one header that is kept */
    WCOW_HTTP_HEADERS_MAX = 256 << 10,     /**< of all headers of an answer */
    WCOW_HTTP_RETRY_AFTER_MAX_MS = 120000, /**< no server is waited for longer */
    WCOW_HTTP_REDIRECTS_MAX = 10,          /**< that are followed from one address */
};

struct wcow_http;

WCOW_NODISCARD int wcow_http_new(struct wcow_http **ret, struct wcow_error *err);
/** No request may be under way. */
void wcow_http_free(struct wcow_http *http);
WCOW_DEFINE_CLEANUP(struct wcow_http, wcow_http_free)

/** How to trust the server and be known to it; all borrowed. */
struct wcow_http_tls {
    bool skip_verify;
    const struct wcow_str_list *ca; /**< PEM files trusted besides the system's; NULL for none */
    const char *client_cert;
    const char *client_key;
};

/** What to send; all borrowed for the time of the call. */
struct wcow_http_request {
    const char *method;                  /**< "GET", "HEAD", "POST", "PUT", "PATCH" */
    const char *url;                     /**< http or https */
    const struct wcow_str_list *headers; /**< "Name: value"; may be NULL */
    const char *authorization;           /**< value of that header; NULL for none */
    const char *user_agent;
    const struct wcow_source *body; /**< NULL for none */
    uint64_t body_bytes;            /**< exactly as many as the source gives */
    const struct wcow_sink *sink;   /**< takes the body of 200 and 206; NULL: response.body */
    size_t body_max_bytes;          /**< of response.body when the answer is 2xx */
    uint64_t range_from;            /**< bytes the sink has already; 0 asks for all */
    uint64_t total_bytes;           /**< that the sink is to have in the end; 0: unknown */
    struct wcow_http_tls tls;
    unsigned connect_timeout_ms;
    unsigned stall_timeout_ms;       /**< without a byte; ten times that with next to none */
    const atomic_bool *cancelled[2]; /**< polled ten times a second; may be NULL */
    void (*progress)(void *ctx, uint64_t sent, uint64_t received); /**< may be NULL */
    void *progress_ctx;
};

/** What came back. Strings are owned and NULL when absent. Zero-initialise. */
struct wcow_http_response {
    int status;
    char *content_type;
    char *content_encoding;
    char *content_digest; /**< Docker-Content-Digest */
    char *location;
    char *retry_after;
    char *chunk_min_length; /**< OCI-Chunk-Min-Length */
    char *range;
    char *last_modified;
    char *etag;
    struct wcow_str_list challenges; /**< each WWW-Authenticate */
    int64_t content_length;          /**< -1 when not told */
    uint64_t range_start;            /**< first byte of a 206's Content-Range */
    uint64_t range_total;            /**< what that says the whole has; 0: nothing */
    struct wcow_buf body;
    uint64_t delivered_bytes; /**< given to the sink, also when the transfer then broke */
};
void wcow_http_response_done(struct wcow_http_response *r);
#define wcow_auto_response WCOW_CLEANUP(wcow_http_response_done) struct wcow_http_response

/** Perform it. WCOW_OK for every whole answer, whatever its status. WCOW_E_UNAVAILABLE for a
 *  connection that could not be made or broke (worth another try), WCOW_E_DEADLINE (stalled),
 *  WCOW_E_CANCELLED, WCOW_E_DENIED (the certificate is not trusted), WCOW_E_INVALID (a bad URL),
 * WCOW_E_LIMIT (a body over body_max_bytes), WCOW_E_CORRUPT (a Content-Range of other bytes or of
 * another whole), or the error of sink or source as it is. */
WCOW_NODISCARD int wcow_http_perform(struct wcow_http *http,
                                     const struct wcow_http_request *request,
                                     struct wcow_http_response *ret, struct wcow_error *err);

/** Resolve @p location, absolute or relative, against @p base; *ret is the caller's. */
WCOW_NODISCARD int wcow_http_resolve_url(const char *base, const char *location, char **ret,
                                         struct wcow_error *err);
/** A URL as messages may show it: without a login and without what follows a '?', for signatures
 *  stand there. */
struct wcow_http_shown {
    char text[256];
};
struct wcow_http_shown wcow_http_shown(const char *url);
/** Take the logins out of all URLs in a text, in place: "https://xxxxx@host/". A name alone, as in
 *  ssh://git@host, is no login but of HTTP, where it may be a token.
 *  @return the length that is left; the byte there is '\0' where there was a login */
size_t wcow_http_mask_logins(char *text, size_t len);
/** Whether two URLs are of one origin. */
WCOW_NODISCARD int wcow_http_same_origin(const char *a, const char *b, bool *ret,
                                         struct wcow_error *err);
/** The time that a header like Last-Modified tells, Unix seconds; false where it tells none. */
bool wcow_http_date(const char *text, int64_t *ret_s);
/** How long a Retry-After asks for, in seconds or until a date, at most
 *  WCOW_HTTP_RETRY_AFTER_MAX_MS; 0 for NULL and for what cannot be read. */
int64_t wcow_http_retry_after_ms(const char *text, int64_t now_s);
/** Whether an answer of @p status sends elsewhere. */
bool wcow_http_is_redirect(int status);
/** Wait before the next attempt. @p cancelled is polled and may hold NULL: WCOW_E_CANCELLED */
WCOW_NODISCARD int wcow_http_pause(int64_t ms, const atomic_bool *const cancelled[2],
                                   struct wcow_error *err);
/** Append @p text percent-encoded for a query or form. */
WCOW_NODISCARD int wcow_http_escape(const char *text, struct wcow_buf *out, struct wcow_error *err);

#endif
