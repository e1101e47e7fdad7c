/* SPDX-License-Identifier: Apache-2.0 */
#include "base/beneath.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"

int wcow_code_of_errno(int sys_errno)
{
    switch (sys_errno) {
    case ENOENT:
        return WCOW_E_NOT_FOUND;
    case EEXIST:
    case ENOTEMPTY:
        return WCOW_E_EXISTS;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EMFILE:
    case ENFILE:
        return WCOW_E_LIMIT;
    case EACCES:
    case EPERM:
    case EROFS:
        return WCOW_E_DENIED;
    case ELOOP:
    case EXDEV:
    case ENAMETOOLONG:
        return WCOW_E_INVALID;
    case ENOMEM:
        return WCOW_E_NOMEM;
    default:
        return WCOW_E_IO;
    }
}

static long open_once(int dirfd, const char *path, int flags, mode_t mode)
{
    struct open_how how = {.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
                           .mode = mode,
                           .resolve =
                               RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS};
    long fd = -1;
    do {
        fd = syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
    } while (fd < 0 && (errno == EINTR || errno == EAGAIN));
    return fd;
}

/* The kernel takes no path of PATH_MAX bytes, and Windows has some of 32,767 characters: the
 * directories in front are opened a piece at a time.
 * @param path becomes what is left of it @return the directory that the rest is in, or -1 */
static int open_front(int dirfd, const char **path)
{
    wcow_autoclose int at = -1;
    char piece[PATH_MAX];
    while (strlen(*path) >= sizeof(piece)) {
        const char *slash = memrchr(*path, '/', sizeof(piece) - 1);
        if (!slash || slash == *path) {
            errno = ENAMETOOLONG;
            return -1;
        }
        size_t len = (size_t)(slash - *path);
        memcpy(piece, *path, len);
        piece[len] = '\0';
        int next = (int)open_once(at < 0 ? dirfd : at, piece, O_PATH | O_DIRECTORY, 0);
        if (next < 0)
            return -1;
        if (at >= 0)
            (void)close(at);
        at = next;
        *path += len + 1;
    }
    return WCOW_TAKE_FD(at);
}

int wcow_open_beneath(int dirfd, const char *path, int flags, mode_t mode, int *ret_fd,
                      struct wcow_error *err)
{
    const char *rest = path;
    bool is_long = strlen(path) >= PATH_MAX;
    wcow_autoclose int front = is_long ? open_front(dirfd, &rest) : -1;
    long fd = -1;
    if (!is_long || front >= 0)
        fd = open_once(is_long ? front : dirfd, rest, flags, mode);
    if (fd < 0)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "open \"%.200s\"", path);
    *ret_fd = (int)fd;
    return WCOW_OK;
}
