/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/run_folder.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/dir_tree.h"
#include "base/fd.h"
#include "base/owned_dir.h"

static const char disk[] = "/var/tmp";
static const char *const memory[] = {"/run", "/dev/shm"};
enum { N_MEMORY = sizeof(memory) / sizeof(memory[0]) };

/* The ends of their names, of which wcow_backend_name() makes the first. */
#define PREFIX "wcow-build-"
#define SUFFIX "-mounts"

static const char *place_of(enum wcow_run_folder_kind kind)
{
    struct statfs fs;
    for (size_t i = 0; kind == WCOW_RUN_FOLDER_MEMORY && i < N_MEMORY; i++) {
        if (statfs(memory[i], &fs) == 0 && fs.f_type == TMPFS_MAGIC && access(memory[i], W_OK) == 0)
            return memory[i];
    }
    return disk;
}

int wcow_run_folder_make(struct wcow_run_folder *folder, enum wcow_run_folder_kind kind,
                         struct wcow_backend *backend, struct wcow_error *err)
{
    if (folder->path)
        return WCOW_OK;
    const char *place = place_of(kind);
    wcow_autofree char *name = wcow_backend_name(backend, SUFFIX);
    wcow_autofree char *path = NULL;
    if (!name || asprintf(&path, "%s/%s", place, name) < 0) {
        path = NULL;
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a folder");
    }
    wcow_autoclose int parent = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (parent < 0)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "open %s", place);
    int r = wcow_owned_dir_make(parent, name, &folder->fd, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "%s", place);
    folder->path = WCOW_TAKE_PTR(path);
    return WCOW_OK;
}

void wcow_run_folder_done(struct wcow_run_folder *folder)
{
    if (folder->path) {
        (void)!wcow_dir_tree_delete(AT_FDCWD, folder->path, NULL, NULL);
        (void)close(folder->fd);
    }
    free(folder->path);
    *folder = (struct wcow_run_folder){0};
}

int wcow_run_folder_write(const struct wcow_run_folder *folder, const char *name, const void *data,
                          size_t len, char **ret_path, struct wcow_error *err)
{
    wcow_autofree char *path = NULL;
    wcow_autoclose int fd =
        openat(folder->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0400);
    if (fd < 0)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "make %s/%s", folder->path, name);
    int r = wcow_fd_write(fd, data, len, name, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "%s", folder->path);
    if (asprintf(&path, "%s/%s", folder->path, name) < 0) {
        path = NULL;
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a path");
    }
    *ret_path = WCOW_TAKE_PTR(path);
    return WCOW_OK;
}

/* Those places are everybody's: a user's own "wcow-build-output" is none of them. */
static bool is_run_folder(void *arg, int fd, const char *name)
{
    (void)arg;
    (void)fd;
    const size_t len = strlen(name);
    return len > strlen(PREFIX SUFFIX) && strcmp(name + len - strlen(SUFFIX), SUFFIX) == 0;
}

static void sweep(const char *place)
{
    wcow_autoclose int fd = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0)
        wcow_owned_dirs_sweep(fd, PREFIX, is_run_folder, NULL);
}

void wcow_run_folders_sweep(void)
{
    sweep(disk);
    for (size_t i = 0; i < N_MEMORY; i++)
        sweep(memory[i]);
}
