/* SPDX-License-Identifier: Apache-2.0 */
/* One block of raw deflate (RFC 1951) by ISA-L where the build has it, else by zlib; the part of
 * gzip that depends on the library. The level is pinned: see docs/differ.md for how it was chosen.
 */
#include <stdlib.h>

#include "base/cleanup.h"
#include "differ/codec_impl.h"

#ifdef WCOW_ISAL
#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>

#ifndef WCOW_ISAL_LEVEL
#define WCOW_ISAL_LEVEL 2
#endif
#define LEVEL_BUF2(l) ISAL_DEF_LVL##l##_DEFAULT
#define LEVEL_BUF(l)  LEVEL_BUF2(l)

struct wcow_deflate_block {
    struct isal_zstream z;
    uint8_t level_buf[LEVEL_BUF(WCOW_ISAL_LEVEL)];
};

int wcow_deflate_block_new(struct wcow_deflate_block **ret, struct wcow_error *err)
{
    struct wcow_deflate_block *b = calloc(1, sizeof(*b));
    if (!b)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a compressor");
    *ret = b;
    return WCOW_OK;
}

long wcow_deflate_block_run(struct wcow_deflate_block *b, struct wcow_bytes dict,
                            struct wcow_bytes in, uint8_t *out, size_t out_cap,
                            struct wcow_error *err)
{
    union {
        const uint8_t *in;
        uint8_t *out;
    } u = {.in = dict.data};
    isal_deflate_init(&b->z);
    b->z.level = WCOW_ISAL_LEVEL;
    b->z.level_buf = b->level_buf;
    b->z.level_buf_size = sizeof(b->level_buf);
    b->z.gzip_flag = IGZIP_DEFLATE;
    b->z.flush = SYNC_FLUSH;
    if (dict.len && isal_deflate_set_dict(&b->z, u.out, (uint32_t)dict.len) != COMP_OK)
        return WCOW_FAIL(err, WCOW_E_INTERNAL, "igzip refuses its dictionary");
    u.in = in.data;
    b->z.next_in = u.out;
    b->z.avail_in = (uint32_t)in.len;
    b->z.next_out = out;
    b->z.avail_out = (uint32_t)out_cap;
    if (isal_deflate(&b->z) != COMP_OK || b->z.avail_in || !b->z.avail_out)
        return WCOW_FAIL(err, WCOW_E_INTERNAL, "igzip fails to deflate a block");
    return (long)(out_cap - b->z.avail_out);
}

void wcow_deflate_block_free(struct wcow_deflate_block *b)
{
    free(b);
}

uint32_t wcow_gzip_crc(uint32_t crc, const void *data, size_t len)
{
    return crc32_gzip_refl(crc, data, len);
}
#else
#include <zlib.h>

enum { ZLIB_LEVEL = 4 };

struct wcow_deflate_block {
    z_stream z;
};

int wcow_deflate_block_new(struct wcow_deflate_block **ret, struct wcow_error *err)
{
    wcow_autofree struct wcow_deflate_block *b = calloc(1, sizeof(*b));
    if (!b ||
        deflateInit2(&b->z, ZLIB_LEVEL, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a compressor");
    *ret = WCOW_TAKE_PTR(b);
    return WCOW_OK;
}

long wcow_deflate_block_run(struct wcow_deflate_block *b, struct wcow_bytes dict,
                            struct wcow_bytes in, uint8_t *out, size_t out_cap,
                            struct wcow_error *err)
{
    (void)deflateReset(&b->z);
    if (dict.len && deflateSetDictionary(&b->z, dict.data, (uInt)dict.len) != Z_OK)
        return WCOW_FAIL(err, WCOW_E_INTERNAL, "zlib refuses its dictionary");
    union {
        const uint8_t *in;
        uint8_t *out;
    } u = {.in = in.data};
    b->z.next_in = u.out;
    b->z.avail_in = (uInt)in.len;
    b->z.next_out = out;
    b->z.avail_out = (uInt)out_cap;
    if (deflate(&b->z, Z_SYNC_FLUSH) != Z_OK || b->z.avail_in || !b->z.avail_out)
        return WCOW_FAIL(err, WCOW_E_INTERNAL, "zlib fails to deflate a block");
    return (long)(out_cap - b->z.avail_out);
}

void wcow_deflate_block_free(struct wcow_deflate_block *b)
{
    if (!b)
        return;
    (void)deflateEnd(&b->z);
    free(b);
}

uint32_t wcow_gzip_crc(uint32_t crc, const void *data, size_t len)
{
    return (uint32_t)crc32_z(crc, data, len);
}
#endif
