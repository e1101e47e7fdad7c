/* SPDX-License-Identifier: Apache-2.0 */
/* Which compression a layer has, by media type or by its first bytes, and the way to the library
 * that undoes or makes it. */
#include "differ/codec.h"

#include <string.h>

#include "differ/codec_impl.h"

enum wcow_compression wcow_compression_detect(const void *data, size_t len)
{
    static const uint8_t gzip[] = {0x1f, 0x8b, 0x08};
    static const uint8_t zstd[] = {0x28, 0xb5, 0x2f, 0xfd};
    const uint8_t *b = data;
    if (len >= sizeof(gzip) && memcmp(b, gzip, sizeof(gzip)) == 0)
        return WCOW_COMPRESSION_GZIP;
    if (len >= sizeof(zstd) && memcmp(b, zstd, sizeof(zstd)) == 0)
        return WCOW_COMPRESSION_ZSTD;
    /* A skippable frame: 0x184D2A50 to 0x184D2A5F, little-endian. */
    if (len >= 4 && (b[0] & 0xf0) == 0x50 && b[1] == 0x2a && b[2] == 0x4d && b[3] == 0x18)
        return WCOW_COMPRESSION_ZSTD;
    return WCOW_COMPRESSION_NONE;
}

const char *wcow_compression_name(enum wcow_compression c)
{
    static const char *const names[] = {"none", "gzip", "zstd"};
    return names[c];
}

#define OCI_LAYER "application/vnd.oci.image.layer."
#define DOCKER    "application/vnd.docker.image.rootfs."

int wcow_compression_of_media_type(const char *media_type, enum wcow_compression *ret,
                                   bool *ret_detect, struct wcow_error *err)
{
    static const struct {
        const char *type;
        enum wcow_compression compression;
        bool detect;
    } known[] = {
        {OCI_LAYER "v1.tar", WCOW_COMPRESSION_NONE, false},
        {OCI_LAYER "v1.tar+gzip", WCOW_COMPRESSION_GZIP, false},
        {OCI_LAYER "v1.tar+zstd", WCOW_COMPRESSION_ZSTD, false},
        {OCI_LAYER "nondistributable.v1.tar", WCOW_COMPRESSION_NONE, false},
        {OCI_LAYER "nondistributable.v1.tar+gzip", WCOW_COMPRESSION_GZIP, false},
        {OCI_LAYER "nondistributable.v1.tar+zstd", WCOW_COMPRESSION_ZSTD, false},
        {DOCKER "diff.tar", WCOW_COMPRESSION_NONE, true},
        {DOCKER "diff.tar.gzip", WCOW_COMPRESSION_GZIP, false},
        {DOCKER "diff.tar.zstd", WCOW_COMPRESSION_ZSTD, false},
        {DOCKER "foreign.diff.tar", WCOW_COMPRESSION_NONE, true},
        {DOCKER "foreign.diff.tar.gzip", WCOW_COMPRESSION_GZIP, false},
        {DOCKER "foreign.diff.tar.zstd", WCOW_COMPRESSION_ZSTD, false},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(media_type, known[i].type) == 0) {
            *ret = known[i].compression;
            *ret_detect = known[i].detect;
            return WCOW_OK;
        }
    }
    return WCOW_FAIL(err, WCOW_E_UNSUPPORTED, "media type \"%s\" is no layer tar that wcow reads",
                     media_type);
}

struct wcow_decompressor {
    struct wcow_inflater impl;
    const struct wcow_source *input;
    struct wcow_bytes plain; /* of uncompressed input: what was not given out yet */
    uint64_t in_bytes;
    uint64_t out_bytes;
    uint32_t max_ratio;
    uint8_t *chunk; /* of the source, once it is used */
};

/* Counts what goes in, for the ratio. */
static int counted_next(void *ctx, const uint8_t **ret_data, size_t *ret_len,
                        struct wcow_error *err)
{
    struct wcow_decompressor *d = ctx;
    int r = wcow_source_next(d->input, ret_data, ret_len, err);
    if (r == WCOW_OK)
        d->in_bytes += *ret_len;
    return r;
}

enum { RATIO_FREE_BYTES = 64 << 20 };

/* Input that is not compressed, copied. */
static int plain_read(struct wcow_decompressor *d, uint8_t *out, size_t cap, size_t *ret_len,
                      struct wcow_error *err)
{
    if (!d->plain.len) {
        int r = counted_next(d, &d->plain.data, &d->plain.len, err);
        if (r < 0)
            return r;
    }
    size_t len = d->plain.len < cap ? d->plain.len : cap;
    if (len)
        memcpy(out, d->plain.data, len);
    d->plain.data += len;
    d->plain.len -= len;
    *ret_len = len;
    return WCOW_OK;
}

