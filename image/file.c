/* SPDX-License-Identifier: Apache-2.0 */
#include "image/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/beneath.h"

static int read_some(int fd, const char *path, struct wcow_buf *out, size_t *ret_len,
                     struct wcow_error *err)
{
    enum { CHUNK = 16 << 10 };
    uint8_t *to = NULL;
    int r = wcow_buf_reserve(out, CHUNK, &to, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "%s", path);
    ssize_t n;
    do {
        n = read(fd, to, CHUNK);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "read %s", path);
    out->len += (size_t)n;
    out->data[out->len] = '\0';
    *ret_len = (size_t)n;
    return WCOW_OK;
}

int wcow_file_read(const char *path, size_t max_bytes, struct wcow_buf *out, struct wcow_error *err)
{
    /* O_NONBLOCK: a FIFO must not hang us. */
    wcow_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "open %s", path);
    struct stat st;
    if (fstat(fd, &st) < 0)
        return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "stat %s", path);
    if (!S_ISREG(st.st_mode))
        return WCOW_FAIL(err, WCOW_E_INVALID, "%s is not a regular file", path);
    size_t start = out->len;
    for (;;) {
        size_t len = 0;
        int r = read_some(fd, path, out, &len, err);
        if (r < 0)
            return r;
        if (!len)
            return WCOW_OK;
        if (out->len - start > max_bytes)
            return WCOW_FAIL(err, WCOW_E_LIMIT, "%s has more than %zu bytes", path, max_bytes);
    }
}
