/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/layer_tar.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/fd.h"
#include "differ/codec.h"

enum { CHUNK_BYTES = 256 << 10, MAX_RATIO = 1000 };

struct wcow_layer_tar {
    char *name;
    int fd;
    enum wcow_compression compression;
    int plain_fd; /* what it decompresses to, or -1 */
    uint8_t *chunk;
    int read_fd;      /* of the source being read */
    uint64_t read_at; /* in it */
    uint64_t left;    /* of it */
};

void wcow_layer_tar_free(struct wcow_layer_tar *tar)
{
    if (!tar)
        return;
    if (tar->fd >= 0)
        (void)close(tar->fd);
    if (tar->plain_fd >= 0)
        (void)close(tar->plain_fd);
    free(tar->chunk);
    free(tar->name);
    free(tar);
}

const char *wcow_layer_tar_name(const struct wcow_layer_tar *tar)
{
    return tar->name;
}

static int allocate(const char *name, struct wcow_layer_tar **ret, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_layer_tar_free_p) struct wcow_layer_tar *tar = calloc(1, sizeof(*tar));
    if (!tar)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a tar");
    tar->fd = -1;
    tar->plain_fd = -1;
    tar->name = strdup(name);
    tar->chunk = malloc(CHUNK_BYTES);
    if (!tar->name || !tar->chunk)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a tar");
    *ret = WCOW_TAKE_PTR(tar);
    return WCOW_OK;
}

static int temporary_file(int *ret, struct wcow_error *err)
{
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing here changes the environment
    const char *dir = getenv("TMPDIR");
    if (!dir || !*dir)
        dir = "/var/tmp";
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "temporary file in \"%s\"", dir);
    *ret = fd;
    return WCOW_OK;
}

/* ---- bytes ---- */

static int read_some(int fd, void *buffer, size_t len, const char *name, size_t *ret,
                     struct wcow_error *err)
{
    ssize_t n = 0;
    do {
        n = read(fd, buffer, len);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "read \"%s\"", name);
    *ret = (size_t)n;
    return WCOW_OK;
}

static int write_all(int fd, const void *data, size_t len, struct wcow_error *err)
{
    return wcow_fd_write(fd, data, len, "a temporary file; $TMPDIR names another folder for it",
                         err);
}

static int sink_write(void *ctx, const void *data, size_t len, struct wcow_error *err)
{
    const struct wcow_layer_tar *tar = ctx;
    return write_all(tar->fd, data, len, err);
}

static int fill_from(struct wcow_layer_tar *tar, int from, int to, struct wcow_error *err)
{
    for (;;) {
        size_t n = 0;
        int r = read_some(from, tar->chunk, CHUNK_BYTES, tar->name, &n, err);
        if (r < 0 || n == 0)
            return r;
        r = write_all(to, tar->chunk, n, err);
        if (r < 0)
            return r;
    }
}

/* What there is at tar->read_at, at most tar->left. */
static int tar_next(void *ctx, const uint8_t **ret_data, size_t *ret_len, struct wcow_error *err)
{
    struct wcow_layer_tar *tar = ctx;
    size_t want = tar->left < CHUNK_BYTES ? (size_t)tar->left : CHUNK_BYTES;
    ssize_t n = 0;
    do {
        n = want ? pread(tar->read_fd, tar->chunk, want, (off_t)tar->read_at) : 0;
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "read \"%s\"", tar->name);
    if (n == 0 && want && tar->left < INT64_MAX) /* not read to wherever it ends */
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "\"%s\" became shorter", tar->name);
    tar->read_at += (uint64_t)n;
    tar->left -= (uint64_t)n;
    *ret_data = tar->chunk;
    *ret_len = (size_t)n;
    return WCOW_OK;
}

static struct wcow_source source_at(struct wcow_layer_tar *tar, int fd, uint64_t offset,
                                    uint64_t size)
{
    tar->read_fd = fd;
    tar->read_at = offset;
    tar->left = size;
    return (struct wcow_source){.next = tar_next, .ctx = tar};
}

/* ---- opening ---- */

static int detect(struct wcow_layer_tar *tar, struct wcow_error *err)
{
    uint8_t head[8];
    ssize_t n = pread(tar->fd, head, sizeof(head), 0);
    if (n < 0)
        return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "read \"%s\"", tar->name);
    tar->compression = wcow_compression_detect(head, (size_t)n);
    return WCOW_OK;
}

