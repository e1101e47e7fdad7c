/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/wine_leftovers.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/bytes.h"
#include "differ/scan_dir.h"

enum { MAX_DEPTH = 256, COMPARE_BYTES = 4096 };

struct filter {
    const struct wcow_wine_leftovers *o;
    struct wcow_chain chain;
    int template_fd;
    unsigned depth;
};

/* A directory of the upper folder. */
struct spot {
    int fd;
    const char *path; /* "Files/app" */
    bool is_renamed;  /* it or one above it: what it hides is the old name's */
};

static int join(const char *dir, const char *leaf, char **ret, struct wcow_error *err)
{
    if (asprintf(ret, "%s/%s", dir, leaf) < 0) {
        *ret = NULL;
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a path");
    }
    return WCOW_OK;
}

static const char *in_drive(const char *path)
{
    return path + strlen("Files") + (path[strlen("Files")] == '/');
}

static bool has_note(int fd, const char *xattr)
{
    return fgetxattr(fd, xattr, NULL, 0) > 0;
}

/* ---- Wine's own ---- */

/* Whether two files have the same bytes: 1 or 0. */
static int same_bytes(int a, int b, struct wcow_error *err)
{
    char left[COMPARE_BYTES];
    char right[COMPARE_BYTES];
    for (off_t at = 0;;) {
        ssize_t n = pread(a, left, sizeof(left), at);
        ssize_t m = pread(b, right, sizeof(right), at);
        if (n < 0 || m < 0)
            return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "compare a file with Wine's");
        if (n != m || memcmp(left, right, (size_t)n) != 0)
            return 0;
        if (n == 0)
            return 1;
        at += n;
    }
}

/* A file of Wine's that was touched, not changed, is no part of the layer. */
static int drop_if_wines(const struct filter *f, const struct spot *at, const char *leaf,
                         const char *path, struct wcow_error *err)
{
    wcow_autoclose int theirs = -1;
    wcow_autoclose int ours = -1;
    int r =
        wcow_open_beneath(f->template_fd, in_drive(path), O_RDONLY | O_NONBLOCK, 0, &theirs, NULL);
    if (r < 0)
        return WCOW_OK;
    r = wcow_open_beneath(at->fd, leaf, O_RDONLY | O_NONBLOCK, 0, &ours, err);
    if (r == WCOW_OK)
        r = same_bytes(ours, theirs, err);
    if (r > 0 && unlinkat(at->fd, leaf, 0) < 0)
        return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "drop Wine's %s", path);
    return r < 0 ? r : WCOW_OK;
}

static bool is_in_template(const struct filter *f, const char *path)
{
    struct stat st;
    return fstatat(f->template_fd, in_drive(path), &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* ---- one name ---- */

static int filter_dir(struct filter *f, const struct spot *at, struct wcow_error *err);

/* A directory that says nothing: the image's, with nothing changed below it; or Wine's. */
static int drop_if_empty(const struct filter *f, const struct spot *up, const char *leaf,
                         const struct spot *at, bool is_opaque, struct wcow_error *err)
{
    wcow_autoentry base = {0};
    int in_image = wcow_chain_lookup(&f->chain, at->path, &base, NULL, err);
    if (in_image < 0)
        return in_image;
    bool says_nothing =
        in_image ? base.type == WCOW_ENTRY_DIR && !is_opaque : is_in_template(f, at->path);
    if (says_nothing && unlinkat(up->fd, leaf, AT_REMOVEDIR) < 0 && errno != ENOTEMPTY)
        return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "drop the directory %s", at->path);
    return WCOW_OK;
}

/* A renamed directory is left as overlayfs notes it: the differ follows it. */
static int visit_dir(struct filter *f, const struct spot *up, const char *leaf, const char *path,
                     struct wcow_error *err)
{
    wcow_autoclose int fd = openat(up->fd, leaf, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "open %s", path);
    bool is_opaque = has_note(fd, "trusted.overlay.opaque");
    bool is_renamed = has_note(fd, "trusted.overlay.redirect");
    const struct spot at = {.fd = fd, .path = path, .is_renamed = up->is_renamed || is_renamed};
    int r = filter_dir(f, &at, err);
    return r < 0 || is_renamed ? r : drop_if_empty(f, up, leaf, &at, is_opaque, err);
}

static int refuse_kind(const char *path, const char *what, struct wcow_error *err)
{
    return WCOW_FAIL(
        err, WCOW_E_UNSUPPORTED,
        "the command left \"C:/%s\", %s, which no Windows layer can hold; remove it in "
        "the same RUN",
        in_drive(path), what);
}

/* A link that the image has may stay as it is; a new one is a Unix link, not a Windows one. */
static int visit_link(const struct filter *f, const char *path, struct wcow_error *err)
{
    wcow_autoentry base = {0};
    int r = wcow_chain_lookup(&f->chain, path, &base, NULL, err);
    if (r < 0)
        return r;
    return r > 0 && base.type == WCOW_ENTRY_REPARSE ? WCOW_OK
                                                    : refuse_kind(path, "a symbolic link", err);
}

/* One of what only Wine or the command itself had says nothing. */
static int visit_whiteout(const struct filter *f, const struct spot *at, const char *leaf,
                          const char *path, struct wcow_error *err)
{
    wcow_autoentry base = {0};
    if (strcasecmp(path, "Files/Windows") == 0 || strcasecmp(path, "Files/Windows/System32") == 0)
        return WCOW_FAIL(err, WCOW_E_UNSUPPORTED,
                         "the command deleted C:/%s: no container would start from such an image",
                         in_drive(path));
    if (at->is_renamed)
        return WCOW_OK;
    int r = wcow_chain_lookup(&f->chain, path, &base, NULL, err);
    if (r == 0 && unlinkat(at->fd, leaf, 0) < 0)
        return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "drop the whiteout of %s", path);
    return r < 0 ? r : WCOW_OK;
}

