/* SPDX-License-Identifier: Apache-2.0 */
#include "differ/host_dir.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/cleanup.h"

static void close_dirp(DIR **d)
{
    if (*d)
        (void)closedir(*d);
}

int wcow_host_dir_each(int dirfd, const char *name, wcow_host_name_fn fn, void *arg,
                       struct wcow_error *err)
{
    wcow_autoclose int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int kept = fd;
    WCOW_CLEANUP(close_dirp) DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "read the directory \"%s\"", name);
    (void)WCOW_TAKE_FD(fd);
    for (;;) {
        errno = 0;
        /* NOLINTNEXTLINE(concurrency-mt-unsafe): safe, for the stream is this function's own */
        const struct dirent *e = readdir(d);
        if (!e && errno)
            return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "read the directory \"%s\"", name);
        if (!e)
            return WCOW_OK;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        int r = fn(arg, kept, e->d_name, err);
        if (r != 0)
            return r;
    }
}
