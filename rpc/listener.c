/* SPDX-License-Identifier: Apache-2.0 */
#include "rpc/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/cleanup.h"

/* The first descriptor passed by LISTEN_FDS (sd_listen_fds(3)). */
enum { LISTEN_FDS_START = 3 };

/* The socket's name until it listens. */
#define STARTING_SUFFIX "~"

const char *wcow_socket_path(const char *address)
{
    if (strncmp(address, "unix://", 7) == 0)
        return address + 7;
    return strncmp(address, "unix:", 5) == 0 ? address + 5 : address;
}

static int fill_address(const char *path, struct sockaddr_un *ret)
{
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof(ret->sun_path))
        return -1;
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(ret->sun_path, path, len);
    return 0;
}

int wcow_socket_probe(const char *path)
{
    struct sockaddr_un sun;
    if (fill_address(path, &sun) < 0)
        return ENAMETOOLONG;
    wcow_autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return errno;
    if (connect(fd, (const struct sockaddr *)&sun, sizeof(sun)) == 0)
        return 0;
    /* EAGAIN: somebody listens and is busy. */
    return errno == EAGAIN ? 0 : errno;
}

static int is_listening_socket(int fd)
{
    int type = 0;
    int listening = 0;
    struct sockaddr_un sun = {0};
    socklen_t len = sizeof(sun);
    if (getsockname(fd, (struct sockaddr *)&sun, &len) < 0 || sun.sun_family != AF_UNIX)
        return 0;
    len = sizeof(type);
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 || type != SOCK_STREAM)
        return 0;
    len = sizeof(listening);
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) == 0 && listening;
}

/* Where an inherited socket was bound to a path, that is what it is called. */
static void read_path(struct wcow_listener *l)
{
    struct sockaddr_un sun = {0};
    socklen_t len = sizeof(sun);
    if (getsockname(l->fd, (struct sockaddr *)&sun, &len) == 0)
        memcpy(l->path, sun.sun_path, sizeof(l->path) - 1);
}

/* A socket that this program's last image had bound comes with its lock and its path, and stays
 * ours to unlink. */
static void take_over(struct wcow_listener *l)
{
    const char *lock = getenv(WCOW_LISTENER_LOCK_ENV); /* NOLINT(concurrency-mt-unsafe): at start */
    struct stat st = {0};
    char *rest = NULL;
    if (!lock)
        return;
    int fd = (int)strtol(lock, &rest, 10);
    char path[sizeof(l->path)];
    (void)snprintf(path, sizeof(path), "%s", *rest == ':' ? rest + 1 : "");
    (void)unsetenv(WCOW_LISTENER_LOCK_ENV); /* NOLINT(concurrency-mt-unsafe): at start only */
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || lstat(path, &st) < 0)
        return;
    memcpy(l->path, path, sizeof(path));
    l->lock_fd = fd;
    l->dev = st.st_dev;
    l->ino = st.st_ino;
    l->owned = true;
}

/* The connections that the last image had greeted. */
static size_t take_greeted(int fds[WCOW_GREETED_MAX])
{
    const char *text = getenv(WCOW_LISTENER_GREETED_ENV); /* NOLINT(concurrency-mt-unsafe) */
    size_t n = 0;
    while (text && *text && n < WCOW_GREETED_MAX) {
        char *end = NULL;
        int fd = (int)strtol(text, &end, 10);
        if (end == text)
            break;
        if (fcntl(fd, F_SETFD, FD_CLOEXEC) == 0)
            fds[n++] = fd;
        text = *end == ',' ? end + 1 : end;
    }
    (void)unsetenv(WCOW_LISTENER_GREETED_ENV); /* NOLINT(concurrency-mt-unsafe): at start only */
    return n;
}

/* 1 where a socket was inherited, 0 where none was offered. */
static int take_inherited(struct wcow_listener *l, struct wcow_error *err)
{
    const char *pid = getenv("LISTEN_PID"); /* NOLINT(concurrency-mt-unsafe): at start only */
    const char *fds = getenv("LISTEN_FDS"); /* NOLINT(concurrency-mt-unsafe): at start only */
    if (!pid || !fds || strtol(pid, NULL, 10) != (long)getpid())
        return 0;
    if (strcmp(fds, "1") != 0)
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "%s sockets were passed by socket activation, but exactly one is served: "
                         "leave one ListenStream= in the socket unit",
                         fds);
    if (!is_listening_socket(LISTEN_FDS_START))
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "descriptor 3 passed by socket activation is no listening Unix stream "
                         "socket: set ListenStream= to a path");
    int flags = fcntl(LISTEN_FDS_START, F_GETFL);
    if (flags < 0 || fcntl(LISTEN_FDS_START, F_SETFL, flags | O_NONBLOCK) < 0 ||
        fcntl(LISTEN_FDS_START, F_SETFD, FD_CLOEXEC) < 0)
        return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "cannot set up the inherited socket");
    /* The descriptor is taken once. */
    (void)unsetenv("LISTEN_PID"); /* NOLINT(concurrency-mt-unsafe): at start only */
    (void)unsetenv("LISTEN_FDS"); /* NOLINT(concurrency-mt-unsafe): at start only */
    l->fd = LISTEN_FDS_START;
    read_path(l);
    take_over(l);
    int greeted[WCOW_GREETED_MAX];
    size_t n = take_greeted(greeted);
    int r = wcow_greeter_new(l->fd, greeted, n, &l->greeter, err);
    return r < 0 ? r : 1;
}

