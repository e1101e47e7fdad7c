/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/tar_archive.h"

#include <fcntl.h>
#include <string.h>

#include "base/beneath.h"
#include "builder/archive.h"
#include "layer/rules.h"

struct unpacking {
    struct wcow_tree *tree;
    const char *dest;               /* "Files/app" */
    struct wcow_str_list whiteouts; /* below it, "sub/.wh.gone" */
};

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Whiteouts wait until all is there that the archive itself has. */
static int wants(void *ctx, const char *path, bool *ret, struct wcow_error *err)
{
    struct unpacking *u = ctx;
    *ret = strncmp(base_name(path), WCOW_WHITEOUT_PREFIX, strlen(WCOW_WHITEOUT_PREFIX)) != 0;
    return *ret ? WCOW_OK : wcow_str_list_add(&u->whiteouts, path, err);
}

static int hide(const struct unpacking *u, const char *path, struct wcow_error *err)
{
    wcow_autobuf dir = {0};
    const char *base = base_name(path);
    int dir_len = (int)(base - path);
    int r = wcow_buf_addf(&dir, err, "%s/%.*s", u->dest, dir_len, path);
    if (r < 0)
        return r;
    if (strcmp(base, WCOW_OPAQUE_NAME) == 0)
        r = wcow_tree_hide_all(u->tree, (const char *)dir.data, err);
    else
        r = wcow_tree_hide(u->tree, (const char *)dir.data, base + strlen(WCOW_WHITEOUT_PREFIX),
                           err);
    if (r == WCOW_E_PRECONDITION)
        return wcow_error_wrap(r, err, "\"%s\" (say with --parent what it is on)", path);
    return r < 0 ? wcow_error_wrap(r, err, "\"%s\"", path) : r;
}

static int hide_all(const struct unpacking *u, bool is_base, struct wcow_error *err)
{
    if (is_base && u->whiteouts.count)
        return WCOW_FAIL(err, WCOW_E_PRECONDITION,
                         "\"%s\": a base layer has nothing below it that could be deleted",
                         u->whiteouts.items[0]);
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < u->whiteouts.count; i++)
        r = hide(u, u->whiteouts.items[i], err);
    return r;
}

int wcow_tar_archive(const char *file, const struct wcow_copying *copying, bool is_base,
                     bool *ret_unpacked, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_copy_dest_done) struct wcow_copy_dest dest = {0};
    wcow_autoclose int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "open \"%s\"", file);
    int r = wcow_copy_dest_of(copying, &dest, err);
    if (r < 0)
        return r;
    struct unpacking u = {.tree = copying->tree, .dest = dest.path};
    const struct wcow_archive_unpack unpack = {
        .tree = copying->tree, .dest = dest.path, .now = copying->now, .wants = wants, .ctx = &u};
    r = wcow_archive_unpack_fd(fd, file, NULL, &unpack, ret_unpacked, err);
    if (r == WCOW_OK && *ret_unpacked)
        r = hide_all(&u, is_base, err);
    wcow_str_list_done(&u.whiteouts);
    return r;
}
