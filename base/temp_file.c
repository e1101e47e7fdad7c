/* SPDX-License-Identifier: Apache-2.0 */
#include "base/temp_file.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/cleanup.h"

/* A name that is gone at once, for file systems without O_TMPFILE. */
static int open_named(int dirfd)
{
    enum { ATTEMPTS = 100 };
    int fd = -1;
    for (int i = 0; fd < 0 && i < ATTEMPTS; i++) {
        unsigned long number = 0;
        if (getrandom(&number, sizeof(number), GRND_NONBLOCK) < 0)
            number = (unsigned long)getpid() + (unsigned long)i;
        char name[64];
        (void)snprintf(name, sizeof(name), ".wcow-%016lx", number);
        fd = openat(dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd >= 0)
            (void)unlinkat(dirfd, name, 0);
        else if (errno != EEXIST)
            break;
    }
    return fd;
}

static int open_unnamed(int dirfd)
{
    int fd = openat(dirfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    bool is_unable = fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT);
    return is_unable ? open_named(dirfd) : fd;
}

static int open_in_tmpdir(int *ret_fd, struct wcow_error *err)
{
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody changes the environment
    const char *dir = getenv("TMPDIR");
    dir = dir && *dir ? dir : "/var/tmp";
    wcow_autoclose int dirfd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int fd = dirfd < 0 ? -1 : open_unnamed(dirfd);
    if (fd < 0)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno),
                               "make a temporary file in %s (set TMPDIR to another folder)", dir);
    *ret_fd = fd;
    return WCOW_OK;
}

int wcow_temp_file_open(int dirfd, int *ret_fd, struct wcow_error *err)
{
    if (dirfd < 0)
        return open_in_tmpdir(ret_fd, err);
    int fd = open_unnamed(dirfd);
    if (fd < 0)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno),
                               "make a temporary file in the folder that is written to");
    *ret_fd = fd;
    return WCOW_OK;
}
