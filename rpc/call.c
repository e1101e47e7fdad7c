/* SPDX-License-Identifier: Apache-2.0 */
#include "rpc/call.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "rpc/message.h"
#include "rpc/server_internal.h"
#include "rpc/status.h"

enum {
    MAX_WAITING_MESSAGES = 16, /* beyond, a sender waits for the caller to read */
    SEND_WAIT_S = 30,
    KEPT_INCOMING_BYTES = 4096,
};

uint64_t wcow_now_ns(void)
{
    struct timespec ts = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

struct wcow_rpc_call *wcow_call_new(struct wcow_rpc_server *server)
{
    struct wcow_rpc_call *call = calloc(1, sizeof(*call));
    if (!call)
        return NULL;
    call->server = server;
    call->arena = &call->arena_memory;
    call->out_last = &call->out_first;
    (void)pthread_mutex_init(&call->lock, NULL);
    pthread_condattr_t attr;
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&call->drained, &attr);
    (void)pthread_condattr_destroy(&attr);
    return call;
}

static void drop_outgoing(struct wcow_rpc_call *call)
{
    while (call->out_first) {
        struct wcow_outgoing *next = call->out_first->next;
        free(call->out_first);
        call->out_first = next;
    }
    call->out_last = &call->out_first;
    call->n_out = 0;
}

void wcow_call_reset(struct wcow_rpc_call *call)
{
    drop_outgoing(call);
    if (call->incoming.cap > KEPT_INCOMING_BYTES) {
        free(call->incoming.data);
        call->incoming = (struct wcow_incoming){0};
    }
    call->incoming.len = 0;
    wcow_rpc_arena_reset(call->arena);
    call->method = NULL;
    call->headers = NULL;
    call->header_bytes = 0;
    call->path = NULL;
    call->request = NULL;
    call->on_worker = false;
    call->deadline_ns = 0;
    call->half_closed = call->begun = call->counted = call->over = false;
    call->responded = call->ended = false;
    call->on_cancel = NULL;
    call->posted = call->posted_over = call->no_more = false;
    call->status = 0;
    call->status_text = NULL;
    atomic_store(&call->cancelled, false);
}

void wcow_call_free(struct wcow_rpc_call *call)
{
    wcow_call_reset(call);
    free(call->incoming.data);
    wcow_rpc_arena_done(call->arena);
    (void)pthread_cond_destroy(&call->drained);
    (void)pthread_mutex_destroy(&call->lock);
    free(call);
}

/* ---- what comes in ---- */

static uint32_t message_size(const struct wcow_incoming *in)
{
    return (uint32_t)in->data[1] << 24 | (uint32_t)in->data[2] << 16 | (uint32_t)in->data[3] << 8 |
           (uint32_t)in->data[4];
}

/* What the prefix says is checked before a byte of the message is kept. */
static int check_prefix(const struct wcow_incoming *in, struct wcow_error *err)
{
    if (in->data[0] != 0)
        return WCOW_FAIL(err, WCOW_E_UNSUPPORTED, "compressed messages are not taken here");
    uint32_t size = message_size(in);
    if (size > WCOW_RPC_MAX_MESSAGE_BYTES)
        return WCOW_FAIL(err, WCOW_E_LIMIT, "a request of %u bytes is over the limit of %d", size,
                         WCOW_RPC_MAX_MESSAGE_BYTES);
    return WCOW_OK;
}

static int make_room(struct wcow_incoming *in, size_t len, struct wcow_error *err)
{
    if (len <= in->cap)
        return WCOW_OK;
    size_t cap = in->cap ? in->cap : 512;
    while (cap < len)
        cap *= 2;
    uint8_t *data = realloc(in->data, cap);
    if (!data)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a request of %zu bytes", len);
    in->data = data;
    in->cap = cap;
    return WCOW_OK;
}

/* Up to @p want bytes in all. */
static int take(struct wcow_incoming *in, size_t want, const uint8_t **data, size_t *len,
                struct wcow_error *err)
{
    if (in->len >= want)
        return WCOW_OK;
    size_t n = want - in->len < *len ? want - in->len : *len;
    int r = make_room(in, in->len + n, err);
    if (r < 0 || n == 0)
        return r;
    memcpy(in->data + in->len, *data, n);
    in->len += n;
    *data += n;
    *len -= n;
    return WCOW_OK;
}

bool wcow_call_has_message(const struct wcow_rpc_call *call)
{
    const struct wcow_incoming *in = &call->incoming;
    return in->len >= WCOW_RPC_PREFIX_BYTES &&
           in->len == WCOW_RPC_PREFIX_BYTES + (size_t)message_size(in);
}

int wcow_call_receive(struct wcow_rpc_call *call, const uint8_t *data, size_t len,
                      struct wcow_error *err)
{
    struct wcow_incoming *in = &call->incoming;
    int r = take(in, WCOW_RPC_PREFIX_BYTES, &data, &len, err);
    if (r == WCOW_OK && in->len >= WCOW_RPC_PREFIX_BYTES)
        r = check_prefix(in, err);
    if (r == WCOW_OK && in->len >= WCOW_RPC_PREFIX_BYTES)
        r = take(in, WCOW_RPC_PREFIX_BYTES + (size_t)message_size(in), &data, &len, err);
    return r;
}

