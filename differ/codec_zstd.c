/* SPDX-License-Identifier: Apache-2.0 */
/* zstd (RFC 8878). Out: frames of a fixed size of input, each compressed on its own, so that the
 * bytes depend on the level and on that size only, never on the number of threads. */
#include <stdlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "base/cleanup.h"
#include "differ/codec_blocks.h"
#include "differ/codec_impl.h"

enum {
    ZSTD_LEVEL = 2,
    ZSTD_MIN_MATCH = 5, /* the level's own is 6; programs repeat in shorter pieces */
    ZSTD_STEP = 2, /* between looks for a match: a tenth faster, 7% larger than the level's own */
    ZSTD_WINDOW_LOG = 22,
    ZSTD_FRAME_BYTES = 1 << ZSTD_WINDOW_LOG, /* 4 MiB: more is hardly smaller */
    ZSTD_N_WAITING = 2,
    ZSTD_N_MAX =
        4, /* of 8 MiB with what they become; hashing the tar keeps up with three threads */
    ZSTD_WINDOW_LOG_MAX = 25, /* in: 32 MiB, what --ultra -20 makes; the memory bound needs one */
};

/* ---- in ---- */

struct unzstd {
    struct wcow_source input;
    ZSTD_DCtx *ctx;
    ZSTD_inBuffer in;
    size_t frame_left; /* 0 between frames */
    bool input_ended;
    bool any_frame;
};

static int decode_error(size_t rc, struct wcow_error *err)
{
    if (ZSTD_getErrorCode(rc) == ZSTD_error_frameParameter_windowTooLarge)
        return WCOW_FAIL(err, WCOW_E_LIMIT,
                         "the layer's zstd window is over %d MiB; compress it with level 19 or "
                         "less, without --long",
                         1 << (ZSTD_WINDOW_LOG_MAX - 20));
    if (ZSTD_getErrorCode(rc) == ZSTD_error_memory_allocation)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory in libzstd");
    return WCOW_FAIL(err, WCOW_E_CORRUPT,
                     "the layer's zstd stream is damaged: %s; pull or build it again",
                     ZSTD_getErrorName(rc));
}

static int unzstd_fill(struct unzstd *z, struct wcow_error *err)
{
    if (z->in.pos < z->in.size || z->input_ended)
        return WCOW_OK;
    const uint8_t *data = NULL;
    size_t len = 0;
    int r = wcow_source_next(&z->input, &data, &len, err);
    if (r < 0)
        return r;
    z->in = (ZSTD_inBuffer){.src = data, .size = len};
    z->input_ended = len == 0;
    return WCOW_OK;
}

/* NOLINTNEXTLINE(readability-non-const-parameter): libzstd writes there, by a copy of it */
static int unzstd_read(void *state, uint8_t *to, size_t cap, size_t *ret_len,
                       struct wcow_error *err)
{
    struct unzstd *z = state;
    ZSTD_outBuffer out = {.dst = to, .size = cap};
    while (out.pos == 0) {
        int r = unzstd_fill(z, err);
        if (r < 0)
            return r;
        if (z->input_ended && z->in.pos == z->in.size && (z->frame_left == 0)) {
            if (!z->any_frame)
                return WCOW_FAIL(err, WCOW_E_CORRUPT, "the layer's zstd stream is empty");
            break;
        }
        size_t rc = ZSTD_decompressStream(z->ctx, &out, &z->in);
        if (ZSTD_isError(rc))
            return decode_error(rc, err);
        z->any_frame = true;
        z->frame_left = rc;
        if (z->input_ended && out.pos == 0 && rc != 0)
            return WCOW_FAIL(err, WCOW_E_CORRUPT,
                             "the layer's zstd stream is damaged: it ends too early; pull or build "
                             "it again");
    }
    *ret_len = out.pos;
    return WCOW_OK;
}

static void unzstd_free(void *state)
{
    struct unzstd *z = state;
    (void)ZSTD_freeDCtx(z->ctx);
    free(z);
}

int wcow_unzstd_new(struct wcow_source input, struct wcow_inflater *ret, struct wcow_error *err)
{
    static const struct wcow_inflater_ops ops = {.read = unzstd_read, .free = unzstd_free};
    wcow_autofree struct unzstd *z = calloc(1, sizeof(*z));
    if (!z || !(z->ctx = ZSTD_createDCtx()))
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a decompressor");
    (void)ZSTD_DCtx_setParameter(z->ctx, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX);
    z->input = input;
    *ret = (struct wcow_inflater){.ops = &ops, .state = WCOW_TAKE_PTR(z)};
    return WCOW_OK;
}

