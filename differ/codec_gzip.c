/* SPDX-License-Identifier: Apache-2.0 */
/* gzip out (RFC 1952) on several threads. Each block is deflated on its own, primed with the 32 KiB
 * before it, and ended on a byte boundary (an empty stored block), so that the parts stand behind
 * one another as one deflate stream. One member; no time, no name, OS 255. */
#include <stdlib.h>

#include "differ/codec_blocks.h"
#include "differ/codec_impl.h"

enum {
    BLOCK_BYTES = 512 << 10,
    DICT_BYTES = 32 << 10,
    OUT_BYTES = BLOCK_BYTES + (BLOCK_BYTES >> 3) + 4096, /* stored blocks add 5 bytes in 65,535 */
    N_WAITING = 8, /* to deflate for as long as the thread that fills them is without a processor */
};

struct gzip {
    const struct wcow_sink *output;
    struct wcow_blocks *blocks;
    uint64_t in_bytes;
    uint32_t crc;
    bool header_written;
};

static int begin_thread(void **ret, struct wcow_error *err)
{
    struct wcow_deflate_block *block = NULL;
    int r = wcow_deflate_block_new(&block, err);
    *ret = block;
    return r;
}

static long deflate_block(void *state, struct wcow_bytes before, struct wcow_bytes in, uint8_t *out,
                          size_t cap, struct wcow_error *err)
{
    return wcow_deflate_block_run(state, before, in, out, cap, err);
}

static void end_thread(void *state)
{
    wcow_deflate_block_free(state);
}

static int write_header(struct gzip *g, struct wcow_error *err)
{
    static const uint8_t header[10] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255};
    if (g->header_written)
        return WCOW_OK;
    g->header_written = true;
    return wcow_sink_write(g->output, header, sizeof(header), err);
}

static int gzip_write(void *state, const void *data, size_t len, struct wcow_error *err)
{
    struct gzip *g = state;
    g->crc = wcow_gzip_crc(g->crc, data, len);
    g->in_bytes += len;
    int r = write_header(g, err);
    return r < 0 ? r : wcow_blocks_write(g->blocks, data, len, err);
}

static uint8_t *gzip_room(void *state, size_t *ret_len)
{
    const struct gzip *z = state;
    return wcow_blocks_room(z->blocks, ret_len);
}

static int gzip_finish(void *state, struct wcow_error *err)
{
    struct gzip *g = state;
    int r = write_header(g, err);
    if (r == WCOW_OK)
        r = wcow_blocks_finish(g->blocks, err);
    if (r < 0)
        return r;
    uint8_t end[10] = {3, 0}; /* a final block of fixed codes with nothing in it */
    wcow_store_le32(end + 2, g->crc);
    wcow_store_le32(end + 6, (uint32_t)g->in_bytes);
    return wcow_sink_write(g->output, end, sizeof(end), err);
}

static void gzip_free(void *state)
{
    struct gzip *g = state;
    wcow_blocks_free(g->blocks);
    free(g);
}

int wcow_gzip_new(const struct wcow_sink *output, unsigned n_threads, struct wcow_deflater *ret,
                  struct wcow_error *err)
{
    static const struct wcow_deflater_ops ops = {
        .write = gzip_write, .room = gzip_room, .finish = gzip_finish, .free = gzip_free};
    static const struct wcow_block_codec codec = {.block_bytes = BLOCK_BYTES,
                                                  .before_bytes = DICT_BYTES,
                                                  .out_bytes = OUT_BYTES,
                                                  .n_waiting = N_WAITING,
                                                  .n_max = WCOW_CODEC_MAX_THREADS + N_WAITING,
                                                  .begin = begin_thread,
                                                  .run = deflate_block,
                                                  .end = end_thread};
    struct gzip *g = calloc(1, sizeof(*g));
    if (!g)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a compressor");
    g->output = output;
    int r = wcow_blocks_new(&codec, output, n_threads, &g->blocks, err);
    if (r < 0) {
        gzip_free(g);
        return r;
    }
    *ret = (struct wcow_deflater){.ops = &ops, .state = g};
    return WCOW_OK;
}