static int open_file(struct wcow_layer_tar *tar, const char *path, struct wcow_error *err)
{
    struct stat st;
    wcow_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "open \"%s\"", path);
    if (S_ISDIR(st.st_mode))
        return WCOW_FAIL(err, WCOW_E_INVALID, "\"%s\" is a directory, not a layer's tar", path);
    if (S_ISREG(st.st_mode)) {
        tar->fd = WCOW_TAKE_FD(fd);
        return WCOW_OK;
    }
    int r = temporary_file(&tar->fd, err);
    return r < 0 ? r : fill_from(tar, fd, tar->fd, err);
}

static int open_stdin(struct wcow_layer_tar *tar, struct wcow_error *err)
{
    if (isatty(STDIN_FILENO))
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "\"-\" reads a layer's tar from standard input, which is a terminal");
    int r = temporary_file(&tar->fd, err);
    return r < 0 ? r : fill_from(tar, STDIN_FILENO, tar->fd, err);
}

int wcow_layer_tar_open(const char *path, struct wcow_layer_tar **ret, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_layer_tar_free_p) struct wcow_layer_tar *tar = NULL;
    bool is_stdin = strcmp(path, "-") == 0;
    int r = allocate(is_stdin ? "standard input" : path, &tar, err);
    if (r == WCOW_OK)
        r = is_stdin ? open_stdin(tar, err) : open_file(tar, path, err);
    if (r == WCOW_OK)
        r = detect(tar, err);
    if (r == WCOW_OK)
        *ret = WCOW_TAKE_PTR(tar);
    return r;
}

int wcow_layer_tar_new(const char *name, struct wcow_layer_tar **ret, struct wcow_sink *ret_sink,
                       struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_layer_tar_free_p) struct wcow_layer_tar *tar = NULL;
    int r = allocate(name, &tar, err);
    if (r == WCOW_OK)
        r = temporary_file(&tar->fd, err);
    if (r < 0)
        return r;
    *ret_sink = (struct wcow_sink){.write = sink_write, .ctx = tar};
    *ret = WCOW_TAKE_PTR(tar);
    return WCOW_OK;
}

int wcow_layer_tar_written(struct wcow_layer_tar *tar, struct wcow_error *err)
{
    return detect(tar, err);
}

int wcow_layer_tar_raw(struct wcow_layer_tar *tar, struct wcow_source *ret, struct wcow_error *err)
{
    struct stat st;
    if (fstat(tar->fd, &st) < 0)
        return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "read \"%s\"", tar->name);
    *ret = source_at(tar, tar->fd, 0, (uint64_t)st.st_size);
    return WCOW_OK;
}

int wcow_layer_tar_diff_id(struct wcow_layer_tar *tar, struct wcow_digest *ret,
                           struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_hash_free_p) struct wcow_hash *hash = NULL;
    WCOW_CLEANUP(wcow_decompressor_free_p) struct wcow_decompressor *d = NULL;
    struct wcow_source source = source_at(tar, tar->fd, 0, UINT64_MAX);
    struct wcow_source plain = source;
    int r = wcow_hash_new(&hash, err);
    if (r == WCOW_OK && tar->compression != WCOW_COMPRESSION_NONE) {
        r = wcow_decompressor_new(&source, tar->compression, MAX_RATIO, &d, err);
        if (r == WCOW_OK)
            plain = wcow_decompressor_source(d);
    }
    while (r == WCOW_OK) {
        const uint8_t *data = NULL;
        size_t len = 0;
        r = wcow_source_next(&plain, &data, &len, err);
        if (r < 0 || !len)
            break;
        wcow_hash_add(hash, data, len);
    }
    return r < 0 ? r : wcow_hash_digest(hash, ret, err);
}

/* ---- entries ---- */

/* What follows the last entry: a stream that is cut off or damaged there is damaged. */
static int read_trailer(struct wcow_tar_reader *reader, struct wcow_error *err)
{
    const uint8_t *data = NULL;
    size_t len = 0;
    int r = WCOW_OK;
    do {
        r = wcow_tar_reader_trailer(reader, &data, &len, err);
    } while (r == WCOW_OK && len);
    return r;
}

