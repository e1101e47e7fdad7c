/* SPDX-License-Identifier: Apache-2.0 */
/** @file h2.h
 *  Inside rpc/: one connection of a caller, HTTP/2 by nghttp2 (RFC 9113), and the gRPC that is in
 *  its streams (github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md). On the loop's thread only.
 */
#ifndef WCOW_RPC_H2_H
#define WCOW_RPC_H2_H

#include <nghttp2/nghttp2.h>
#include <stdbool.h>

#include "base/error.h"
#include "rpc/call.h"

struct wcow_h2 {
    struct wcow_rpc_server *server;
    struct wcow_h2 *next; /**< of the server's */
    struct wcow_h2 **at;
    struct wcow_h2 *dirty_next; /**< of those with something to send */
    bool dirty;
    bool dead;     /**< to be freed at the end of the loop's turn */
    bool blocked;  /**< the socket is full: the loop waits for it */
    bool draining; /**< the last GOAWAY is due with the answer to our ping... */
    bool parting;  /**< ...which has come: it is due now */
    bool parted;   /**< it was said: the rest is the caller's */
    int fd;
    nghttp2_session *session;
    struct wcow_rpc_call *calls; /**< open streams */
    uint8_t *pending;            /**< bytes the socket did not take */
    size_t n_pending;
    struct wcow_error *refusal; /**< why no call is served here; NULL: they are */
};

/** @param fd      the connection's, taken over whatever the result
 *  @param refusal NULL, or the answer to each call (copied)
 *  @param greeted an empty SETTINGS frame was sent on it already, of which the acknowledgement will
 *                 come */
WCOW_NODISCARD int wcow_h2_new(struct wcow_rpc_server *server, int fd,
                               const struct wcow_error *refusal, bool greeted, struct wcow_h2 **ret,
                               struct wcow_error *err);
/** Ends its calls too. */
void wcow_h2_free(struct wcow_h2 *h2);
/** Take what the socket has; whole requests go to the server. */
void wcow_h2_read(struct wcow_h2 *h2);
/** Send what is due. */
void wcow_h2_flush(struct wcow_h2 *h2);
/** There is more of a call's reply. */
void wcow_h2_answer(struct wcow_h2 *h2, struct wcow_rpc_call *call);
/** The call's time is over: its caller is told, its handler sees it cancelled. */
void wcow_h2_expire(struct wcow_h2 *h2, struct wcow_rpc_call *call);
/** Give up a stream. */
void wcow_h2_reset(struct wcow_h2 *h2, const struct wcow_rpc_call *call);
/** Take no more streams, with a moment's notice, and end with the last one. */
void wcow_h2_drain(struct wcow_h2 *h2);
/** Give up every stream, and end. */
void wcow_h2_abort(struct wcow_h2 *h2);

#endif
