/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/wine_renamed.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/beneath.h"
#include "layer/names.h"

enum { COPY_BYTES = 8192 };

static int copy_bytes(int from, int to, const char *name, struct wcow_error *err)
{
    char data[COPY_BYTES];
    ssize_t n = 0;
    while ((n = read(from, data, sizeof(data))) > 0) {
        for (ssize_t at = 0; at < n;) {
            ssize_t done = write(to, data + at, (size_t)(n - at));
            if (done < 0)
                return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "copy %s", name);
            at += done;
        }
    }
    return n < 0 ? WCOW_FAIL_ERRNO(err, WCOW_E_IO, "read %s of a layer", name) : WCOW_OK;
}

/* The bytes of a file of the layers, with its time. */
static int copy_file(const struct wcow_wine_renamed *to, const struct wcow_entry *entry,
                     const char *leaf, struct wcow_error *err)
{
    const struct wcow_chain chain = wcow_layer_chain_names(to->below);
    wcow_autoentry found = {0};
    wcow_autofree char *key = NULL;
    wcow_autofree char *host = NULL;
    wcow_autoclose int in = -1;
    wcow_autoclose int out = -1;
    struct stat st;
    size_t layer = 0;
    int r = wcow_chain_lookup(&chain, entry->name, &found, &layer, err);
    if (r > 0)
        r = wcow_name_key(entry->name, &key, err);
    if (r == WCOW_OK && key)
        r = wcow_layer_index_host_path(to->below->indexes[layer], key, &host, err);
    if (r >= 0 && !host)
        return WCOW_FAIL(err, WCOW_E_UNSUPPORTED,
                         "%s was renamed with its directory, but its bytes "
                         "are in no file of the layer store",
                         entry->name);
    if (r > 0)
        r = wcow_open_beneath(to->below->fds[layer], host, O_RDONLY | O_NONBLOCK, 0, &in, err);
    if (r == WCOW_OK)
        r = wcow_open_beneath(to->fd, leaf, O_WRONLY | O_CREAT | O_EXCL, 0644, &out, err);
    if (r == WCOW_OK)
        r = copy_bytes(in, out, entry->name, err);
    if (r == WCOW_OK && fstat(in, &st) == 0) {
        const struct timespec times[2] = {st.st_atim, st.st_mtim};
        (void)futimens(out, times);
    }
    return r;
}

static int add_child(void *arg, const struct wcow_entry *child, struct wcow_error *err);

static int fill_dir(const struct wcow_wine_renamed *to, const struct wcow_entry *entry,
                    const char *leaf, struct wcow_error *err)
{
    wcow_autofree char *path = NULL;
    if (mkdirat(to->fd, leaf, 0755) < 0)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "make %s", leaf);
    wcow_autoclose int fd = openat(to->fd, leaf, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || asprintf(&path, "%s/%s", to->path, leaf) < 0)
        return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "open %s", leaf);
    const struct wcow_wine_renamed below = {
        .fd = fd, .path = path, .lower = entry->name, .below = to->below};
    return wcow_wine_fill_renamed(&below, err);
}

/* Opaque, or itself renamed to here. */
static bool hides_lower(int fd)
{
    return fgetxattr(fd, "trusted.overlay.opaque", NULL, 0) > 0 ||
           fgetxattr(fd, "trusted.overlay.redirect", NULL, 0) > 0;
}

/* What the command changed, removed or made under that name stands in the upper folder already; a
 * changed directory there shows its lower half by itself and is filled when it is come to. */
static int add_child(void *arg, const struct wcow_entry *child, struct wcow_error *err)
{
    const struct wcow_wine_renamed *to = arg;
    const char *slash = strrchr(child->name, '/');
    const char *leaf = slash ? slash + 1 : child->name;
    struct stat st;
    if (fstatat(to->fd, leaf, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        if (!S_ISDIR(st.st_mode) || child->type != WCOW_ENTRY_DIR)
            return WCOW_OK;
        wcow_autoclose int fd =
            openat(to->fd, leaf, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        const struct wcow_wine_renamed below = {
            .fd = fd, .path = to->path, .lower = child->name, .below = to->below};
        if (fd >= 0 && hides_lower(fd))
            return WCOW_OK;
        return fd < 0 ? WCOW_FAIL_ERRNO(err, WCOW_E_IO, "open %s", leaf)
                      : wcow_wine_fill_renamed(&below, err);
    }
    if (child->type == WCOW_ENTRY_DIR)
        return fill_dir(to, child, leaf, err);
    if (child->type == WCOW_ENTRY_FILE || child->type == WCOW_ENTRY_HARDLINK)
        return copy_file(to, child, leaf, err);
    return WCOW_FAIL(err, WCOW_E_UNSUPPORTED,
                     "the command renamed a directory that holds the link \"%s\": a rename cannot "
                     "take it along",
                     child->name);
}

/* As deep as the layers are. */
// NOLINTNEXTLINE(misc-no-recursion)
int wcow_wine_fill_renamed(const struct wcow_wine_renamed *renamed, struct wcow_error *err)
{
    const struct wcow_chain chain = wcow_layer_chain_names(renamed->below);
    struct wcow_wine_renamed arg = *renamed;
    return wcow_chain_children(&chain, renamed->lower, add_child, &arg, err);
}
