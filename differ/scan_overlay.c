/* SPDX-License-Identifier: Apache-2.0 */
#include "differ/scan_overlay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "base/cleanup.h"
#include "layer/entry.h"

enum { MAX_VALUE = 4096 };

/* An attribute's value with a NUL behind it; its length, or -1 where it is not there. */
static ssize_t get(int dirfd, const char *name, const char *xattr, char *value, size_t size)
{
    char path[64];
    wcow_autoclose int fd = openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -1;
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    ssize_t n = getxattr(path, xattr, value, size - 1);
    if (n >= 0)
        value[n] = '\0';
    return n;
}

/* As a mount by root and one in a user namespace name it. */
static ssize_t get_overlay(int dirfd, const char *name, const char *what, char *value, size_t size)
{
    char xattr[64];
    (void)snprintf(xattr, sizeof(xattr), "trusted.overlay.%s", what);
    ssize_t n = get(dirfd, name, xattr, value, size);
    if (n >= 0)
        return n;
    (void)snprintf(xattr, sizeof(xattr), "user.overlay.%s", what);
    return get(dirfd, name, xattr, value, size);
}

bool wcow_overlay_is_whiteout(const struct stat *st)
{
    return S_ISCHR(st->st_mode) && st->st_rdev == makedev(0, 0);
}

bool wcow_overlay_is_opaque(int dirfd, const char *name)
{
    char value[16];
    return get_overlay(dirfd, name, "opaque", value, sizeof(value)) > 0 && value[0] == 'y';
}

bool wcow_overlay_is_metacopy(int dirfd, const char *name)
{
    char value[256];
    return get_overlay(dirfd, name, "metacopy", value, sizeof(value)) >= 0;
}

int wcow_overlay_redirect(int dirfd, const char *name, char **ret, struct wcow_error *err)
{
    char value[MAX_VALUE];
    ssize_t n = get_overlay(dirfd, name, "redirect", value, sizeof(value));
    if (n <= 0)
        return 0;
    *ret = strdup(value);
    return *ret ? 1 : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a path");
}

uint32_t wcow_overlay_attributes(int dirfd, const char *name, const struct stat *st,
                                 uint32_t attributes)
{
    enum { FROM_HOST = WCOW_ATTR_HIDDEN | WCOW_ATTR_SYSTEM };
    char value[256];
    uint32_t noted = 0;
    if (get(dirfd, name, "user.DOSATTRIB", value, sizeof(value)) > 2 &&
        strncmp(value, "0x", 2) == 0) {
        noted = (uint32_t)strtoul(value, NULL, 16);
        attributes = (attributes & ~(uint32_t)FROM_HOST) | (noted & FROM_HOST);
    }
    if ((noted & WCOW_ATTR_READONLY) || (S_ISREG(st->st_mode) && !(st->st_mode & 0222)))
        attributes |= WCOW_ATTR_READONLY;
    return attributes;
}