static int each_entry(struct wcow_layer_tar *tar, const struct wcow_source *source,
                      wcow_layer_tar_fn fn, void *arg, struct wcow_error *err)
{
    const struct wcow_tar_limits limits = {.skip_rules = true};
    WCOW_CLEANUP(wcow_tar_reader_free_p) struct wcow_tar_reader *reader = NULL;
    int r = wcow_tar_reader_new(source, &limits, &reader, err);
    if (r < 0)
        return r;
    struct wcow_entry *entry = NULL;
    while ((r = wcow_tar_reader_next(reader, &entry, err)) > 0) {
        r = fn(arg, reader, entry, err);
        if (r < 0)
            return r;
    }
    if (r == 0)
        r = read_trailer(reader, err);
    return r < 0 ? wcow_error_wrap(r, err, "\"%s\"", tar->name) : r;
}

int wcow_layer_tar_each(struct wcow_layer_tar *tar, wcow_layer_tar_fn fn, void *arg,
                        struct wcow_error *err)
{
    struct wcow_source file = source_at(tar, tar->fd, 0, UINT64_MAX);
    if (tar->compression == WCOW_COMPRESSION_NONE)
        return each_entry(tar, &file, fn, arg, err);
    WCOW_CLEANUP(wcow_decompressor_free_p) struct wcow_decompressor *d = NULL;
    int r = wcow_decompressor_new(&file, tar->compression, MAX_RATIO, &d, err);
    if (r < 0)
        return r;
    struct wcow_source plain = wcow_decompressor_source(d);
    return each_entry(tar, &plain, fn, arg, err);
}

static int list_entry(void *arg, struct wcow_tar_reader *reader, const struct wcow_entry *entry,
                      struct wcow_error *err)
{
    return wcow_entry_list_add(arg, entry, wcow_tar_reader_offset(reader), err);
}

int wcow_layer_tar_list(struct wcow_layer_tar *tar, struct wcow_entry_list **ret,
                        struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_entry_list_free_p) struct wcow_entry_list *list = NULL;
    int r = wcow_entry_list_new(&list, err);
    if (r == WCOW_OK)
        r = wcow_layer_tar_each(tar, list_entry, list, err);
    if (r == WCOW_OK)
        r = wcow_entry_list_seal(list, err);
    if (r == WCOW_OK)
        *ret = WCOW_TAKE_PTR(list);
    return r;
}

/* ---- data ---- */

static int make_plain(struct wcow_layer_tar *tar, struct wcow_error *err)
{
    wcow_autoclose int fd = -1;
    WCOW_CLEANUP(wcow_decompressor_free_p) struct wcow_decompressor *d = NULL;
    struct wcow_source file = source_at(tar, tar->fd, 0, UINT64_MAX);
    int r = temporary_file(&fd, err);
    if (r == WCOW_OK)
        r = wcow_decompressor_new(&file, tar->compression, MAX_RATIO, &d, err);
    if (r < 0)
        return r;
    struct wcow_source plain = wcow_decompressor_source(d);
    for (;;) {
        const uint8_t *data = NULL;
        size_t len = 0;
        r = wcow_source_next(&plain, &data, &len, err);
        if (r < 0)
            return wcow_error_wrap(r, err, "\"%s\"", tar->name);
        if (len == 0)
            break;
        r = write_all(fd, data, len, err);
        if (r < 0)
            return r;
    }
    tar->plain_fd = WCOW_TAKE_FD(fd);
    return WCOW_OK;
}

int wcow_layer_tar_data(struct wcow_layer_tar *tar, uint64_t offset, uint64_t size,
                        struct wcow_source *ret, struct wcow_error *err)
{
    bool is_packed = tar->compression != WCOW_COMPRESSION_NONE;
    if (is_packed && tar->plain_fd < 0) {
        int r = make_plain(tar, err);
        if (r < 0)
            return r;
    }
    int fd = is_packed ? tar->plain_fd : tar->fd;
    struct stat st;
    if (fstat(fd, &st) < 0)
        return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "read \"%s\"", tar->name);
    if (offset > (uint64_t)st.st_size || size > (uint64_t)st.st_size - offset)
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "\"%s\" became shorter", tar->name);
    *ret = source_at(tar, fd, offset, size);
    return WCOW_OK;
}