/* ---- out ---- */

struct zstd {
    const struct wcow_sink *output;
    struct wcow_blocks *blocks;
    bool any;
};

static int set_parameters(ZSTD_CCtx *ctx, struct wcow_error *err)
{
    const struct {
        ZSTD_cParameter parameter;
        int value;
    } all[] = {
        {ZSTD_c_compressionLevel, ZSTD_LEVEL}, {ZSTD_c_checksumFlag, 1},
        {ZSTD_c_windowLog, ZSTD_WINDOW_LOG},   {ZSTD_c_minMatch, ZSTD_MIN_MATCH},
        {ZSTD_c_targetLength, ZSTD_STEP},
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        size_t rc = ZSTD_CCtx_setParameter(ctx, all[i].parameter, all[i].value);
        if (ZSTD_isError(rc))
            return WCOW_FAIL(err, WCOW_E_INTERNAL, "libzstd refuses a setting: %s",
                             ZSTD_getErrorName(rc));
    }
    return WCOW_OK;
}

static int begin_thread(void **ret, struct wcow_error *err)
{
    ZSTD_CCtx *ctx = ZSTD_createCCtx();
    if (!ctx)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a compressor");
    int r = set_parameters(ctx, err);
    if (r < 0)
        (void)ZSTD_freeCCtx(ctx);
    else
        *ret = ctx;
    return r;
}

/* A frame of its own, all of whose input is there: libzstd neither copies it nor looks for what
 * would have been before, which is a sixth of its time. */
static long make_frame(void *state, struct wcow_bytes before, struct wcow_bytes in, uint8_t *out,
                       size_t cap, struct wcow_error *err)
{
    (void)before;
    size_t n = ZSTD_compress2(state, out, cap, in.data, in.len);
    if (ZSTD_isError(n))
        return WCOW_FAIL(err, WCOW_E_INTERNAL, "zstd: %s", ZSTD_getErrorName(n));
    return (long)n;
}

static void end_thread(void *state)
{
    (void)ZSTD_freeCCtx(state);
}

static int zstd_write(void *state, const void *data, size_t len, struct wcow_error *err)
{
    struct zstd *z = state;
    z->any |= len > 0;
    return wcow_blocks_write(z->blocks, data, len, err);
}

/* Nothing at all is one frame with nothing in it. */
static int write_empty(const struct zstd *z, struct wcow_error *err)
{
    static const uint8_t empty[] = {0x28, 0xb5, 0x2f, 0xfd, 0x20, 0, 1, 0, 0};
    return wcow_sink_write(z->output, empty, sizeof(empty), err);
}

static uint8_t *zstd_room(void *state, size_t *ret_len)
{
    const struct zstd *z = state;
    return wcow_blocks_room(z->blocks, ret_len);
}

static int zstd_finish(void *state, struct wcow_error *err)
{
    struct zstd *z = state;
    return z->any ? wcow_blocks_finish(z->blocks, err) : write_empty(z, err);
}

static void zstd_free(void *state)
{
    struct zstd *z = state;
    wcow_blocks_free(z->blocks);
    free(z);
}

int wcow_zstd_new(const struct wcow_sink *output, unsigned n_threads, struct wcow_deflater *ret,
                  struct wcow_error *err)
{
    static const struct wcow_deflater_ops ops = {
        .write = zstd_write, .room = zstd_room, .finish = zstd_finish, .free = zstd_free};
    static const struct wcow_block_codec codec = {.block_bytes = ZSTD_FRAME_BYTES,
                                                  .out_bytes = ZSTD_COMPRESSBOUND(ZSTD_FRAME_BYTES),
                                                  .n_waiting = ZSTD_N_WAITING,
                                                  .n_max = ZSTD_N_MAX,
                                                  .begin = begin_thread,
                                                  .run = make_frame,
                                                  .end = end_thread};
    struct zstd *z = calloc(1, sizeof(*z));
    if (!z)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a compressor");
    z->output = output;
    int r = wcow_blocks_new(&codec, output, n_threads, &z->blocks, err);
    if (r < 0) {
        zstd_free(z);
        return r;
    }
    *ret = (struct wcow_deflater){.ops = &ops, .state = z};
    return WCOW_OK;
}
