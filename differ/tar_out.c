/* SPDX-License-Identifier: Apache-2.0 */
#include "differ/tar_out.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/beneath.h"

enum { BUFFER_BYTES = 256 << 10 };

int wcow_tar_out_init(struct wcow_tar_out *out, const struct wcow_sink *sink,
                      const atomic_bool *cancel, struct wcow_error *err)
{
    *out = (struct wcow_tar_out){.sink = sink, .cancel = cancel};
    out->buffer = malloc(BUFFER_BYTES);
    if (!out->buffer)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a tar");
    return wcow_hash_new(&out->hash, err);
}

void wcow_tar_out_done(struct wcow_tar_out *out)
{
    free(out->buffer);
    wcow_hash_free(out->hash);
    *out = (struct wcow_tar_out){0};
}

static int flush(struct wcow_tar_out *out, struct wcow_error *err)
{
    if (out->cancel && atomic_load(out->cancel))
        return WCOW_FAIL(err, WCOW_E_CANCELLED, "cancelled by the caller");
    if (!out->buffered)
        return WCOW_OK;
    size_t len = out->buffered;
    out->buffered = 0;
    out->bytes += len;
    wcow_hash_add(out->hash, out->at, len);
    return wcow_sink_write(out->sink, out->at, len, err);
}

/* Have room for at least a byte. Pieces of a buffer's size stay in a core's cache until they are
 * hashed. */
static void find_room(struct wcow_tar_out *out)
{
    if (out->buffered)
        return;
    out->at = wcow_sink_room(out->sink, &out->room);
    if (!out->at || out->room > BUFFER_BYTES)
        out->room = BUFFER_BYTES;
    if (!out->at)
        out->at = out->buffer;
}

int wcow_tar_out_write(struct wcow_tar_out *out, const void *data, size_t len,
                       struct wcow_error *err)
{
    const uint8_t *p = data;
    while (len) {
        find_room(out);
        size_t n = out->room - out->buffered;
        if (n > len)
            n = len;
        memcpy(out->at + out->buffered, p, n);
        out->buffered += n;
        p += n;
        len -= n;
        int r = out->buffered == out->room ? flush(out, err) : WCOW_OK;
        if (r < 0)
            return r;
    }
    return WCOW_OK;
}

int wcow_tar_out_zeros(struct wcow_tar_out *out, uint64_t len, struct wcow_error *err)
{
    static const uint8_t zeros[4096];
    while (len) {
        size_t n = len < sizeof(zeros) ? (size_t)len : sizeof(zeros);
        int r = wcow_tar_out_write(out, zeros, n, err);
        if (r < 0)
            return r;
        len -= n;
    }
    return WCOW_OK;
}

static int changed(const char *path, const char *how, struct wcow_error *err)
{
    return WCOW_FAIL(err, WCOW_E_DATA_LOSS,
                     "\"%.200s\" %s: the layer's folder was changed behind its index; remove the "
                     "snapshot and unpack the image again",
                     path, how);
}

static int open_file(int dirfd, const char *path, uint64_t size_bytes, int *ret,
                     struct wcow_error *err)
{
    wcow_autoclose int fd = -1;
    struct stat st;
    int r = wcow_open_beneath(dirfd, path, O_RDONLY | O_NONBLOCK, 0, &fd, err);
    if (r == WCOW_E_NOT_FOUND || r == WCOW_E_INVALID)
        return changed(path, "is not there as a file", err);
    if (r < 0)
        return r;
    if (fstat(fd, &st) < 0)
        return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "read \"%.200s\"", path);
    if (!S_ISREG(st.st_mode))
        return changed(path, "is no plain file", err);
    if ((uint64_t)st.st_size != size_bytes)
        return changed(path, "has another size", err);
    *ret = WCOW_TAKE_FD(fd);
    return WCOW_OK;
}

/* @p left bytes from where @p fd stands. */
static int copy(struct wcow_tar_out *out, int fd, const char *path, uint64_t left,
                struct wcow_error *err)
{
    while (left) {
        find_room(out);
        size_t room = out->room - out->buffered;
        ssize_t n = read(fd, out->at + out->buffered, left < room ? (size_t)left : room);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "read \"%.200s\"", path);
        if (n == 0)
            return changed(path, "became shorter", err);
        out->buffered += (size_t)n;
        left -= (uint64_t)n;
        int r = out->buffered == out->room ? flush(out, err) : WCOW_OK;
        if (r < 0)
            return r;
    }
    return WCOW_OK;
}

int wcow_tar_out_file(struct wcow_tar_out *out, int dirfd, const char *path, uint64_t size_bytes,
                      struct wcow_error *err)
{
    wcow_autoclose int fd = -1;
    int r = open_file(dirfd, path, size_bytes, &fd, err);
    return r < 0 ? r : copy(out, fd, path, size_bytes, err);
}

int wcow_tar_out_pieces(struct wcow_tar_out *out, int dirfd, const char *path, uint64_t size_bytes,
                        const struct wcow_tar_piece *pieces, size_t n, struct wcow_error *err)
{
    wcow_autoclose int fd = -1;
    int r = open_file(dirfd, path, size_bytes, &fd, err);
    for (size_t i = 0; r == WCOW_OK && i < n; i++) {
        if (lseek(fd, (off_t)pieces[i].offset, SEEK_SET) < 0)
            return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "read \"%.200s\"", path);
        r = copy(out, fd, path, pieces[i].len, err);
    }
    return r;
}

int wcow_tar_out_finish(struct wcow_tar_out *out, struct wcow_digest *ret, struct wcow_error *err)
{
    int r = flush(out, err);
    return r < 0 ? r : wcow_hash_digest(out->hash, ret, err);
}
