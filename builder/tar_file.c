/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/tar_file.h"

#include <archive.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/fd.h"

static la_ssize_t on_write(struct archive *archive, void *ctx, const void *data, size_t len)
{
    struct wcow_tar_file *f = ctx;
    while (!f->is_over) {
        f->was_cancelled = wcow_fd_wait(f->fd, POLLOUT, f->cancel, NULL) < 0;
        if (f->was_cancelled)
            return -1;
        /* A pipe that has room takes so many bytes without blocking. */
        ssize_t n = write(f->fd, data, f->is_plain || len < PIPE_BUF ? len : PIPE_BUF);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n < 0)
            archive_set_error(archive, errno, "%s", "write failed");
        return n;
    }
    return -1;
}

int wcow_tar_file_failed(const struct wcow_tar_file *f, const char *what, struct wcow_error *err)
{
    if (f->was_cancelled)
        return WCOW_FAIL(err, WCOW_E_CANCELLED, "cancelled");
    errno = archive_errno(f->archive);
    if (errno > 0)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "write %s", what);
    const char *why = archive_error_string(f->archive);
    return WCOW_FAIL(err, WCOW_E_IO, "write %s: %s", what, why ? why : "unknown error");
}

/* What is there and is no plain file stays: renaming over a device would take it away. */
static int open_dest(struct wcow_tar_file *f, struct wcow_error *err)
{
    struct stat st;
    if (strcmp(f->dest, "-") == 0) {
        f->name = "standard output";
        f->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
        f->is_plain = f->fd >= 0 && fstat(f->fd, &st) == 0 && S_ISREG(st.st_mode);
    } else if (stat(f->dest, &st) == 0 && !S_ISREG(st.st_mode)) {
        f->fd = open(f->dest, O_WRONLY | O_CLOEXEC);
    } else {
        uint64_t unique = 0;
        (void)!getrandom(&unique, sizeof(unique), 0);
        if (asprintf(&f->path, "%s.%016" PRIx64 ".tmp", f->dest, unique) < 0) {
            f->path = NULL;
            return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a path");
        }
        f->fd = open(f->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        f->is_plain = true;
    }
    return f->fd >= 0 ? WCOW_OK
                      : WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "create %s", f->name);
}

int wcow_tar_file_open(struct wcow_tar_file *f, const char *dest, const atomic_bool *cancel,
                       struct wcow_error *err)
{
    *f = (struct wcow_tar_file){.name = dest, .dest = dest, .fd = -1, .cancel = cancel};
    f->archive = archive_write_new();
    if (!f->archive)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for an archive");
    int r = open_dest(f, err);
    if (r < 0)
        return r;
    if (archive_write_set_format_pax_restricted(f->archive) != ARCHIVE_OK ||
        archive_write_set_options(f->archive, "hdrcharset=UTF-8") < ARCHIVE_WARN ||
        archive_write_set_bytes_in_last_block(f->archive, 1) != ARCHIVE_OK ||
        archive_write_open(f->archive, f, NULL, on_write, NULL) != ARCHIVE_OK)
        return wcow_tar_file_failed(f, f->name, err);
    return WCOW_OK;
}

int wcow_tar_file_finish(struct wcow_tar_file *f, struct wcow_error *err)
{
    if (archive_write_close(f->archive) != ARCHIVE_OK)
        return wcow_tar_file_failed(f, f->name, err);
    if (!f->path)
        return WCOW_OK;
    if (rename(f->path, f->dest) < 0)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "create %s", f->name);
    free(WCOW_TAKE_PTR(f->path));
    return WCOW_OK;
}

void wcow_tar_file_done(struct wcow_tar_file *f)
{
    if (f->archive) {
        f->is_over = true;
        (void)archive_write_close(f->archive); /* else libarchive leaks what it has buffered */
        (void)archive_write_free(f->archive);
    }
    if (f->path && f->fd >= 0)
        (void)unlink(f->path);
    if (f->fd >= 0)
        (void)close(f->fd);
    free(f->path);
    *f = (struct wcow_tar_file){.fd = -1};
}
