/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fd.h"

#include <poll.h>
#include <stdint.h>
#include <unistd.h>

#include "base/beneath.h"

int wcow_fd_write(int fd, const void *data, size_t len, const char *what, struct wcow_error *err)
{
    const uint8_t *p = data;
    while (len > 0) {
        ssize_t n = write(fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "write %s", what);
        p += n;
        len -= (size_t)n;
    }
    return WCOW_OK;
}

int wcow_fd_wait(int fd, short events, const atomic_bool *cancel, struct wcow_error *err)
{
    enum { POLL_MS = 100 };
    struct pollfd p = {.fd = fd, .events = events};
    do {
        if (cancel && atomic_load(cancel))
            return WCOW_FAIL(err, WCOW_E_CANCELLED, "cancelled");
    } while (poll(&p, 1, POLL_MS) <= 0);
    return WCOW_OK;
}

static int sink_write(void *ctx, const void *data, size_t len, struct wcow_error *err)
{
    const int *fd = ctx;
    return wcow_fd_write(*fd, data, len, "a file", err);
}

struct wcow_sink wcow_fd_sink(int *fd)
{
    return (struct wcow_sink){.write = sink_write, .ctx = fd};
}

int wcow_fd_take(int fd, const struct wcow_source *source, const char *what, struct wcow_error *err)
{
    for (;;) {
        const uint8_t *data = NULL;
        size_t len = 0;
        int r = wcow_source_next(source, &data, &len, err);
        if (r < 0 || len == 0)
            return r;
        r = wcow_fd_write(fd, data, len, what, err);
        if (r < 0)
            return r;
    }
}