static int visit(struct filter *f, const struct spot *at, const char *leaf, struct wcow_error *err)
{
    wcow_autofree char *path = NULL;
    struct stat st;
    int r = join(at->path, leaf, &path, err);
    if (r < 0)
        return r;
    if (fstatat(at->fd, leaf, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "look at %s", path);
    if (S_ISDIR(st.st_mode))
        return visit_dir(f, at, leaf, path, err);
    if (S_ISREG(st.st_mode))
        return drop_if_wines(f, at, leaf, path, err);
    if (S_ISLNK(st.st_mode))
        return visit_link(f, path, err);
    if (S_ISCHR(st.st_mode) && st.st_rdev == makedev(0, 0))
        return visit_whiteout(f, at, leaf, path, err);
    return refuse_kind(path, "a pipe, socket or device", err);
}

/* Depth is bounded by MAX_DEPTH. */
// NOLINTNEXTLINE(misc-no-recursion)
static int filter_dir(struct filter *f, const struct spot *at, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_dir_names_done) struct wcow_dir_names names = {0};
    if (f->depth >= MAX_DEPTH)
        return WCOW_FAIL(err, WCOW_E_LIMIT, "\"%s\" lies deeper than %d directories", at->path,
                         MAX_DEPTH);
    f->depth++;
    int r = wcow_dir_names_read(at->fd, at->path, &names, err);
    for (size_t i = 0; r == WCOW_OK && i < names.n; i++)
        r = visit(f, at, names.items[i].name, err);
    f->depth--;
    return r;
}

/* ---- places made for the command ---- */

static void remove_if_empty(int fd, char *path)
{
    wcow_autoclose int file = -1;
    struct stat st;
    if (wcow_open_beneath(fd, path, O_RDONLY | O_NONBLOCK, 0, &file, NULL) == WCOW_OK &&
        fstat(file, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == 0)
        (void)unlinkat(fd, path, 0);
}

/* Upwards, as long as it is empty and no layer has it. */
static int remove_place(const struct filter *f, const char *place, struct wcow_error *err)
{
    wcow_autofree char *path = strdup(place);
    if (!path)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a path");
    wcow_autoentry entry = {0};
    int r = wcow_chain_lookup(&f->chain, path, &entry, NULL, err);
    if (r != 0)
        return r < 0 ? r : WCOW_OK;
    remove_if_empty(f->o->fd, path);
    for (;;) {
        wcow_autoclose int parent = -1;
        char *slash = strrchr(path, '/');
        wcow_autoentry known = {0};
        if (!slash)
            return WCOW_OK;
        r = wcow_chain_lookup(&f->chain, path, &known, NULL, err);
        if (r != 0)
            return r < 0 ? r : WCOW_OK;
        *slash = '\0';
        r = wcow_open_beneath(f->o->fd, path, O_RDONLY | O_DIRECTORY, 0, &parent, NULL);
        if (r < 0 || (unlinkat(parent, slash + 1, AT_REMOVEDIR) < 0 && errno != ENOENT))
            return WCOW_OK;
    }
}

int wcow_wine_make_place(const struct wcow_chain *chain, int fd, const char *path, bool is_dir,
                         char **ret, struct wcow_error *err)
{
    wcow_autofree char *cased = NULL;
    int r = wcow_chain_casing(chain, path, &cased, NULL, err);
    if (r < 0)
        return r;
    wcow_autoclose int dir = dup(fd);
    char *p = cased;
    for (;;) {
        size_t len = strcspn(p, "/");
        bool is_last = p[len] == '\0';
        wcow_autofree char *leaf = strndup(p, len);
        if (dir < 0 || !leaf)
            return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a path");
        if (is_last && !is_dir) {
            wcow_autoclose int file =
                openat(dir, leaf, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
            if (file < 0)
                return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "make %s", cased);
        } else if (mkdirat(dir, leaf, 0755) < 0 && errno != EEXIST) {
            return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "make %s", cased);
        }
        if (is_last)
            break;
        int next = openat(dir, leaf, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (next < 0)
            return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "open %s", cased);
        (void)close(dir);
        dir = next;
        p += len + 1;
    }
    *ret = WCOW_TAKE_PTR(cased);
    return WCOW_OK;
}

int wcow_wine_filter(const struct wcow_wine_leftovers *leftovers, struct wcow_error *err)
{
    struct filter f = {.o = leftovers, .chain = wcow_layer_chain_names(leftovers->below)};
    wcow_autoclose int template_fd =
        open(leftovers->template_folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    wcow_autoclose int files =
        openat(leftovers->fd, "Files", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (template_fd < 0 || files < 0)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "open what a command left");
    f.template_fd = template_fd;
    const struct spot top = {.fd = files, .path = "Files"};
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && leftovers->places && i < leftovers->places->count; i++)
        r = remove_place(&f, leftovers->places->items[i], err);
    return r < 0 ? r : filter_dir(&f, &top, err);
}
