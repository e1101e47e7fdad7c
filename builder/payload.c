/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/payload.h"

#include <stdlib.h>

void wcow_payload_done(struct wcow_payload *payload)
{
    if (payload->ops && payload->ops->free && !payload->borrowed)
        payload->ops->free(payload->ctx);
    *payload = (struct wcow_payload){0};
}

struct wcow_payload wcow_payload_borrow(const struct wcow_payload *from)
{
    return (struct wcow_payload){.ops = from->ops, .ctx = from->ctx, .borrowed = true};
}

static int send_bytes(void *ctx, const struct wcow_sink *sink, struct wcow_error *err)
{
    const struct wcow_buf *buf = ctx;
    return buf->len ? wcow_sink_write(sink, buf->data, buf->len, err) : WCOW_OK;
}

static int know_bytes(void *ctx, struct wcow_digest *ret, struct wcow_error *err)
{
    const struct wcow_buf *buf = ctx;
    int r = wcow_digest_of(buf->data, buf->len, ret, err);
    return r < 0 ? r : 1;
}

static void free_bytes(void *ctx)
{
    wcow_buf_done(ctx);
    free(ctx);
}

static const struct wcow_payload_ops bytes_ops = {
    .send = send_bytes, .known = know_bytes, .free = free_bytes};

int wcow_payload_of_bytes(const void *data, size_t len, struct wcow_payload *ret,
                          struct wcow_error *err)
{
    struct wcow_buf *buf = calloc(1, sizeof(*buf));
    if (!buf)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a file's bytes");
    int r = wcow_buf_add(buf, data, len, err);
    if (r < 0) {
        free_bytes(buf);
        return r;
    }
    *ret = (struct wcow_payload){.ops = &bytes_ops, .ctx = buf};
    return WCOW_OK;
}

int wcow_payload_send(const struct wcow_payload *payload, const struct wcow_sink *sink,
                      struct wcow_error *err)
{
    return payload->ops ? payload->ops->send(payload->ctx, sink, err) : WCOW_OK;
}

/* The digest of the bytes as somebody knows it: 1, or 0. */
static int known_digest(const struct wcow_payload *payload, struct wcow_digest *ret,
                        struct wcow_error *err)
{
    if (!payload->ops) {
        int r = wcow_digest_of("", 0, ret, err);
        return r < 0 ? r : 1;
    }
    return payload->ops->known ? payload->ops->known(payload->ctx, ret, err) : 0;
}

static int add_to_hash(void *ctx, const void *data, size_t len, struct wcow_error *err)
{
    (void)err;
    wcow_hash_add(ctx, data, len);
    return WCOW_OK;
}

int wcow_payload_digest(const struct wcow_payload *payload, struct wcow_digest *ret,
                        struct wcow_error *err)
{
    int r = known_digest(payload, ret, err);
    if (r != 0)
        return r < 0 ? r : WCOW_OK;
    WCOW_CLEANUP(wcow_hash_free_p) struct wcow_hash *hash = NULL;
    r = wcow_hash_new(&hash, err);
    if (r < 0)
        return r;
    const struct wcow_sink sink = {.write = add_to_hash, .ctx = hash};
    r = wcow_payload_send(payload, &sink, err);
    if (r < 0)
        return r;
    r = wcow_hash_digest(hash, ret, err);
    if (r == WCOW_OK && payload->ops->learned)
        payload->ops->learned(payload->ctx, ret);
    return r;
}