int wcow_listener_inherit(struct wcow_listener *ret, struct wcow_error *err)
{
    struct wcow_listener l = WCOW_LISTENER_NONE;
    int r = take_inherited(&l, err);
    if (r < 0)
        wcow_listener_close(&l);
    else
        *ret = l;
    return r;
}

size_t wcow_listener_take_greeted(struct wcow_listener *listener, int *ret_fds)
{
    return wcow_greeter_stop(WCOW_TAKE_PTR(listener->greeter), ret_fds);
}

/* The folder of the socket lies on a tmpfs that is empty after each boot. */
static void make_parent(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash || slash == path)
        return;
    wcow_autofree char *parent = strndup(path, (size_t)(slash - path));
    if (parent)
        (void)mkdir(parent, 0711);
}

static int take_lock(const char *path, int *ret_fd, struct wcow_error *err)
{
    char lock[WCOW_SOCKET_PATH_MAX + sizeof(".lock")];
    (void)snprintf(lock, sizeof(lock), "%s.lock", path);
    wcow_autoclose int fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno),
                               "cannot open the lock %s of the socket", lock);
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK)
            return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "cannot lock %s", lock);
        return WCOW_FAIL(err, WCOW_E_EXISTS,
                         "another server is serving %s (it holds %s): stop it, or serve on another "
                         "--address",
                         path, lock);
    }
    *ret_fd = WCOW_TAKE_FD(fd);
    return WCOW_OK;
}

/* With the lock held, what stands at the path is either stale or not ours. */
static int clear_path(const char *path, struct wcow_error *err)
{
    struct stat st;
    if (lstat(path, &st) < 0)
        return errno == ENOENT ? WCOW_OK
                               : WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno),
                                                 "cannot look at the socket %s", path);
    if (!S_ISSOCK(st.st_mode))
        return WCOW_FAIL(err, WCOW_E_EXISTS,
                         "%s is there and is no socket: remove it, or serve on another --address",
                         path);
    if (wcow_socket_probe(path) == 0)
        return WCOW_FAIL(err, WCOW_E_EXISTS,
                         "another program is listening on %s: stop it, or serve on another "
                         "--address",
                         path);
    if (unlink(path) < 0 && errno != ENOENT)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "cannot remove the stale socket %s",
                               path);
    return WCOW_OK;
}

/* Bound and listened on under a name beside the path, then renamed: who sees the path can connect,
 * and is not refused in the moment between the two. */
static int bind_path(struct wcow_listener *l, struct wcow_error *err)
{
    char starting[WCOW_SOCKET_PATH_MAX + sizeof(STARTING_SUFFIX)];
    struct sockaddr_un sun;
    (void)snprintf(starting, sizeof(starting), "%s" STARTING_SUFFIX, l->path);
    if (fill_address(starting, &sun) < 0)
        return WCOW_FAIL(err, WCOW_E_INVALID, "bad socket path \"%s\"", l->path);
    int r = clear_path(starting, err);
    if (r < 0)
        return r;
    wcow_autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "cannot make a socket");
    /* The file must never be there with a wider mode, not even for a moment. */
    mode_t before = umask(0177);
    r = bind(fd, (const struct sockaddr *)&sun, sizeof(sun));
    int saved = errno;
    (void)umask(before);
    errno = saved;
    if (r < 0)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "cannot bind the socket %s",
                               l->path);
    struct stat st;
    if (listen(fd, SOMAXCONN) < 0 || lstat(starting, &st) < 0 || rename(starting, l->path) < 0) {
        r = WCOW_FAIL_ERRNO(err, WCOW_E_IO, "cannot listen on %s", l->path);
        (void)unlink(starting);
        return r;
    }
    l->dev = st.st_dev;
    l->ino = st.st_ino;
    l->owned = true;
    l->fd = WCOW_TAKE_FD(fd);
    return WCOW_OK;
}

