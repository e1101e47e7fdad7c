/* SPDX-License-Identifier: Apache-2.0 */
/* The connections belong to gRPC, which has no call that lists them or writes to them: they are
 * found among this process's descriptors by the address that they share with the listener. */
#include "rpc/goodbye.h"

#include <dirent.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/cleanup.h"

struct address {
    struct sockaddr_un sun;
    socklen_t len;
};

static void closedir_p(DIR **dir)
{
    if (*dir)
        (void)closedir(*dir);
}

static bool read_address(int fd, struct address *ret)
{
    *ret = (struct address){.len = sizeof(ret->sun)};
    return getsockname(fd, (struct sockaddr *)&ret->sun, &ret->len) == 0 &&
           ret->sun.sun_family == AF_UNIX && ret->len > offsetof(struct sockaddr_un, sun_path) &&
           ret->len <= sizeof(ret->sun);
}

static bool is_connection(int fd, const struct address *listener)
{
    int listening = 1;
    socklen_t len = sizeof(listening);
    struct address own;
    return read_address(fd, &own) && own.len == listener->len &&
           memcmp(&own.sun, &listener->sun, own.len) == 0 &&
           getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) == 0 && !listening;
}

/* Small enough to be taken by the socket wholly or not at all. */
static void write_goaway(int fd, bool sure)
{
    static const unsigned char frame[] = {
        0,    0,    8,    7,    0, /* 8 bytes follow, GOAWAY, no flags */
        0,    0,    0,    0,       /* of the connection */
        0x7f, 0xff, 0xff, 0xff,    /* the last stream that is served: any */
        0,    0,    0,    0,       /* NO_ERROR */
    };
    int unread = 0;
    if (!sure && (ioctl(fd, SIOCOUTQ, &unread) < 0 || unread > 0))
        return;
    (void)!send(fd, frame, sizeof(frame), MSG_DONTWAIT | MSG_NOSIGNAL);
}

static size_t each(int listener_fd, void (*fn)(int fd, bool sure), bool sure)
{
    struct address listener;
    WCOW_CLEANUP(closedir_p) DIR *dir = opendir("/proc/self/fd");
    if (!dir || !read_address(listener_fd, &listener))
        return 0;
    size_t n = 0;
    const struct dirent *entry = NULL;
    while ((entry = readdir(dir))) { /* NOLINT(concurrency-mt-unsafe): of this thread alone */
        if (entry->d_name[0] == '.')
            continue;
        /* Never through a duplicate: to close one of a database's file would drop sqlite's locks.
         */
        int fd = (int)strtol(entry->d_name, NULL, 10);
        if (!is_connection(fd, &listener))
            continue;
        n++;
        if (fn)
            fn(fd, sure);
    }
    return n;
}

size_t wcow_goodbye_say(int listener_fd, bool sure)
{
    return each(listener_fd, write_goaway, sure);
}

size_t wcow_goodbye_left(int listener_fd)
{
    return each(listener_fd, NULL, false);
}
