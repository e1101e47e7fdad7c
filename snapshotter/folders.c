/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshotter/folders.h"
#include "base/dir_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>

#include "base/beneath.h"
#include "base/number.h"

struct path {
    char text[2 * WCOW_FOLDER_NAME];
};

static struct path path_of(int64_t id, const char *below)
{
    struct path path = {{0}};
    size_t len = wcow_number_decimal((uint64_t)id, path.text);
    (void)memccpy(path.text + len, below, '\0', sizeof(path.text) - len - 1);
    return path;
}

/* What a person can do about it. */
static const char *advice(int sys_errno)
{
    switch (sys_errno) {
    case ENOSPC:
    case EDQUOT:
        return " (free some space or inodes on the root's file system)";
    case EROFS:
        return " (mount the root's file system for writing; the kernel's log may say why it is "
               "not)";
    case EMFILE:
    case ENFILE:
        return " (raise LimitNOFILE= of the service)";
    case EBUSY:
        return " (unmount what is mounted there)";
    default:
        return "";
    }
}

static int fail(const char *what, const struct path *path, struct wcow_error *err)
{
    return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "cannot %s the folder snapshots/%s%s",
                           what, path->text, advice(errno));
}

int wcow_folder_set_aside(int folders_fd, int64_t id, char ret_name[WCOW_FOLDER_NAME],
                          struct wcow_error *err)
{
    static atomic_uint counter;
    struct path from = path_of(id, "");
    char to[WCOW_FOLDER_NAME] = "rm-";
    (void)wcow_number_decimal((uint64_t)id, to + 3);
    int r = renameat2(folders_fd, from.text, folders_fd, to, RENAME_NOREPLACE);
    /* A leftover of the same number waits there: ids of failed transactions are given again. */
    while (r < 0 && errno == EEXIST) {
        (void)snprintf(to, sizeof(to), "rm-%lld-%llx-%u", (long long)id,
                       (unsigned long long)time(NULL), atomic_fetch_add(&counter, 1));
        r = renameat2(folders_fd, from.text, folders_fd, to, RENAME_NOREPLACE);
    }
    if (r < 0)
        return fail("set aside", &from, err);
    (void)snprintf(ret_name, WCOW_FOLDER_NAME, "%s", to);
    return WCOW_OK;
}

bool wcow_folder_unmake(int folders_fd, int64_t id)
{
    struct path folder = path_of(id, "");
    struct path files = path_of(id, "/Files");
    if (unlinkat(folders_fd, files.text, AT_REMOVEDIR) < 0 && errno != ENOENT)
        return false;
    if (unlinkat(folders_fd, folder.text, AT_REMOVEDIR) == 0 || errno == ENOENT)
        return true;
    struct path work = path_of(id, "/work");
    return unlinkat(folders_fd, work.text, AT_REMOVEDIR) == 0 &&
           unlinkat(folders_fd, folder.text, AT_REMOVEDIR) == 0;
}

static int make_top(int folders_fd, const struct wcow_row *row, struct wcow_error *err)
{
    struct path folder = path_of(row->id, "");
    int r = mkdirat(folders_fd, folder.text, 0700);
    if (r < 0 && errno == EEXIST) {
        char aside[WCOW_FOLDER_NAME];
        int set = wcow_folder_set_aside(folders_fd, row->id, aside, err);
        if (set < 0)
            return set;
        r = mkdirat(folders_fd, folder.text, 0700);
    }
    return r < 0 ? fail("create", &folder, err) : WCOW_OK;
}

