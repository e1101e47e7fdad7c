/* SPDX-License-Identifier: Apache-2.0 */
#include "differ/host_link.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/beneath.h"
#include "differ/host_dir.h"
#include "differ/host_tree.h"
#include "layer/names.h"
#include "layer/reparse.h"

static int copy_data(int in, int out, struct wcow_error *err)
{
    for (;;) {
        ssize_t n = sendfile(out, in, NULL, 8 << 20);
        if (n == 0)
            return WCOW_OK;
        if (n < 0 && errno != EINTR)
            return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "copy a file");
    }
}

static int copy_file(int from_fd, const char *from, int to_fd, const char *to,
                     struct wcow_error *err)
{
    wcow_autoclose int in = openat(from_fd, from, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (in < 0)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "open \"%s\"", from);
    wcow_autoclose int out =
        openat(to_fd, to, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (out < 0)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "write \"%s\"", to);
    return copy_data(in, out, err);
}

static int link_or_copy(int from_fd, const char *from, int to_fd, const char *to,
                        struct wcow_error *err)
{
    if (linkat(from_fd, from, to_fd, to, 0) == 0)
        return WCOW_OK;
    if (errno == EXDEV || errno == EMLINK || errno == EPERM)
        return copy_file(from_fd, from, to_fd, to, err);
    return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "link \"%s\"", from);
}

/* The name in a directory whose key is wanted: for a target written in another casing. */
struct by_key {
    const char *key;
    char *name;
};

static int match_key(void *arg, int dirfd, const char *name, struct wcow_error *err)
{
    struct by_key *want = arg;
    wcow_autofree char *key = NULL;
    (void)dirfd;
    int r = wcow_name_key(name, &key, err);
    if (r < 0 || strcmp(key, want->key) != 0)
        return r;
    want->name = strdup(name);
    return want->name ? 1 : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a name");
}

static int link_here(const struct wcow_link_request *q, struct wcow_error *err)
{
    int r = link_or_copy(q->from_fd, q->from_leaf, q->to_fd, q->to_leaf, err);
    if (r != WCOW_E_NOT_FOUND)
        return r;
    const char *slash = strrchr(q->key, '/');
    struct by_key want = {.key = slash ? slash + 1 : q->key};
    r = wcow_host_dir_each(q->from_fd, ".", match_key, &want, err);
    if (r == 0)
        return WCOW_FAIL(err, WCOW_E_NOT_FOUND, "no such file in this layer");
    if (r > 0)
        r = link_or_copy(q->from_fd, want.name, q->to_fd, q->to_leaf, err);
    free(want.name);
    return r;
}

struct target {
    bool is_there;
    char *host_path;
};

static int take_target(void *arg, const struct wcow_index_row *row, struct wcow_error *err)
{
    struct target *t = arg;
    t->is_there = row->entry->type == WCOW_ENTRY_FILE || row->entry->type == WCOW_ENTRY_HARDLINK ||
                  row->entry->type == WCOW_ENTRY_REPARSE;
    t->host_path = strdup(row->host_path);
    return t->host_path ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a path");
}

static int link_from_parent(const struct wcow_link_request *q, int folder_fd, char *host_path,
                            struct wcow_error *err)
{
    char *slash = strrchr(host_path, '/');
    if (!slash)
        return WCOW_FAIL(err, WCOW_E_INVALID, "the target is a root of the layer");
    *slash = '\0';
    wcow_autoclose int dir = -1;
    int r = wcow_open_beneath(folder_fd, host_path, O_PATH | O_DIRECTORY, 0, &dir, err);
    return r < 0 ? r : link_or_copy(dir, slash + 1, q->to_fd, q->to_leaf, err);
}

int wcow_host_link(const struct wcow_link_request *q, struct wcow_error *err)
{
    int r = q->from_fd >= 0 ? link_here(q, err) : WCOW_E_NOT_FOUND;
    for (size_t i = 0; r == WCOW_E_NOT_FOUND && i < q->parents->n; i++) {
        struct target target = {0};
        int found = wcow_layer_index_row(q->parents->indexes[i], q->key, take_target, &target, err);
        if (found < 0)
            r = found;
        else if (found && target.is_there)
            r = link_from_parent(q, q->parents->fds[i], target.host_path, err);
        free(target.host_path);
        if (found && !target.is_there)
            break;
    }
    if (r == WCOW_E_NOT_FOUND)
        return WCOW_FAIL(err, WCOW_E_NOT_FOUND, "neither this layer nor a parent has the target");
    return r;
}

/* ---- reparse points as symbolic links ---- */

int wcow_host_link_target(const char *name, const char *target, char **ret, struct wcow_error *err)
{
    char *posix = NULL;
    int r = wcow_reparse_posix_target(name, target, &posix, err);
    if (r < 0)
        return r;
    /* An empty symbolic link cannot be made. */
    if (!posix)
        posix = strdup(*target ? target : ".");
    if (!posix)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a link");
    /* Nor can one be longer than a path, as Windows' may: the index has all of it. */
    if (strlen(posix) >= PATH_MAX)
        posix[PATH_MAX - 1] = '\0';
    *ret = posix;
    return WCOW_OK;
}

/* ---- removal ---- */

static int remove_child(void *arg, int dirfd, const char *name, struct wcow_error *err)
{
    (void)arg;
    return wcow_host_remove(dirfd, name, err);
}

int wcow_host_remove(int dirfd, const char *name, struct wcow_error *err)
{
    if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
        return WCOW_OK;
    if (errno != EISDIR && errno != EPERM)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "remove \"%s\"", name);
    int r = wcow_host_dir_each(dirfd, name, remove_child, NULL, err);
    if (r < 0)
        return r;
    if (unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "remove \"%s\"", name);
    return WCOW_OK;
}
