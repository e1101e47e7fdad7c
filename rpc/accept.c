/* SPDX-License-Identifier: Apache-2.0 */
/* The thread that takes connections and gives them to the loop: whether a caller may call here can
 * take a while to say. */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/log.h"
#include "rpc/server_internal.h"

enum {
    RETRY_MS = 100,
    ASK_AGAIN_MS = 20, /* a peer that could not be judged yet... */
    ASK_TIMES = 500,   /* ...within 10 s */
    MAX_UNJUDGED = 64,
};

/* A connection whose peer is not known yet. Nothing it sent is lost: it waits in the socket. */
struct unjudged {
    int fd;
    pid_t pid;
    unsigned times;
};

struct acceptor {
    struct wcow_rpc_server *server;
    struct unjudged unjudged[MAX_UNJUDGED];
    size_t n_unjudged;
    bool in_trouble; /* the last accept(2) failed */
};

static pid_t log_peer(int fd)
{
    struct ucred peer = {0};
    socklen_t len = sizeof(peer);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
        return 0;
    wcow_log(WCOW_LOG_DEBUG, "connection", WCOW_INT("pid", peer.pid), WCOW_INT("uid", peer.uid),
             WCOW_INT("gid", peer.gid));
    return peer.pid;
}

/* Give a connection to the loop. False where it is not time yet. */
static bool hand_over(struct acceptor *a, int fd, pid_t pid, bool greeted, bool is_last_time)
{
    struct wcow_rpc_server *server = a->server;
    struct wcow_error err = {0};
    int r = server->admit ? server->admit(server->admit_ctx, pid, &err) : WCOW_OK;
    if (r == WCOW_E_UNAVAILABLE && !is_last_time)
        return false;
    bool refused = r < 0 && r != WCOW_E_UNAVAILABLE;
    if (refused)
        wcow_log(WCOW_LOG_WARN, "a connection is refused", WCOW_INT("pid", pid),
                 WCOW_STR("error", err.msg));
    wcow_server_adopt(server, fd, refused ? &err : NULL, greeted);
    return true;
}

/* Greeted meanwhile: a containerd that starts gives us a second. */
static void set_apart(struct acceptor *a, int fd, pid_t pid, bool greeted)
{
    if (a->n_unjudged == MAX_UNJUDGED) {
        (void)hand_over(a, fd, pid, greeted, true);
        return;
    }
    if (!greeted)
        wcow_greet(fd);
    a->unjudged[a->n_unjudged++] = (struct unjudged){.fd = fd, .pid = pid};
}

static void take(struct acceptor *a, int fd, bool greeted)
{
    pid_t pid = log_peer(fd);
    if (!hand_over(a, fd, pid, greeted, false))
        set_apart(a, fd, pid, greeted);
}

static void judge_again(struct acceptor *a)
{
    size_t kept = 0;
    for (size_t i = 0; i < a->n_unjudged; i++) {
        struct unjudged u = a->unjudged[i];
        if (!hand_over(a, u.fd, u.pid, true, ++u.times >= ASK_TIMES))
            a->unjudged[kept++] = u;
    }
    a->n_unjudged = kept;
}

/* Out of descriptors, mostly: the connection waits in the backlog until some are free. Said once,
 * for it is tried ten times a second. */
static void wait_in_trouble(struct acceptor *a, int sys_errno)
{
    bool is_short = sys_errno == EMFILE || sys_errno == ENFILE;
    if (!a->in_trouble)
        wcow_log(WCOW_LOG_WARN,
                 is_short ? "too many open files: new connections wait; raise LimitNOFILE= of the "
                            "service"
                          : "cannot accept connections: they wait",
                 WCOW_INT("errno", sys_errno));
    a->in_trouble = true;
    struct pollfd wake = {.fd = a->server->wake_fd, .events = POLLIN};
    (void)poll(&wake, 1, RETRY_MS);
}

/* False where accept(2) has nothing left. */
static bool accept_one(struct acceptor *a)
{
    int fd = accept4(a->server->listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        if (a->in_trouble)
            wcow_log(WCOW_LOG_INFO, "connections are accepted again");
        a->in_trouble = false;
        take(a, fd, false);
        return true;
    }
    if (errno == EINTR || errno == ECONNABORTED)
        return true;
    if (errno != EAGAIN)
        wait_in_trouble(a, errno);
    return false;
}

/* Who came before anybody served. */
static void take_greeted(struct acceptor *a)
{
    int fds[WCOW_GREETED_MAX];
    size_t n = wcow_listener_take_greeted(&a->server->listener, fds);
    for (size_t i = 0; i < n; i++)
        take(a, fds[i], true);
}

void *wcow_server_accept(void *arg)
{
    struct wcow_rpc_server *server = arg;
    struct acceptor a = {.server = server};
    take_greeted(&a);
    for (;;) {
        struct pollfd fds[] = {{.fd = server->listener.fd, .events = POLLIN},
                               {.fd = server->wake_fd, .events = POLLIN}};
        if (poll(fds, 2, a.n_unjudged ? ASK_AGAIN_MS : -1) < 0 && errno != EINTR)
            break;
        if (fds[1].revents)
            break;
        judge_again(&a);
        if (fds[0].revents)
            while (accept_one(&a))
                ;
    }
    /* They are told to come again as all others are. */
    for (size_t i = 0; i < a.n_unjudged; i++)
        (void)hand_over(&a, a.unjudged[i].fd, a.unjudged[i].pid, true, true);
    return NULL;
}