static int like_parent(int folders_fd, const struct wcow_row *row, const struct path *files,
                       struct wcow_error *err)
{
    mode_t mode = 0755;
    struct path parent = path_of(row->n_ancestors ? row->ancestors[0] : 0, "/Files");
    struct stat st = {0};
    if (row->n_ancestors && fstatat(folders_fd, parent.text, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        mode = st.st_mode & 07777;
        if ((st.st_uid != geteuid() || st.st_gid != getegid()) &&
            fchownat(folders_fd, files->text, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0)
            return fail("give the parent's owner to", files, err);
    }
    if (fchmodat(folders_fd, files->text, mode, 0) < 0)
        return fail("give the parent's mode to", files, err);
    return WCOW_OK;
}

/* A view of a parent has nothing of its own. */
static bool needs_files(const struct wcow_row *row)
{
    return row->kind != WCOW_KIND_VIEW || row->n_ancestors == 0;
}

static int make_below(int folders_fd, const struct wcow_row *row, bool has_files,
                      struct wcow_error *err)
{
    bool is_overlay = row->mount_type == WCOW_MOUNT_OVERLAY;
    if (!needs_files(row))
        return WCOW_OK;
    struct path files = path_of(row->id, "/Files");
    if (!has_files && mkdirat(folders_fd, files.text, 0755) < 0)
        return fail("create", &files, err);
    int r = is_overlay ? like_parent(folders_fd, row, &files, err) : WCOW_OK;
    if (r < 0 || !is_overlay || row->n_ancestors == 0)
        return r;
    struct path work = path_of(row->id, "/work");
    if (mkdirat(folders_fd, work.text, 0711) < 0)
        return fail("create", &work, err);
    return WCOW_OK;
}

int wcow_folder_make(int folders_fd, struct wcow_chores *chores, const struct wcow_row *row,
                     struct wcow_error *err)
{
    struct path folder = path_of(row->id, "");
    enum wcow_spare shape = needs_files(row) ? WCOW_SPARE_FILES : WCOW_SPARE_BARE;
    bool is_spare = chores && wcow_chores_take_spare(chores, shape, folders_fd, folder.text);
    int r = is_spare ? WCOW_OK : make_top(folders_fd, row, err);
    if (r < 0)
        return r;
    r = make_below(folders_fd, row, is_spare, err);
    if (r < 0)
        (void)wcow_folder_unmake(folders_fd, row->id);
    return r;
}

bool wcow_folder_exists(int folders_fd, int64_t id)
{
    struct path folder = path_of(id, "");
    return faccessat(folders_fd, folder.text, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool is_one_of(const char *name, const char *a, const char *b)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || (a && strcmp(name, a) == 0) ||
           (b && strcmp(name, b) == 0);
}

/* Whether a directory has no entries but those two, either of which may be NULL. Each Commit asks:
 * opendir(3) would allocate 32 KiB, and a new access time would be a change for the disk. */
static bool has_only(int folders_fd, const struct path *path, const char *a, const char *b)
{
    wcow_autoclose int fd =
        openat(folders_fd, path->text, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC);
    if (fd < 0)
        return false;
    for (;;) {
        _Alignas(struct dirent64) char entries[1024];
        ssize_t n = getdents64(fd, entries, sizeof(entries));
        if (n <= 0)
            return n == 0;
        for (ssize_t at = 0; at < n;) {
            const struct dirent64 *entry = (const void *)(entries + at);
            if (!is_one_of(entry->d_name, a, b))
                return false;
            at += entry->d_reclen;
        }
    }
}

bool wcow_folder_is_bare(int folders_fd, int64_t id)
{
    struct path folder = path_of(id, "");
    struct path files = path_of(id, "/Files");
    struct path work = path_of(id, "/work");
    if (has_only(folders_fd, &folder, "Files", NULL))
        return has_only(folders_fd, &files, NULL, NULL);
    return has_only(folders_fd, &folder, "Files", "work") &&
           has_only(folders_fd, &files, NULL, NULL) && has_only(folders_fd, &work, NULL, NULL);
}

int wcow_folder_measure(int folders_fd, int64_t id, uint64_t *ret_size_bytes, uint64_t *ret_entries,
                        struct wcow_error *err)
{
    struct path folder = path_of(id, "");
    struct path files = path_of(id, "/Files");
    struct path work = path_of(id, "/work");
    struct wcow_dir_tree_size size = {0};
    int r = wcow_dir_tree_measure(folders_fd, folder.text, &size, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "measure snapshots/%s", folder.text);
    uint64_t made = faccessat(folders_fd, files.text, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
    made += faccessat(folders_fd, work.text, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
    *ret_size_bytes = size.size_bytes;
    *ret_entries = size.n_entries > made ? size.n_entries - made : 0;
    return WCOW_OK;
}

static int copy_bytes(int from, int to, struct wcow_error *err)
{
    if (ioctl(to, FICLONE, from) == 0)
        return WCOW_OK;
    for (;;) {
        ssize_t n = copy_file_range(from, NULL, to, NULL, 1 << 30, 0);
        if (n == 0)
            return WCOW_OK;
        if (n < 0)
            return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno),
                                   "cannot copy the utility VM's template");
    }
}

int wcow_folder_vm_scratch(int folders_fd, int64_t base_id, int64_t id, struct wcow_error *err)
{
    struct path template = path_of(base_id, "/UtilityVM/SystemTemplate.vhdx");
    struct path vm = path_of(id, "/vm");
    struct path scratch = path_of(id, "/vm/sandbox.vhdx");
    wcow_autoclose int from = -1;
    wcow_autoclose int to = -1;
    int r = wcow_open_beneath(folders_fd, template.text, O_RDONLY | O_NONBLOCK, 0, &from, err);
    if (r == WCOW_E_NOT_FOUND)
        return WCOW_FAIL(err, WCOW_E_PRECONDITION,
                         "a scratch for the utility VM was asked for, but the base layer has no "
                         "UtilityVM/SystemTemplate.vhdx (snapshots/%s)",
                         template.text);
    if (r < 0)
        return r;
    if (mkdirat(folders_fd, vm.text, 0700) < 0)
        return fail("create", &vm, err);
    r = wcow_open_beneath(folders_fd, scratch.text, O_WRONLY | O_CREAT | O_EXCL, 0600, &to, err);
    return r < 0 ? r : copy_bytes(from, to, err);
}
