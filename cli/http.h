/* SPDX-License-Identifier: Apache-2.0 */
/** @file http.h
 *  As much of an HTTP/1.1 server as a scrape of metrics needs: one GET a connection, one connection
 *  at a time, each with a limit of size and time. (A library for it would cost every wcowd 2 MB of
 *  memory, for something that is off by default.) Source: RFC 9112. */
#ifndef WCOW_CLI_HTTP_H
#define WCOW_CLI_HTTP_H

#include "base/bytes.h"
#include "base/cleanup.h"

struct wcow_http;

/** The text for @p path; WCOW_E_NOT_FOUND becomes 404, another error 500, with err->msg. On the
 *  server's thread. */
typedef int (*wcow_http_source)(void *ctx, const char *path, struct wcow_buf *out,
                                struct wcow_error *err);

/** @param listen_fd taken over where it succeeds */
WCOW_NODISCARD int wcow_http_new(int listen_fd, wcow_http_source source, void *ctx,
                                 struct wcow_http **ret, struct wcow_error *err);
/** NULL allowed. */
void wcow_http_free(struct wcow_http *http);
WCOW_DEFINE_CLEANUP(struct wcow_http, wcow_http_free)

#endif