static int open_path(const char *address, struct wcow_listener *l, struct wcow_error *err)
{
    const char *path = wcow_socket_path(address);
    size_t len = strlen(path);
    if (len == 0 || len > WCOW_SOCKET_PATH_MAX)
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "the socket path \"%s\" has %zu bytes; it must have 1 to %d", path, len,
                         WCOW_SOCKET_PATH_MAX);
    memcpy(l->path, path, len + 1);
    make_parent(path);
    int r = take_lock(path, &l->lock_fd, err);
    if (r == WCOW_OK)
        r = clear_path(path, err);
    if (r == WCOW_OK)
        r = bind_path(l, err);
    return r;
}

int wcow_listener_open(const char *address, struct wcow_listener *ret, struct wcow_error *err)
{
    struct wcow_listener l = WCOW_LISTENER_NONE;
    int r = take_inherited(&l, err);
    if (r < 0)
        return r;
    if (r == 0 && !address)
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "no address to serve on, and no socket was passed by socket activation");
    if (r == 0)
        r = open_path(address, &l, err);
    if (r < 0) {
        wcow_listener_close(&l);
        return r;
    }
    *ret = l;
    return WCOW_OK;
}

void wcow_listener_close(struct wcow_listener *listener)
{
    struct stat st;
    int greeted[WCOW_GREETED_MAX];
    size_t n = wcow_listener_take_greeted(listener, greeted);
    for (size_t i = 0; i < n; i++)
        (void)close(greeted[i]);
    if (listener->owned && lstat(listener->path, &st) == 0 && st.st_dev == listener->dev &&
        st.st_ino == listener->ino)
        (void)unlink(listener->path);
    wcow_closep_(&listener->fd);
    /* Last: until here nobody else may touch the path. */
    wcow_closep_(&listener->lock_fd);
}

int wcow_listener_pass_on(struct wcow_listener *listener, struct wcow_listener *ret,
                          struct wcow_error *err)
{
    struct wcow_listener copy = *listener;
    copy.greeter = NULL;
    copy.fd = fcntl(listener->fd, F_DUPFD_CLOEXEC, LISTEN_FDS_START + 2);
    copy.lock_fd = -1;
    if (copy.fd < 0)
        return WCOW_FAIL_ERRNO(err, WCOW_E_LIMIT, "cannot keep the socket");
    if (listener->lock_fd >= 0)
        copy.lock_fd = fcntl(listener->lock_fd, F_DUPFD_CLOEXEC, LISTEN_FDS_START + 2);
    int r = wcow_greeter_new(copy.fd, NULL, 0, &copy.greeter, err);
    if (r < 0) {
        wcow_closep_(&copy.fd);
        wcow_closep_(&copy.lock_fd);
        return r;
    }
    listener->owned = false;
    *ret = copy;
    return WCOW_OK;
}

/* Through exec, by their numbers. */
static void pass_greeted(struct wcow_listener *listener)
{
    int fds[WCOW_GREETED_MAX];
    char text[WCOW_GREETED_MAX * 12] = "";
    size_t len = 0;
    size_t n = wcow_listener_take_greeted(listener, fds);
    for (size_t i = 0; i < n; i++) {
        if (fcntl(fds[i], F_SETFD, 0) == 0)
            len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%d", i ? "," : "", fds[i]);
    }
    if (len)
        (void)setenv(WCOW_LISTENER_GREETED_ENV, text, 1); /* NOLINT(concurrency-mt-unsafe) */
}

int wcow_listener_exec(struct wcow_listener *listener, const char *program, char *const argv[],
                       struct wcow_error *err)
{
    char text[16 + WCOW_SOCKET_PATH_MAX];
    pass_greeted(listener);
    (void)snprintf(text, sizeof(text), "%d", (int)getpid());
    /* One thread is left: the environment may be changed. */
    (void)setenv("LISTEN_PID", text, 1); /* NOLINT(concurrency-mt-unsafe) */
    (void)setenv("LISTEN_FDS", "1", 1);  /* NOLINT(concurrency-mt-unsafe) */
    if (listener->lock_fd >= 0 && listener->owned) {
        (void)snprintf(text, sizeof(text), "%d:%s", listener->lock_fd, listener->path);
        (void)setenv(WCOW_LISTENER_LOCK_ENV, text, 1); /* NOLINT(concurrency-mt-unsafe) */
        (void)fcntl(listener->lock_fd, F_SETFD, 0);
    }
    if (dup2(listener->fd, LISTEN_FDS_START) < 0)
        return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "cannot pass the socket on");
    (void)execv(program, argv);
    return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "cannot start %s", program);
}
