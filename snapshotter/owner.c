/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshotter/owner.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/log.h"
#include "store/owner.h"

static const char database[] = "/io.containerd.metadata.v1.bolt/meta.db";

static void closedir_p(DIR **dir)
{
    if (*dir)
        (void)closedir(*dir);
}

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text);
    size_t end_len = strlen(end);
    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

/* Whether the descriptor is containerd's database. */
static bool look_at(int dir_fd, const char *name, struct wcow_owner *ret)
{
    char path[PATH_MAX];
    struct stat st = {0};
    ssize_t n = readlinkat(dir_fd, name, path, sizeof(path) - 1);
    if (n <= 0)
        return false;
    path[n] = '\0';
    if (!ends_with(path, database) || fstatat(dir_fd, name, &st, 0) < 0)
        return false;
    (void)snprintf(ret->path, sizeof(ret->path), "%s", path);
    ret->device = st.st_dev;
    ret->inode = st.st_ino;
    return true;
}

/* @return 1 with *ret, 0 where the process holds no such database, -errno where it cannot be
 *  looked at */
static int identify(const char *proc, pid_t pid, struct wcow_owner *ret)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "%s/%d/fd", proc, (int)pid);
    WCOW_CLEANUP(closedir_p) DIR *dir = opendir(path);
    if (!dir)
        return -errno;
    const struct dirent *entry = NULL;
    while ((entry = readdir(dir))) { /* NOLINT(concurrency-mt-unsafe): of this thread alone */
        if (entry->d_name[0] != '.' && look_at(dirfd(dir), entry->d_name, ret))
            return 1;
    }
    return 0;
}

static bool is_containerd(const char *proc, pid_t pid)
{
    char path[64];
    char name[32] = "";
    (void)snprintf(path, sizeof(path), "%s/%d/comm", proc, (int)pid);
    wcow_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, name, sizeof(name) - 1);
    name[n > 0 ? n : 0] = '\0';
    return strcmp(name, "containerd\n") == 0;
}

static bool is_same_file(const struct wcow_owner *a, const struct wcow_owner *b)
{
    return a->device == b->device && a->inode == b->inode;
}

/* The path may be that of another mount namespace, and the file may have been made anew (by a
 * restore or a compaction) at the same path: then the one before must be gone. */
static bool is_owner(const struct wcow_owner_guard *guard, const struct wcow_owner *owner,
                     const struct wcow_owner *peer)
{
    if (is_same_file(owner, peer))
        return true;
    if (strcmp(owner->path, peer->path) != 0)
        return false;
    struct wcow_owner before = {0};
    return guard->pid == 0 || identify(guard->proc, guard->pid, &before) != 1 ||
           !is_same_file(&before, owner);
}

struct judgement {
    const struct wcow_owner_guard *guard;
    const struct wcow_owner *peer;
};

/* In one write, so that of two that come at once one is the first. */
static int judge(struct wcow_db *db, void *arg, struct wcow_error *err)
{
    const struct judgement *j = arg;
    struct wcow_owner owner = {0};
    int r = wcow_owner_get(db, &owner, err);
    if (r == WCOW_OK && is_same_file(&owner, j->peer) && strcmp(owner.path, j->peer->path) == 0)
        return WCOW_OK;
    if (r == WCOW_E_NOT_FOUND || (r == WCOW_OK && is_owner(j->guard, &owner, j->peer)))
        return wcow_owner_set(db, j->peer, err);
    if (r < 0)
        return r;
    return WCOW_FAIL(err, WCOW_E_PRECONDITION,
                     "these snapshots belong to the containerd of %.300s, and the caller is that "
                     "of %.300s, which would remove them all: give it a wcowd with a --root and an "
                     "--address of its own, or hand them over by starting wcowd with --adopt",
                     owner.path, j->peer->path);
}

int wcow_owner_admit(struct wcow_owner_guard *guard, pid_t pid, struct wcow_error *err)
{
    struct wcow_owner peer = {0};
    int r = pid > 0 ? identify(guard->proc, pid, &peer) : 0;
    if (r == 0 && pid > 0 && is_containerd(guard->proc, pid))
        return WCOW_FAIL(err, WCOW_E_UNAVAILABLE, "containerd has not opened its database yet");
    if (r < 0 && r != -ENOENT && is_containerd(guard->proc, pid))
        wcow_log(WCOW_LOG_WARN,
                 "cannot tell which containerd this is: wcowd needs CAP_SYS_PTRACE to keep two "
                 "of them apart",
                 WCOW_INT("pid", pid), WCOW_INT("errno", -r));
    if (r <= 0)
        return WCOW_OK;
    struct judgement j = {.guard = guard, .peer = &peer};
    r = wcow_store_write(guard->store, judge, &j, err);
    if (r == WCOW_E_PRECONDITION)
        return r;
    if (r < 0) /* a full disk must not shut out the owner */
        wcow_log(WCOW_LOG_WARN, "cannot record the owner of the snapshots",
                 WCOW_STR("error", err ? err->msg : NULL));
    guard->pid = pid;
    return WCOW_OK;
}

static int forget(struct wcow_db *db, void *arg, struct wcow_error *err)
{
    (void)arg;
    return wcow_owner_forget(db, err);
}

int wcow_owner_release(struct wcow_store *store, struct wcow_error *err)
{
    return wcow_store_write(store, forget, NULL, err);
}
