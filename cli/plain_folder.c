/* SPDX-License-Identifier: Apache-2.0 */
/* Into a folder. Every path is opened beneath it, through no link. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/fd.h"
#include "cli/plain.h"
#include "differ/chain.h"
#include "differ/host_tree.h"
#include "layer/filetime.h"

struct folder {
    int fd;
};

static struct timespec time_of(uint64_t filetime)
{
    int64_t seconds = 0;
    uint32_t nsec = 0;
    wcow_filetime_to_unix(filetime, &seconds, &nsec);
    return (struct timespec){.tv_sec = seconds, .tv_nsec = (long)nsec};
}

static int failed(const char *name, struct wcow_error *err)
{
    return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "write \"%.200s\"", name);
}

/* The directory that @p name is to be made in, and its last component. */
static int open_parent(const struct folder *f, const char *name, int *ret_fd, const char **ret_base,
                       struct wcow_error *err)
{
    const char *slash = strrchr(name, '/');
    *ret_base = slash ? slash + 1 : name;
    wcow_autofree char *parent = slash ? strndup(name, (size_t)(slash - name)) : strdup(".");
    if (!parent)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a path");
    return wcow_open_beneath(f->fd, parent, O_PATH | O_DIRECTORY, 0, ret_fd, err);
}

static int make_dir(void *ctx, const char *name, const struct wcow_entry *entry,
                    struct wcow_error *err)
{
    (void)entry;
    wcow_autoclose int parent = -1;
    const char *base = NULL;
    int r = open_parent(ctx, name, &parent, &base, err);
    if (r < 0)
        return r;
    return mkdirat(parent, base, 0755) < 0 ? failed(name, err) : WCOW_OK;
}

static int set_times(int dirfd, const char *base, uint64_t mtime, const char *name,
                     struct wcow_error *err)
{
    const struct timespec times[2] = {time_of(mtime), time_of(mtime)};
    return utimensat(dirfd, base, times, AT_SYMLINK_NOFOLLOW) < 0 ? failed(name, err) : WCOW_OK;
}

static int finish_dir(void *ctx, const char *name, const struct wcow_entry *entry,
                      struct wcow_error *err)
{
    wcow_autoclose int parent = -1;
    const char *base = NULL;
    int r = open_parent(ctx, name, &parent, &base, err);
    return r < 0 ? r : set_times(parent, base, entry->mtime, name, err);
}

static int make_file(void *ctx, const char *name, const struct wcow_entry *entry,
                     const struct wcow_source *data, struct wcow_error *err)
{
    const struct folder *f = ctx;
    wcow_autoclose int fd = -1;
    mode_t mode = entry->attributes & WCOW_ATTR_READONLY ? 0444 : 0644;
    int r = wcow_open_beneath(f->fd, name, O_WRONLY | O_CREAT | O_EXCL, mode, &fd, err);
    if (r == WCOW_OK)
        r = wcow_fd_take(fd, data, name, err);
    if (r < 0)
        return r;
    const struct timespec times[2] = {time_of(entry->mtime), time_of(entry->mtime)};
    return futimens(fd, times) < 0 ? failed(name, err) : WCOW_OK;
}

static int make_link(void *ctx, const char *name, const char *target,
                     const struct wcow_entry *entry, struct wcow_error *err)
{
    wcow_autoclose int parent = -1;
    const char *base = NULL;
    int r = open_parent(ctx, name, &parent, &base, err);
    if (r < 0)
        return r;
    return symlinkat(target, parent, base) < 0 ? failed(name, err)
                                               : set_times(parent, base, entry->mtime, name, err);
}

static int make_hard_link(void *ctx, const char *name, const char *first,
                          const struct wcow_entry *entry, struct wcow_error *err)
{
    (void)entry;
    wcow_autoclose int parent = -1;
    wcow_autoclose int first_parent = -1;
    const char *base = NULL;
    const char *first_base = NULL;
    int r = open_parent(ctx, name, &parent, &base, err);
    if (r == WCOW_OK)
        r = open_parent(ctx, first, &first_parent, &first_base, err);
    if (r != WCOW_OK)
        return r;
    return linkat(first_parent, first_base, parent, base, 0) < 0 ? failed(name, err) : WCOW_OK;
}

int wcow_plain_extract(const struct wcow_target *target, const char *path, const char *folder,
                       struct wcow_plain_count *ret, struct wcow_error *err)
{
    static const struct wcow_plain_ops ops = {.dir = make_dir,
                                              .file = make_file,
                                              .link = make_link,
                                              .hard_link = make_hard_link,
                                              .dir_done = finish_dir};
    if (mkdir(folder, 0755) < 0 && errno != EEXIST)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "make \"%s\"", folder);
    wcow_autoclose int fd = -1;
    int r = wcow_layer_folder_open(folder, &fd, err);
    if (r < 0)
        return r;
    /* rmdir() succeeds only on an empty one, whoever else looks at it. */
    if (rmdir(folder) < 0)
        return WCOW_FAIL_ERRNO(err, WCOW_E_PRECONDITION, "\"%s\" must be a new or empty folder",
                               folder);
    (void)close(WCOW_TAKE_FD(fd));
    if (mkdir(folder, 0755) < 0)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "make \"%s\"", folder);
    r = wcow_layer_folder_open(folder, &fd, err);
    struct folder f = {.fd = fd};
    if (r == WCOW_OK)
        r = wcow_plain_walk(target, path, &ops, &f, ret, err);
    if (r < 0) /* half of it is of no use; what is told is why */
        (void)!wcow_host_remove(AT_FDCWD, folder, NULL);
    return r;
}