int wcow_decompressor_read(struct wcow_decompressor *d, uint8_t *out, size_t cap, size_t *ret_len,
                           struct wcow_error *err)
{
    size_t len = 0;
    int r = d->impl.ops ? d->impl.ops->read(d->impl.state, out, cap, &len, err)
                        : plain_read(d, out, cap, &len, err);
    if (r < 0)
        return r;
    d->out_bytes += len;
    if (d->max_ratio && d->impl.ops && d->out_bytes > RATIO_FREE_BYTES &&
        d->out_bytes / d->max_ratio > d->in_bytes)
        return WCOW_FAIL(err, WCOW_E_LIMIT,
                         "the layer expands more than %u-fold (%llu bytes from %llu): refused as a "
                         "decompression bomb",
                         d->max_ratio, (unsigned long long)d->out_bytes,
                         (unsigned long long)d->in_bytes);
    *ret_len = len;
    return WCOW_OK;
}

static int decompressor_next(void *ctx, const uint8_t **ret_data, size_t *ret_len,
                             struct wcow_error *err)
{
    struct wcow_decompressor *d = ctx;
    if (!d->chunk && !(d->chunk = malloc(WCOW_CODEC_CHUNK)))
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a decompressor");
    *ret_data = d->chunk;
    return wcow_decompressor_read(d, d->chunk, WCOW_CODEC_CHUNK, ret_len, err);
}

int wcow_decompressor_new(const struct wcow_source *input, enum wcow_compression c,
                          uint32_t max_ratio, struct wcow_decompressor **ret,
                          struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_decompressor_free_p)
    struct wcow_decompressor *d = calloc(1, sizeof(*d));
    if (!d)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a decompressor");
    d->input = input;
    d->max_ratio = max_ratio;
    struct wcow_source counted = {.next = counted_next, .ctx = d};
    int r = WCOW_OK;
    if (c == WCOW_COMPRESSION_GZIP)
        r = wcow_gunzip_new(counted, &d->impl, err);
    else if (c == WCOW_COMPRESSION_ZSTD)
        r = wcow_unzstd_new(counted, &d->impl, err);
    if (r == WCOW_OK)
        *ret = WCOW_TAKE_PTR(d);
    return r;
}

struct wcow_source wcow_decompressor_source(struct wcow_decompressor *d)
{
    return (struct wcow_source){.next = decompressor_next, .ctx = d};
}

void wcow_decompressor_free(struct wcow_decompressor *d)
{
    if (!d)
        return;
    if (d->impl.ops)
        d->impl.ops->free(d->impl.state);
    free(d->chunk);
    free(d);
}

struct wcow_compressor {
    struct wcow_deflater impl;
    const struct wcow_sink *output;
};

static int compressor_write(void *ctx, const void *data, size_t len, struct wcow_error *err)
{
    struct wcow_compressor *c = ctx;
    if (!c->impl.ops)
        return wcow_sink_write(c->output, data, len, err);
    return c->impl.ops->write(c->impl.state, data, len, err);
}

static uint8_t *compressor_room(void *ctx, size_t *ret_len)
{
    struct wcow_compressor *c = ctx;
    return c->impl.ops ? c->impl.ops->room(c->impl.state, ret_len)
                       : wcow_sink_room(c->output, ret_len);
}

int wcow_compressor_new(const struct wcow_sink *output, enum wcow_compression compression,
                        unsigned n_threads, struct wcow_compressor **ret, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_compressor_free_p) struct wcow_compressor *c = calloc(1, sizeof(*c));
    if (!c)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a compressor");
    c->output = output;
    if (!n_threads) {
        long n = sysconf(_SC_NPROCESSORS_ONLN);
        n_threads = n > 0 ? (unsigned)n : 1;
    }
    if (n_threads > WCOW_CODEC_MAX_THREADS)
        n_threads = WCOW_CODEC_MAX_THREADS;
    int r = WCOW_OK;
    if (compression == WCOW_COMPRESSION_GZIP)
        r = wcow_gzip_new(output, n_threads, &c->impl, err);
    else if (compression == WCOW_COMPRESSION_ZSTD)
        r = wcow_zstd_new(output, n_threads, &c->impl, err);
    if (r == WCOW_OK)
        *ret = WCOW_TAKE_PTR(c);
    return r;
}

struct wcow_sink wcow_compressor_sink(struct wcow_compressor *c)
{
    return (struct wcow_sink){.write = compressor_write, .room = compressor_room, .ctx = c};
}

int wcow_compressor_finish(struct wcow_compressor *c, struct wcow_error *err)
{
    return c->impl.ops ? c->impl.ops->finish(c->impl.state, err) : WCOW_OK;
}

void wcow_compressor_free(struct wcow_compressor *c)
{
    if (!c)
        return;
    if (c->impl.ops)
        c->impl.ops->free(c->impl.state);
    free(c);
}
