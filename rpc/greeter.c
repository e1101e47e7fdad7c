/* SPDX-License-Identifier: Apache-2.0 */
#include "rpc/greeter.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "rpc/thread.h"

enum {
    RETRY_MS = 100,
    LOWEST_FD = 8, /* beyond those that a successor finds its socket at */
};

struct wcow_greeter {
    int listener_fd;
    int wake_fd; /* eventfd: ends the thread */
    pthread_t thread;
    int fds[WCOW_GREETED_MAX]; /* the thread's until it has ended */
    size_t n_fds;
};

/* A few bytes on a new connection: there is room for them. */
void wcow_greet(int fd)
{
    static const unsigned char settings[] = {0, 0, 0, 4, 0, 0, 0, 0, 0};
    (void)!send(fd, settings, sizeof(settings), MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* False where there is nothing to accept, or cannot be now. */
static bool greet_one(struct wcow_greeter *g)
{
    wcow_autoclose int fd = accept4(g->listener_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return errno == EINTR || errno == ECONNABORTED;
    int kept = fcntl(fd, F_DUPFD_CLOEXEC, LOWEST_FD);
    if (kept < 0)
        return true;
    wcow_greet(kept);
    g->fds[g->n_fds++] = kept;
    return true;
}

static void *greet_all(void *arg)
{
    struct wcow_greeter *g = arg;
    for (;;) {
        bool full = g->n_fds == WCOW_GREETED_MAX;
        struct pollfd fds[] = {{.fd = g->wake_fd, .events = POLLIN},
                               {.fd = full ? -1 : g->listener_fd, .events = POLLIN}};
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return NULL;
        if (fds[0].revents)
            return NULL;
        if (fds[1].revents && !greet_one(g) && errno != EAGAIN)
            (void)poll(fds, 1, RETRY_MS); /* out of descriptors, mostly */
    }
}

int wcow_greeter_new(int listener_fd, const int *fds, size_t n_fds, struct wcow_greeter **ret,
                     struct wcow_error *err)
{
    wcow_autofree struct wcow_greeter *g = calloc(1, sizeof(*g));
    wcow_autoclose int wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (!g || wake_fd < 0 || n_fds > WCOW_GREETED_MAX)
        return WCOW_FAIL(err, WCOW_E_LIMIT, "cannot greet who connects meanwhile");
    g->listener_fd = listener_fd;
    g->wake_fd = wake_fd;
    if (n_fds)
        memcpy(g->fds, fds, n_fds * sizeof(*fds));
    g->n_fds = n_fds;
    int r = wcow_thread_start(&g->thread, greet_all, g, err);
    if (r < 0)
        return r;
    wake_fd = -1;
    *ret = WCOW_TAKE_PTR(g);
    return WCOW_OK;
}

size_t wcow_greeter_stop(struct wcow_greeter *greeter, int ret_fds[WCOW_GREETED_MAX])
{
    if (!greeter)
        return 0;
    (void)eventfd_write(greeter->wake_fd, 1);
    (void)pthread_join(greeter->thread, NULL);
    size_t n = greeter->n_fds;
    memcpy(ret_fds, greeter->fds, n * sizeof(*ret_fds));
    (void)close(greeter->wake_fd);
    free(greeter);
    return n;
}
