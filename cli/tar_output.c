/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/tar_output.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/fd.h"
#include "differ/codec.h"
#include "layer/tar_writer.h"

struct wcow_tar_output {
    char *path; /* NULL: standard output or nowhere */
    char *temporary;
    int fd; /* -1: nowhere */
    bool is_ours;
    bool is_unnamed; /* as yet */
    struct wcow_sink file;
    struct wcow_compressor *compressor;
    struct wcow_hash *hash;
    uint64_t bytes;
};

void wcow_tar_output_free(struct wcow_tar_output *out)
{
    if (!out)
        return;
    wcow_compressor_free(out->compressor);
    wcow_hash_free(out->hash);
    if (out->is_ours && out->fd >= 0)
        (void)close(out->fd);
    if (out->temporary)
        (void)unlink(out->temporary);
    free(out->temporary);
    free(out->path);
    free(out);
}

static int file_write(void *ctx, const void *data, size_t len, struct wcow_error *err)
{
    struct wcow_tar_output *out = ctx;
    if (out->fd < 0)
        return WCOW_OK;
    return wcow_fd_write(out->fd, data, len, out->path ? out->path : "to standard output", err);
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text);
    size_t m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

static int choose(const char *path, const char *text, enum wcow_compression *ret,
                  struct wcow_error *err)
{
    if (!text && path && (ends_with(path, ".gz") || ends_with(path, ".tgz")))
        text = "gzip";
    if (!text && path && (ends_with(path, ".zst") || ends_with(path, ".tzst")))
        text = "zstd";
    if (!text || strcmp(text, "none") == 0)
        *ret = WCOW_COMPRESSION_NONE;
    else if (strcmp(text, "gzip") == 0)
        *ret = WCOW_COMPRESSION_GZIP;
    else if (strcmp(text, "zstd") == 0)
        *ret = WCOW_COMPRESSION_ZSTD;
    else
        return WCOW_FAIL(err, WCOW_E_INVALID, "--compression is gzip, zstd or none, not \"%s\"",
                         text);
    return WCOW_OK;
}

/* A file without a name leaves nothing, however the command ends; not every file system has that.
 */
static void open_unnamed(struct wcow_tar_output *out, const char *path)
{
    const char *slash = strrchr(path, '/');
    wcow_autofree char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    out->fd = folder ? open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666) : -1;
    out->is_unnamed = out->fd >= 0;
}

static int give_name(struct wcow_tar_output *out, struct wcow_error *err)
{
    char self[64];
    (void)snprintf(self, sizeof(self), "/proc/self/fd/%d", out->fd);
    if (out->is_unnamed && linkat(AT_FDCWD, self, AT_FDCWD, out->temporary, AT_SYMLINK_FOLLOW) < 0)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "write \"%s\"", out->temporary);
    return WCOW_OK;
}

/* What is no plain file (/dev/null, a FIFO) is written to as it is. */
static int open_file(struct wcow_tar_output *out, const char *path, struct wcow_error *err)
{
    struct stat st;
    out->path = strdup(path);
    if (!out->path)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a tar");
    bool is_special = stat(path, &st) == 0 && !S_ISREG(st.st_mode);
    if (is_special) {
        out->fd = open(path, O_WRONLY | O_CLOEXEC);
    } else {
        if (asprintf(&out->temporary, "%s.partial-%ld", path, (long)getpid()) < 0) {
            out->temporary = NULL;
            return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a tar");
        }
        open_unnamed(out, path);
        if (out->fd < 0)
            out->fd = open(out->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    }
    out->is_ours = true;
    return out->fd >= 0 ? WCOW_OK
                        : WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "write \"%s\"", path);
}

static int open_output(struct wcow_tar_output *out, const char *path, struct wcow_error *err)
{
    out->fd = -1;
    if (!path)
        return WCOW_OK;
    if (strcmp(path, "-") != 0)
        return open_file(out, path, err);
    if (isatty(STDOUT_FILENO))
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "a tar is not for a terminal: name a file with --output");
    out->fd = STDOUT_FILENO;
    return WCOW_OK;
}

int wcow_tar_output_new(const char *path, const char *compression, struct wcow_tar_output **ret,
                        struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_tar_output_free_p) struct wcow_tar_output *out = calloc(1, sizeof(*out));
    if (!out)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a tar");
    enum wcow_compression kind = WCOW_COMPRESSION_NONE;
    int r = choose(path, compression, &kind, err);
    if (r == WCOW_OK)
        r = open_output(out, path, err);
    if (r == WCOW_OK)
        r = wcow_hash_new(&out->hash, err);
    out->file = (struct wcow_sink){.write = file_write, .ctx = out};
    if (r == WCOW_OK && kind != WCOW_COMPRESSION_NONE)
        r = wcow_compressor_new(&out->file, kind, 0, &out->compressor, err);
    if (r == WCOW_OK)
        *ret = WCOW_TAKE_PTR(out);
    return r;
}

static int tar_write(void *ctx, const void *data, size_t len, struct wcow_error *err)
{
    struct wcow_tar_output *out = ctx;
    wcow_hash_add(out->hash, data, len);
    out->bytes += len;
    if (!out->compressor)
        return file_write(out, data, len, err);
    const struct wcow_sink sink = wcow_compressor_sink(out->compressor);
    return wcow_sink_write(&sink, data, len, err);
}

struct wcow_sink wcow_tar_output_sink(struct wcow_tar_output *out)
{
    return (struct wcow_sink){.write = tar_write, .ctx = out};
}

int wcow_tar_output_header(struct wcow_tar_output *out, const struct wcow_entry *entry,
                           struct wcow_error *err)
{
    wcow_autobuf header = {0};
    int r = wcow_tar_write_header(entry, &header, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "\"%.200s\"", entry->name);
    return tar_write(out, header.data, header.len, err);
}

int wcow_tar_output_pad(struct wcow_tar_output *out, uint64_t size_bytes, struct wcow_error *err)
{
    static const uint8_t zeros[WCOW_TAR_BLOCK];
    size_t n = wcow_tar_padding(size_bytes);
    return n ? tar_write(out, zeros, n, err) : WCOW_OK;
}

int wcow_tar_output_end(struct wcow_tar_output *out, struct wcow_error *err)
{
    wcow_autobuf end = {0};
    int r = wcow_tar_write_end(&end, err);
    return r < 0 ? r : tar_write(out, end.data, end.len, err);
}

int wcow_tar_output_finish(struct wcow_tar_output *out, struct wcow_digest *ret_diff_id,
                           uint64_t *ret_bytes, struct wcow_error *err)
{
    int r = out->compressor ? wcow_compressor_finish(out->compressor, err) : WCOW_OK;
    if (r == WCOW_OK)
        r = wcow_hash_digest(out->hash, ret_diff_id, err);
    if (r < 0)
        return r;
    *ret_bytes = out->bytes;
    r = give_name(out, err);
    if (r < 0)
        return r;
    int fd = out->is_ours ? WCOW_TAKE_FD(out->fd) : -1;
    if (fd >= 0 && close(fd) < 0)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "write \"%s\"", out->path);
    if (!out->temporary)
        return WCOW_OK;
    if (rename(out->temporary, out->path) < 0)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "rename to \"%s\"", out->path);
    free(WCOW_TAKE_PTR(out->temporary));
    return WCOW_OK;
}