/* ---- what handlers use ---- */

const ProtobufCMessage *wcow_rpc_call_request(const struct wcow_rpc_call *call)
{
    return call->request;
}

void *wcow_rpc_call_alloc(struct wcow_rpc_call *call, size_t size)
{
    return wcow_rpc_arena_alloc(call->arena, size);
}

char *wcow_rpc_call_strdup(struct wcow_rpc_call *call, const char *s)
{
    return wcow_rpc_arena_strndup(call->arena, s, strlen(s));
}

const char *wcow_rpc_call_header(const struct wcow_rpc_call *call, const char *key)
{
    for (const struct wcow_call_header *h = call->headers; h; h = h->next)
        if (strcmp(h->key, key) == 0)
            return h->value;
    return NULL;
}

const atomic_bool *wcow_rpc_call_cancelled(const struct wcow_rpc_call *call)
{
    return &call->cancelled;
}

void wcow_call_cancel(struct wcow_rpc_call *call)
{
    (void)pthread_mutex_lock(&call->lock);
    atomic_store(&call->cancelled, true);
    drop_outgoing(call);
    (void)pthread_cond_signal(&call->drained);
    (void)pthread_mutex_unlock(&call->lock);
    if (call->on_cancel && !call->over)
        call->on_cancel(call);
}

/* ---- replies ---- */

static int pack(const ProtobufCMessage *message, struct wcow_outgoing **ret, struct wcow_error *err)
{
    size_t size = 0;
    int r = wcow_message_measure(message, &size, err);
    if (r < 0)
        return r;
    wcow_autofree struct wcow_outgoing *out = malloc(sizeof(*out) + WCOW_RPC_PREFIX_BYTES + size);
    if (!out)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a reply of %zu bytes", size);
    *out = (struct wcow_outgoing){.len = WCOW_RPC_PREFIX_BYTES + size};
    const uint8_t prefix[WCOW_RPC_PREFIX_BYTES] = {0, (uint8_t)(size >> 24), (uint8_t)(size >> 16),
                                                   (uint8_t)(size >> 8), (uint8_t)size};
    memcpy(out->data, prefix, sizeof(prefix));
    r = wcow_message_write(message, size, out->data + sizeof(prefix), err);
    if (r == WCOW_OK)
        *ret = WCOW_TAKE_PTR(out);
    return r;
}

/* With the lock held. */
static void append(struct wcow_rpc_call *call, struct wcow_outgoing *out)
{
    *call->out_last = out;
    call->out_last = &out->next;
    call->n_out++;
}

/* With the lock held. A method that runs on the loop's thread must not wait for it. */
static int wait_for_room(struct wcow_rpc_call *call, struct wcow_error *err)
{
    struct timespec until = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += SEND_WAIT_S;
    int e = 0;
    while (call->n_out >= MAX_WAITING_MESSAGES && !atomic_load(&call->cancelled) && e == 0 &&
           call->on_worker)
        e = pthread_cond_timedwait(&call->drained, &call->lock, &until);
    if (atomic_load(&call->cancelled))
        return WCOW_FAIL(err, WCOW_E_CANCELLED, "the caller went away");
    if (call->n_out >= MAX_WAITING_MESSAGES)
        return WCOW_FAIL(err, WCOW_E_DEADLINE, "the caller did not read its reply for %d s",
                         SEND_WAIT_S);
    return WCOW_OK;
}

int wcow_rpc_call_send(struct wcow_rpc_call *call, const ProtobufCMessage *message,
                       struct wcow_error *err)
{
    wcow_autofree struct wcow_outgoing *out = NULL;
    int r = pack(message, &out, err);
    if (r < 0)
        return r;
    (void)pthread_mutex_lock(&call->lock);
    r = wait_for_room(call, err);
    if (r == WCOW_OK)
        append(call, WCOW_TAKE_PTR(out));
    (void)pthread_mutex_unlock(&call->lock);
    if (r == WCOW_OK)
        wcow_server_post(call->server, call, false);
    return r;
}

void wcow_rpc_call_finish(struct wcow_rpc_call *call, const ProtobufCMessage *reply, int code,
                          const struct wcow_error *err)
{
    struct wcow_outgoing *out = NULL;
    struct wcow_error local = {0};
    if (code != WCOW_OK && err)
        local = *err;
    if (code == WCOW_OK && reply)
        code = pack(reply, &out, &local);
    wcow_message_sanitize(local.msg);
    wcow_server_observe(call->server, call, code, local.msg);

    (void)pthread_mutex_lock(&call->lock);
    call->status = wcow_rpc_status_of_code(code);
    if (code != WCOW_OK)
        call->status_text = wcow_rpc_call_strdup(call, local.msg);
    if (out)
        append(call, out);
    call->no_more = true;
    (void)pthread_mutex_unlock(&call->lock);
    wcow_server_post(call->server, call, true);
}
