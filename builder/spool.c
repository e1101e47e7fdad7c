/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/spool.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/temp_file.h"

enum { READ_BYTES = 256 << 10 };

struct wcow_spool {
    int fd;
    atomic_uint refs;       /* pieces end on whatever thread looks at them last */
    uint64_t end;           /* of all that was written */
    uint64_t begin;         /* of the piece being written */
    struct wcow_hash *hash; /* of it */
};

struct piece {
    struct wcow_spool *spool;
    uint64_t offset;
    uint64_t len;
    struct wcow_digest digest;
};

int wcow_spool_new(struct wcow_spool **ret, struct wcow_error *err)
{
    struct wcow_spool *spool = calloc(1, sizeof(*spool));
    if (!spool)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a temporary file");
    atomic_init(&spool->refs, 1);
    int r = wcow_temp_file_open(-1, &spool->fd, err);
    if (r < 0) {
        free(spool);
        return r;
    }
    *ret = spool;
    return WCOW_OK;
}

void wcow_spool_free(struct wcow_spool *spool)
{
    if (!spool || atomic_fetch_sub(&spool->refs, 1) > 1)
        return;
    wcow_closep_(&spool->fd);
    wcow_hash_free(spool->hash);
    free(spool);
}

int wcow_spool_begin(struct wcow_spool *spool, struct wcow_error *err)
{
    spool->begin = spool->end;
    wcow_hash_free(WCOW_TAKE_PTR(spool->hash));
    return wcow_hash_new(&spool->hash, err);
}

int wcow_spool_add(struct wcow_spool *spool, const void *data, size_t len, struct wcow_error *err)
{
    wcow_hash_add(spool->hash, data, len);
    const uint8_t *p = data;
    while (len > 0) {
        ssize_t n = pwrite(spool->fd, p, len, (off_t)spool->end);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno),
                                   "write a temporary file (set TMPDIR to another folder)");
        p += n;
        len -= (size_t)n;
        spool->end += (uint64_t)n;
    }
    return WCOW_OK;
}

static int send_piece(void *ctx, const struct wcow_sink *sink, struct wcow_error *err)
{
    const struct piece *piece = ctx;
    wcow_autofree uint8_t *buffer = malloc(READ_BYTES);
    if (!buffer)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory to read a temporary file");
    for (uint64_t done = 0; done < piece->len;) {
        uint64_t left = piece->len - done;
        size_t want = left < READ_BYTES ? (size_t)left : READ_BYTES;
        ssize_t n = pread(piece->spool->fd, buffer, want, (off_t)(piece->offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "read a temporary file");
        int r = wcow_sink_write(sink, buffer, (size_t)n, err);
        if (r < 0)
            return r;
        done += (uint64_t)n;
    }
    return WCOW_OK;
}

static int know_piece(void *ctx, struct wcow_digest *ret, struct wcow_error *err)
{
    (void)err;
    const struct piece *piece = ctx;
    *ret = piece->digest;
    return 1;
}

static void free_piece(void *ctx)
{
    struct piece *piece = ctx;
    wcow_spool_free(piece->spool);
    free(piece);
}

int wcow_spool_end(struct wcow_spool *spool, struct wcow_payload *ret, uint64_t *ret_size_bytes,
                   struct wcow_error *err)
{
    static const struct wcow_payload_ops ops = {
        .send = send_piece, .known = know_piece, .free = free_piece};
    struct piece *piece = calloc(1, sizeof(*piece));
    if (!piece)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a temporary file");
    int r = wcow_hash_digest(spool->hash, &piece->digest, err);
    if (r < 0) {
        free(piece);
        return r;
    }
    piece->spool = spool;
    atomic_fetch_add(&spool->refs, 1);
    piece->offset = spool->begin;
    piece->len = spool->end - spool->begin;
    *ret = (struct wcow_payload){.ops = &ops, .ctx = piece};
    *ret_size_bytes = piece->len;
    return WCOW_OK;
}

int wcow_spool_rewind(struct wcow_spool *spool, int *ret_fd, struct wcow_error *err)
{
    if (lseek(spool->fd, 0, SEEK_SET) < 0)
        return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "read a temporary file");
    *ret_fd = spool->fd;
    return WCOW_OK;
}
