/* SPDX-License-Identifier: Apache-2.0 */
/* Header chunks by zstd: a layer's headers shrink about thirty-fold, for they repeat themselves. */
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "differ/headers.h"

enum { CHUNK_BYTES = 256 << 10, LEVEL = 1, RAW_MAX = 1 << 20 };

struct wcow_header_packer {
    struct wcow_layer_index_writer *index;
    ZSTD_CCtx *ctx;
    size_t len;
    uint8_t raw[CHUNK_BYTES];
    uint8_t packed[ZSTD_COMPRESSBOUND(CHUNK_BYTES)];
};

void wcow_header_packer_free(struct wcow_header_packer *p)
{
    if (!p)
        return;
    (void)ZSTD_freeCCtx(p->ctx);
    free(p);
}

int wcow_header_packer_new(struct wcow_layer_index_writer *index, struct wcow_header_packer **ret,
                           struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_header_packer_free_p) struct wcow_header_packer *p = malloc(sizeof(*p));
    if (!p)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for header chunks");
    p->index = index;
    p->len = 0;
    p->ctx = ZSTD_createCCtx();
    if (!p->ctx)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for header chunks");
    *ret = WCOW_TAKE_PTR(p);
    return WCOW_OK;
}

static int flush(struct wcow_header_packer *p, struct wcow_error *err)
{
    size_t n = ZSTD_compressCCtx(p->ctx, p->packed, sizeof(p->packed), p->raw, p->len, LEVEL);
    if (ZSTD_isError(n))
        return WCOW_FAIL(err, WCOW_E_INTERNAL, "zstd: %s", ZSTD_getErrorName(n));
    int r = wcow_layer_index_add_headers(p->index, "zstd", p->len, p->packed, n, err);
    p->len = 0;
    return r;
}

int wcow_header_packer_add(struct wcow_header_packer *p, const void *data, size_t len,
                           struct wcow_error *err)
{
    const uint8_t *at = data;
    while (len) {
        size_t n = CHUNK_BYTES - p->len;
        if (n > len)
            n = len;
        memcpy(p->raw + p->len, at, n);
        p->len += n;
        at += n;
        len -= n;
        int r = p->len == CHUNK_BYTES ? flush(p, err) : WCOW_OK;
        if (r < 0)
            return r;
    }
    return WCOW_OK;
}

int wcow_header_packer_finish(struct wcow_header_packer *p, struct wcow_error *err)
{
    return p->len ? flush(p, err) : WCOW_OK;
}

int wcow_header_unpack(const char *codec, uint64_t raw_len, struct wcow_bytes data,
                       struct wcow_buf *out, struct wcow_error *err)
{
    if (raw_len > RAW_MAX)
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "layer.db: a header chunk of %llu bytes",
                         (unsigned long long)raw_len);
    if (strcmp(codec, "none") == 0)
        return wcow_buf_add(out, data.data, data.len, err);
    if (strcmp(codec, "zstd") != 0)
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "layer.db: header chunks in unknown codec \"%s\"",
                         codec);
    uint8_t *to = NULL;
    int r = wcow_buf_reserve(out, (size_t)raw_len, &to, err);
    if (r < 0)
        return r;
    size_t n = ZSTD_decompress(to, (size_t)raw_len, data.data, data.len);
    if (ZSTD_isError(n) || n != raw_len)
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "layer.db: a header chunk is damaged");
    out->len += n;
    return WCOW_OK;
}
