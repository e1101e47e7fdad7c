/* SPDX-License-Identifier: Apache-2.0 */
#include "base/beneath.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

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

int wcow_open_beneath(int dirfd, const char *path, int flags, mode_t mode, int *ret_fd,
                      struct wcow_error *err)
{
    struct open_how how = {.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
                           .mode = mode,
                           .resolve =
                               RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS};
    long fd = -1;
    do {
        fd = syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
    } while (fd < 0 && (errno == EINTR || errno == EAGAIN));
    if (fd < 0)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "open \"%s\"", path);
    *ret_fd = (int)fd;
    return WCOW_OK;
}
