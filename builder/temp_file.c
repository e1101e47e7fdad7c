/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/temp_file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/bytes.h"

static int open_unnamed(const char *dir)
{
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT))
        return fd;
    /* A file system without O_TMPFILE: a name that is gone at once. */
    wcow_autobuf path = {0};
    if (wcow_buf_addf(&path, NULL, "%s/wcow-build-XXXXXX", dir) < 0)
        return -1;
    fd = mkostemp((char *)path.data, O_CLOEXEC);
    if (fd >= 0)
        (void)unlink((const char *)path.data);
    return fd;
}

int wcow_temp_file_open(int *ret_fd, struct wcow_error *err)
{
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody changes the environment
    const char *dir = getenv("TMPDIR");
    dir = dir && *dir ? dir : "/var/tmp";
    int fd = open_unnamed(dir);
    if (fd < 0)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno),
                               "make a temporary file in %s (set TMPDIR to another folder)", dir);
    *ret_fd = fd;
    return WCOW_OK;
}
