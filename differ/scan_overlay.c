/* SPDX-License-Identifier: Apache-2.0 */
#include "differ/scan_overlay.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "base/cleanup.h"
#include "layer/entry.h"

enum { MAX_VALUE = 4096 };

/* How a name in a directory is written for calls that take no descriptor: the last component is
 * not followed by those that begin with an l. */
struct place {
    char path[sizeof("/proc/self/fd/") + 3 * sizeof(int) + NAME_MAX + 1];
};

static bool place_of(int dirfd, const char *name, struct place *ret)
{
    int n = snprintf(ret->path, sizeof(ret->path), "/proc/self/fd/%d/%s", dirfd, name);
    return n > 0 && (size_t)n < sizeof(ret->path);
}

/* An attribute's value with a NUL behind it; its length, or -1 where it is not there. */
static ssize_t get(int dirfd, const char *name, const char *xattr, char *value, size_t size)
{
    struct place place;
    if (!place_of(dirfd, name, &place))
        return -1;
    ssize_t n = lgetxattr(place.path, xattr, value, size - 1);
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

bool wcow_overlay_has_notes(int dirfd, const char *name)
{
    struct place place;
    return !place_of(dirfd, name, &place) || llistxattr(place.path, NULL, 0) != 0;
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

/* As fs/overlayfs has it on disk: version, magic, length of the whole, flags, type, the file
 * system's UUID, and a handle of that type. */
enum { FH_MAGIC = 0xfb, FH_AT_HANDLE = 21, FH_PATH_UPPER = 4, FH_MAX_HANDLE = 128 };

bool wcow_overlay_origin(int dirfd, const char *name, int near, struct stat *ret)
{
    char value[256];
    ssize_t n = get_overlay(dirfd, name, "origin", value, sizeof(value));
    if (n <= FH_AT_HANDLE || n > FH_AT_HANDLE + FH_MAX_HANDLE)
        return false;
    const uint8_t *b = (const uint8_t *)value;
    if (b[0] != 0 || b[1] != FH_MAGIC || b[2] != n || (b[3] & FH_PATH_UPPER))
        return false;
    union {
        struct file_handle handle;
        char room[sizeof(struct file_handle) + FH_MAX_HANDLE];
    } u = {.room = {0}};
    u.handle.handle_bytes = (unsigned)(n - FH_AT_HANDLE);
    u.handle.handle_type = b[4];
    memcpy(u.handle.f_handle, b + FH_AT_HANDLE, (size_t)(n - FH_AT_HANDLE));
    wcow_autoclose int fd = open_by_handle_at(near, &u.handle, O_PATH | O_CLOEXEC);
    return fd >= 0 && fstat(fd, ret) == 0;
}

uint32_t wcow_overlay_attributes(int dirfd, const char *name, const struct stat *st, bool has_notes,
                                 uint32_t attributes)
{
    enum { FROM_HOST = WCOW_ATTR_HIDDEN | WCOW_ATTR_SYSTEM };
    char value[256];
    uint32_t noted = 0;
    if (has_notes && get(dirfd, name, "user.DOSATTRIB", value, sizeof(value)) > 2 &&
        strncmp(value, "0x", 2) == 0) {
        noted = (uint32_t)strtoul(value, NULL, 16);
        attributes = (attributes & ~(uint32_t)FROM_HOST) | (noted & FROM_HOST);
    }
    if ((noted & WCOW_ATTR_READONLY) || (S_ISREG(st->st_mode) && !(st->st_mode & 0222)))
        attributes |= WCOW_ATTR_READONLY;
    return attributes;
}
