/* SPDX-License-Identifier: Apache-2.0 */
/* gunzip (RFC 1952): several members are one stream; anything but a member after a member is an
 * error, as in Go. By ISA-L where the build has it, else by zlib. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "differ/codec_impl.h"

#ifdef WCOW_ISAL
#include <isa-l/igzip_lib.h>
#else
#include <zlib.h>
#endif

struct gunzip {
    struct wcow_source input;
#ifdef WCOW_ISAL
    struct inflate_state z;
#else
    z_stream z;
#endif
    bool in_member; /* a header was begun and its trailer not yet seen */
    bool input_ended;
    bool any_member;
};

static int corrupt(struct wcow_error *err, const char *what)
{
    return WCOW_FAIL(err, WCOW_E_CORRUPT,
                     "the layer's gzip stream is damaged: %s; pull or build it again", what);
}

/* ---- the library: begin a member, run until the output is full or the input used up ---- */

enum run { RUN_MORE, RUN_MEMBER_END, RUN_BAD_DATA, RUN_BAD_CHECKSUM, RUN_NOMEM };

#ifdef WCOW_ISAL
static int library_init(struct gunzip *g)
{
    isal_inflate_init(&g->z);
    return 0;
}

static void library_begin(struct gunzip *g)
{
    isal_inflate_reset(&g->z);
    g->z.crc_flag = ISAL_GZIP;
}

static enum run library_run(struct gunzip *g)
{
    int rc = isal_inflate(&g->z);
    if (rc == ISAL_INCORRECT_CHECKSUM)
        return RUN_BAD_CHECKSUM;
    if (rc != ISAL_DECOMP_OK && rc != ISAL_END_INPUT && rc != ISAL_OUT_OVERFLOW)
        return RUN_BAD_DATA;
    return g->z.block_state == ISAL_BLOCK_FINISH ? RUN_MEMBER_END : RUN_MORE;
}

static void library_done(struct gunzip *g)
{
    (void)g;
}
#else
static int library_init(struct gunzip *g)
{
    enum { GZIP_ONLY = 16 + MAX_WBITS };
    return inflateInit2(&g->z, GZIP_ONLY) == Z_OK ? 0 : -1;
}

static void library_begin(struct gunzip *g)
{
    (void)inflateReset(&g->z);
}

static enum run library_run(struct gunzip *g)
{
    int rc = inflate(&g->z, Z_NO_FLUSH);
    if (rc == Z_STREAM_END)
        return RUN_MEMBER_END;
    if (rc == Z_MEM_ERROR)
        return RUN_NOMEM;
    if (rc == Z_DATA_ERROR && g->z.msg && strstr(g->z.msg, "check"))
        return RUN_BAD_CHECKSUM;
    return rc == Z_OK || rc == Z_BUF_ERROR ? RUN_MORE : RUN_BAD_DATA;
}

static void library_done(struct gunzip *g)
{
    (void)inflateEnd(&g->z);
}
#endif

/* Both libraries want it writable, and write nothing. */
static void library_input(struct gunzip *g, const uint8_t *data, size_t len)
{
    union {
        const uint8_t *in;
        uint8_t *out;
    } u = {.in = data};
    g->z.next_in = u.out;
    g->z.avail_in = (uint32_t)len;
}

/* ---- the stream ---- */

static int fill(struct gunzip *g, struct wcow_error *err)
{
    while (g->z.avail_in == 0 && !g->input_ended) {
        const uint8_t *data = NULL;
        size_t len = 0;
        int r = wcow_source_next(&g->input, &data, &len, err);
        if (r < 0)
            return r;
        if (len == 0)
            g->input_ended = true;
        else if (len > UINT32_MAX)
            return WCOW_FAIL(err, WCOW_E_INTERNAL, "a chunk of %zu bytes is too large", len);
        else
            library_input(g, data, len);
    }
    return WCOW_OK;
}

static int run_once(struct gunzip *g, struct wcow_error *err)
{
    uint32_t in_before = (uint32_t)g->z.avail_in;
    uint32_t out_before = (uint32_t)g->z.avail_out;
    switch (library_run(g)) {
    case RUN_MEMBER_END:
        g->in_member = false;
        return WCOW_OK;
    case RUN_BAD_CHECKSUM:
        return corrupt(err, "its checksum does not match");
    case RUN_BAD_DATA:
        return corrupt(err, g->any_member ? "bad data" : "bad header or data");
    case RUN_NOMEM:
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory in zlib");
    case RUN_MORE:
    default:
        break;
    }
    if (g->input_ended && g->z.avail_in == in_before && g->z.avail_out == out_before)
        return corrupt(err, "it ends too early");
    return WCOW_OK;
}

static int gunzip_read(void *state, uint8_t *out, size_t cap, size_t *ret_len,
                       struct wcow_error *err)
{
    struct gunzip *g = state;
    uint32_t room = cap < UINT32_MAX ? (uint32_t)cap : UINT32_MAX;
    g->z.next_out = out;
    g->z.avail_out = room;
    while (g->z.avail_out) {
        int r = fill(g, err);
        if (r < 0)
            return r;
        if (!g->in_member) {
            if (g->input_ended && g->z.avail_in == 0) {
                if (!g->any_member)
                    return corrupt(err, "it is empty");
                break;
            }
            library_begin(g);
            g->in_member = g->any_member = true;
        }
        r = run_once(g, err);
        if (r < 0)
            return r;
    }
    *ret_len = room - g->z.avail_out;
    return WCOW_OK;
}

static void gunzip_free(void *state)
{
    library_done(state);
    free(state);
}

int wcow_gunzip_new(struct wcow_source input, struct wcow_inflater *ret, struct wcow_error *err)
{
    static const struct wcow_inflater_ops ops = {.read = gunzip_read, .free = gunzip_free};
    wcow_autofree struct gunzip *g = calloc(1, sizeof(*g));
    if (!g || library_init(g) < 0)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a decompressor");
    g->input = input;
    *ret = (struct wcow_inflater){.ops = &ops, .state = WCOW_TAKE_PTR(g)};
    return WCOW_OK;
}
