/* SPDX-License-Identifier: Apache-2.0 */
/* Responses: headers, messages with their prefix, and the status in the trailers; or, where there
 * is no message, the status in the headers ("Trailers-Only"). */
#include "rpc/h2_reply.h"

#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "rpc/text.h"

enum { MESSAGE_BYTES = 3 * 1024 };

static nghttp2_nv header(const char *name, const char *value)
{
    return (nghttp2_nv){.name = (uint8_t *)wcow_rpc_text(name),
                        .value = (uint8_t *)wcow_rpc_text(value),
                        .namelen = strlen(name),
                        .valuelen = strlen(value),
                        .flags = NGHTTP2_NV_FLAG_NO_COPY_NAME};
}

/* Percent-encoded, as the protocol has it; cut where there is no more room. */
static void encode_message(const char *text, char out[MESSAGE_BYTES])
{
    static const char hex[] = "0123456789ABCDEF";
    size_t n = 0;
    for (const unsigned char *c = (const unsigned char *)text; *c && n + 4 < MESSAGE_BYTES; c++) {
        if (*c >= ' ' && *c <= '~' && *c != '%') {
            out[n++] = (char)*c;
            continue;
        }
        out[n++] = '%';
        out[n++] = hex[*c >> 4];
        out[n++] = hex[*c & 15];
    }
    out[n] = '\0';
}

/* The status, and what it says: two headers at most. */
struct status {
    char code[WCOW_NUMBER_BYTES];
    char message[MESSAGE_BYTES];
};

static size_t status_headers(const struct wcow_rpc_call *call, struct status *s, nghttp2_nv *out)
{
    (void)wcow_number_decimal((unsigned)call->status, s->code);
    out[0] = header("grpc-status", s->code);
    if (!call->status_text)
        return 1;
    encode_message(call->status_text, s->message);
    out[1] = header("grpc-message", s->message);
    return 2;
}

/* With the call's lock held. */
static void take_message(struct wcow_rpc_call *call, uint8_t *buf, size_t length, size_t *n)
{
    while (call->out_first && *n < length) {
        struct wcow_outgoing *out = call->out_first;
        size_t left = out->len - out->sent;
        size_t part = left < length - *n ? left : length - *n;
        memcpy(buf + *n, out->data + out->sent, part);
        out->sent += part;
        *n += part;
        if (part < left)
            return;
        call->out_first = out->next;
        call->n_out--;
        if (!call->out_first)
            call->out_last = &call->out_first;
        free(out);
        (void)pthread_cond_signal(&call->drained);
    }
}

/* nghttp2 asks for the next bytes of a response. */
static ssize_t read_reply(nghttp2_session *session, int32_t stream_id, uint8_t *buf, size_t length,
                          uint32_t *flags, nghttp2_data_source *source, void *user_data)
{
    (void)user_data;
    struct wcow_rpc_call *call = source->ptr;
    size_t n = 0;
    (void)pthread_mutex_lock(&call->lock);
    take_message(call, buf, length, &n);
    bool end = !call->out_first && call->no_more;
    (void)pthread_mutex_unlock(&call->lock);
    if (!end)
        return n ? (ssize_t)n : NGHTTP2_ERR_DEFERRED;
    *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
    struct status status;
    nghttp2_nv trailers[2];
    size_t n_trailers = status_headers(call, &status, trailers);
    call->ended = true;
    if (nghttp2_submit_trailer(session, stream_id, trailers, n_trailers) < 0)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    return (ssize_t)n;
}

/* Whether nothing but a status will come. With errors that is the rule. */
static bool has_only_status(struct wcow_rpc_call *call)
{
    (void)pthread_mutex_lock(&call->lock);
    bool only = call->no_more && !call->out_first;
    (void)pthread_mutex_unlock(&call->lock);
    return only;
}

static int begin(struct wcow_h2 *h2, struct wcow_rpc_call *call)
{
    nghttp2_nv headers[5] = {header(":status", "200"), header("content-type", "application/grpc")};
    call->responded = true;
    if (!has_only_status(call)) {
        nghttp2_data_provider provider = {.source.ptr = call, .read_callback = read_reply};
        return nghttp2_submit_response(h2->session, call->stream_id, headers, 2, &provider);
    }
    struct status status;
    size_t n = 2 + status_headers(call, &status, headers + 2);
    if (call->status == 12) /* UNIMPLEMENTED, perhaps for its compression */
        headers[n++] = header("grpc-accept-encoding", "identity");
    call->ended = true;
    return nghttp2_submit_response(h2->session, call->stream_id, headers, n, NULL);
}

void wcow_h2_reply(struct wcow_h2 *h2, struct wcow_rpc_call *call)
{
    int r = 0;
    if (!call->responded)
        r = begin(h2, call);
    else if (!call->ended)
        (void)nghttp2_session_resume_data(h2->session, call->stream_id); /* may not be waiting */
    if (r < 0)
        wcow_h2_reset(h2, call);
}

void wcow_h2_reply_late(struct wcow_h2 *h2, struct wcow_rpc_call *call)
{
    const nghttp2_nv headers[] = {header(":status", "200"),
                                  header("content-type", "application/grpc"),
                                  header("grpc-status", "4"), /* DEADLINE_EXCEEDED */
                                  header("grpc-message", "the deadline has passed")};
    bool begun = call->responded;
    call->responded = call->ended = true;
    if (begun || nghttp2_submit_response(h2->session, call->stream_id, headers, 4, NULL) < 0)
        wcow_h2_reset(h2, call);
}

void wcow_h2_reply_http(struct wcow_h2 *h2, struct wcow_rpc_call *call, const char *status)
{
    const nghttp2_nv headers[] = {header(":status", status)};
    call->begun = call->over = call->responded = call->ended = true;
    if (nghttp2_submit_response(h2->session, call->stream_id, headers, 1, NULL) < 0)
        wcow_h2_reset(h2, call);
}
