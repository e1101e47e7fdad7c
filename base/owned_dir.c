/* SPDX-License-Identifier: Apache-2.0 */
#include "base/owned_dir.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/cleanup.h"
#include "base/dir_tree.h"

enum { TRIES = 100 };

static int lock_patiently(int fd, int lock)
{
    int r = flock(fd, lock);
    while (r < 0 && errno == EINTR)
        r = flock(fd, lock);
    return r;
}

/* Whether the folder is ours now. Between mkdir and flock another process may have taken it for one
 * without an owner: then it holds the lock, on a busy machine for long, or has removed the folder.
 */
static bool own(int fd, int lock)
{
    struct stat st;
    return lock_patiently(fd, lock) == 0 && fstat(fd, &st) == 0 && st.st_nlink > 0;
}

static int make(int parent_fd, const char *name, int lock, int *ret_fd, struct wcow_error *err)
{
    for (int i = 0; i < TRIES; i++) {
        if (mkdirat(parent_fd, name, 0700) < 0 && (errno != EEXIST || i == 0))
            return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "make the folder %s", name);
        wcow_autoclose int fd =
            openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 && errno != ENOENT)
            return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "open the folder %s", name);
        if (fd >= 0 && own(fd, lock)) {
            *ret_fd = WCOW_TAKE_FD(fd);
            return WCOW_OK;
        }
    }
    return WCOW_FAIL(err, WCOW_E_UNAVAILABLE, "the folder %s is taken away time and again", name);
}

int wcow_owned_dir_make(int parent_fd, const char *name, int *ret_fd, struct wcow_error *err)
{
    return make(parent_fd, name, LOCK_EX, ret_fd, err);
}

int wcow_owned_dir_make_shared(int parent_fd, const char *name, int *ret_fd, struct wcow_error *err)
{
    return make(parent_fd, name, LOCK_SH, ret_fd, err);
}

/* Whether it is this folder that has the name still. Between open and flock another process may
 * have swept it, and somebody may have the name anew. */
static bool has_name(int fd, int parent_fd, const char *name)
{
    struct stat st;
    struct stat named;
    return fstat(fd, &st) == 0 && fstatat(parent_fd, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           st.st_dev == named.st_dev && st.st_ino == named.st_ino;
}

int wcow_owned_dir_share(int parent_fd, const char *name, int *ret_fd, struct wcow_error *err)
{
    for (int i = 0; i < TRIES; i++) {
        wcow_autoclose int fd =
            openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
            return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "open the folder %s", name);
        if (lock_patiently(fd, LOCK_SH) < 0)
            return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "lock the folder %s", name);
        if (has_name(fd, parent_fd, name)) {
            *ret_fd = WCOW_TAKE_FD(fd);
            return WCOW_OK;
        }
    }
    return WCOW_FAIL(err, WCOW_E_UNAVAILABLE, "the folder %s is replaced time and again", name);
}

/* Its descriptor where it has no owner, who is we then; else -1. */
static int take_abandoned(int parent_fd, const char *name)
{
    struct stat st;
    wcow_autoclose int fd =
        openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    bool is_ours = fd >= 0 && fstat(fd, &st) == 0 && st.st_uid == geteuid();
    bool is_taken = is_ours && flock(fd, LOCK_EX | LOCK_NB) == 0 && has_name(fd, parent_fd, name);
    return is_taken ? WCOW_TAKE_FD(fd) : -1;
}

void wcow_owned_dirs_sweep(int parent_fd, const char *prefix, wcow_owned_dir_visit *visit,
                           void *arg)
{
    int fd = openat(parent_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *d = NULL;
    if (!dir && fd >= 0)
        (void)close(fd);
    // NOLINTNEXTLINE(concurrency-mt-unsafe): a stream of this thread alone
    while (dir && (d = readdir(dir))) {
        if (strncmp(d->d_name, prefix, strlen(prefix)) != 0 || strcmp(d->d_name, ".") == 0 ||
            strcmp(d->d_name, "..") == 0)
            continue;
        wcow_autoclose int found = take_abandoned(parent_fd, d->d_name);
        if (found >= 0 && (!visit || visit(arg, found, d->d_name)))
            (void)!wcow_dir_tree_delete(parent_fd, d->d_name, NULL, NULL);
    }
    if (dir)
        (void)closedir(dir);
}
