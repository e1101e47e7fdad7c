/* SPDX-License-Identifier: Apache-2.0 */
/** @file oci_directory.c
 *  An image layout's files in a directory: each appears whole or not at all. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/fd.h"
#include "image/oci_layout.h"

struct wcow_oci_directory {
    int fd;
    char *path;
};

#define TEMPORARY ".wcow-partial"

int wcow_oci_directory_open(const char *path, struct wcow_oci_directory **ret,
                            struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_oci_directory_free_p)
    struct wcow_oci_directory *directory = calloc(1, sizeof(*directory));
    if (directory) {
        directory->fd = -1;
        directory->path = strdup(path);
    }
    if (!directory || !directory->path)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a directory");
    if (mkdir(path, 0755) < 0 && errno != EEXIST)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "make the directory %s", path);
    directory->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory->fd < 0)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "open the directory %s", path);
    *ret = WCOW_TAKE_PTR(directory);
    return WCOW_OK;
}

void wcow_oci_directory_free(struct wcow_oci_directory *directory)
{
    if (!directory)
        return;
    wcow_closep_(&directory->fd);
    free(directory->path);
    free(directory);
}

static int add_directory(void *ctx, const char *path, struct wcow_error *err)
{
    const struct wcow_oci_directory *directory = ctx;
    if (mkdirat(directory->fd, path, 0755) < 0 && errno != EEXIST)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "make the directory %s/%s",
                               directory->path, path);
    return WCOW_OK;
}

static int copy_source(int fd, const struct wcow_source *source, struct wcow_error *err)
{
    int r = wcow_fd_take(fd, source, "a file", err);
    if (r < 0)
        return r;
    if (fsync(fd) < 0)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "sync");
    return WCOW_OK;
}

static int add_file(void *ctx, const char *path, uint64_t size_bytes,
                    const struct wcow_source *source, struct wcow_error *err)
{
    (void)size_bytes; /* the source itself fails when it is not as long */
    const struct wcow_oci_directory *directory = ctx;
    char *partial = NULL;
    if (asprintf(&partial, "%s" TEMPORARY, path) < 0)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a path");
    wcow_autofree char *owned = partial;
    wcow_autoclose int fd = -1;
    int r = wcow_open_beneath(directory->fd, partial, O_WRONLY | O_CREAT | O_TRUNC, 0644, &fd, err);
    if (r == WCOW_OK)
        r = copy_source(fd, source, err);
    if (r == WCOW_OK && renameat(directory->fd, partial, directory->fd, path) < 0)
        r = WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "rename");
    if (r == WCOW_OK)
        return WCOW_OK;
    if (fd >= 0)
        (void)unlinkat(directory->fd, partial, 0);
    return wcow_error_wrap(r, err, "%s/%s", directory->path, path);
}

struct wcow_oci_output wcow_oci_directory_output(struct wcow_oci_directory *directory)
{
    return (struct wcow_oci_output){
        .add_directory = add_directory, .add_file = add_file, .ctx = directory};
}
