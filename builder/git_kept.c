/* SPDX-License-Identifier: Apache-2.0 */
/* gitrepository-layout(5) */
#include "builder/git_kept.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/dir_tree.h"
#include "builder/git_run.h"
#include "image/strings.h"

enum { OPEN_FOLDERS = 32 };

/* nftw() hands nothing on. */
static _Thread_local struct timespec time_to_set;
static _Thread_local struct wcow_str_list *found;
static _Thread_local int find_code;

/* ---- times ---- */

static int set_time(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    const struct timespec times[2] = {time_to_set, time_to_set};
    (void)utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW);
    return 0;
}

void wcow_git_set_times(const char *folder, int64_t time_s)
{
    time_to_set = (struct timespec){.tv_sec = time_s};
    // NOLINTNEXTLINE(concurrency-mt-unsafe): it does not change the folder
    (void)nftw(folder, set_time, OPEN_FOLDERS, FTW_PHYS | FTW_DEPTH);
}

/* ---- .git ---- */

/* A repository has a HEAD, and its objects beside that; so has each of modules/, for submodules. */
static int take_repository(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    wcow_autobuf folder = {0};
    wcow_autobuf objects = {0};
    (void)st;
    if (type != FTW_F || strcmp(path + ftw->base, "HEAD") != 0)
        return 0;
    int r = wcow_buf_addf(&folder, NULL, "%.*s", ftw->base - 1, path);
    if (r == WCOW_OK)
        r = wcow_buf_addf(&objects, NULL, "%s/objects", (const char *)folder.data);
    if (r == WCOW_OK && access((const char *)objects.data, F_OK) == 0)
        r = wcow_str_list_add(found, (const char *)folder.data, NULL);
    find_code = r;
    return r < 0;
}

static int find_repositories(const char *git_dir, struct wcow_str_list *ret, struct wcow_error *err)
{
    found = ret;
    find_code = WCOW_OK;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): it does not change the folder
    (void)nftw(git_dir, take_repository, OPEN_FOLDERS, FTW_PHYS);
    found = NULL;
    return find_code < 0 ? WCOW_FAIL(err, find_code, "out of memory for a repository") : WCOW_OK;
}

/* Parts of files that never became whole, and marks of packs that are still being fetched: git
 * would keep such a pack beside the one that is made of all. */
static bool is_left_of_fetch(const char *name)
{
    size_t len = strlen(name);
    return strncmp(name, "tmp_", 4) == 0 || (len > 5 && strcmp(name + len - 5, ".temp") == 0) ||
           (len > 5 && strcmp(name + len - 5, ".keep") == 0);
}

static int clean_packs(int git_fd, struct wcow_error *err)
{
    int fd = openat(git_fd, "objects/pack", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return WCOW_OK;
    DIR *packs = fd < 0 ? NULL : fdopendir(fd);
    if (!packs) {
        int r = WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "read objects/pack");
        wcow_closep_(&fd);
        return r;
    }
    int r = WCOW_OK;
    const struct dirent *e = NULL;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): the stream is this function's own
    while (r == WCOW_OK && (e = readdir(packs))) {
        if (is_left_of_fetch(e->d_name))
            r = wcow_dir_tree_delete(fd, e->d_name, NULL, err);
    }
    (void)closedir(packs);
    return r;
}

/* Of each time it is made, of the caller's git, or left of the fetch. */
static int remove_traces(int git_fd, struct wcow_error *err)
{
    static const char *const names[] = {"logs",       "hooks",     "index",
                                        "FETCH_HEAD", "ORIG_HEAD", "objects/info/commit-graph",
                                        "gc.log",     "info/refs", "objects/info/commit-graphs"};
    int r = clean_packs(git_fd, err);
    for (size_t i = 0; r == WCOW_OK && i < sizeof(names) / sizeof(names[0]); i++)
        r = wcow_dir_tree_delete(git_fd, names[i], NULL, err);
    return r;
}

/* Once all that the commit needs is packed; with parts of files, which git does not prune. */
static int remove_loose_objects(int git_fd, struct wcow_error *err)
{
    int r = WCOW_OK;
    for (unsigned i = 0; r == WCOW_OK && i < 256; i++) {
        char name[sizeof("objects/00")];
        (void)snprintf(name, sizeof(name), "objects/%02x", i);
        r = wcow_dir_tree_delete(git_fd, name, NULL, err);
    }
    return r;
}

/* A server packs as its processors come to it, with differences that depend on what else it has. An
 * index that is read from a tree knows nothing of the files' inodes and times. */
static int settle(const char *git_dir, const atomic_bool *cancel, struct wcow_error *err)
{
    static const char *const repack[] = {"repack", "-q", "-a",         "-d",
                                         "-F",     "-n", "--window=0", NULL};
    static const char *const index[] = {"read-tree", "HEAD", NULL};
    WCOW_CLEANUP(wcow_git_run_done)
    struct wcow_git_run git = {.folder = git_dir, .is_git_dir = true, .cancel = cancel};
    wcow_autoclose int fd = open(git_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = fd < 0 ? WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "open %s", git_dir)
                   : wcow_git_run_begin(&git, "", err);
    if (r == WCOW_OK)
        r = remove_traces(fd, err);
    if (r == WCOW_OK)
        r = wcow_git_run_quietly(&git, index, err);
    if (r == WCOW_OK)
        r = wcow_git_run_quietly(&git, repack, err);
    return r < 0 ? r : remove_loose_objects(fd, err);
}

int wcow_git_settle(const struct wcow_git_checkout *checkout, const atomic_bool *cancel,
                    struct wcow_error *err)
{
    wcow_auto_str_list repositories = {0};
    wcow_autobuf git_dir = {0};
    int r = wcow_buf_addf(&git_dir, err, "%s/.git", checkout->path);
    if (r == WCOW_OK)
        r = find_repositories((const char *)git_dir.data, &repositories, err);
    for (size_t i = 0; r == WCOW_OK && i < repositories.count; i++)
        r = settle(repositories.items[i], cancel, err);
    if (r == WCOW_OK)
        wcow_git_set_times(checkout->path, checkout->time_s);
    return r < 0 ? wcow_error_wrap(r, err, "its .git") : WCOW_OK;
}
