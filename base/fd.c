/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fd.h"

#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <unistd.h>

#include "base/beneath.h"

void wcow_fd_hold_standard(void)
{
    static const int flags[] = {O_WRONLY, O_RDONLY, O_RDONLY};
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0)
            (void)open("/dev/null", flags[fd]); /* is given the lowest number that is free: this */
    }
}

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

struct named_fd {
    int fd;
    const char *what;
};

static int named_write(void *ctx, const void *data, size_t len, struct wcow_error *err)
{
    const struct named_fd *to = ctx;
    return wcow_fd_write(to->fd, data, len, to->what, err);
}

int wcow_fd_take(int fd, const struct wcow_source *source, const char *what, struct wcow_error *err)
{
    struct named_fd to = {.fd = fd, .what = what};
    const struct wcow_sink sink = {.write = named_write, .ctx = &to};
    return wcow_stream_copy(source, &sink, err);
}
