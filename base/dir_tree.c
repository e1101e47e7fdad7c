/* SPDX-License-Identifier: Apache-2.0 */
/* A walk that keeps one descriptor: it reads a whole directory, goes down by name and up by "..",
 * and checks that up leads to where it came from. What is measured may change meanwhile: where a
 * directory was moved or deleted under the walk, it goes back by the names it came by. */
#include "base/dir_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/beneath.h"
#include "base/bytes.h"

/* A directory on the way from the top to where the walk is. */
struct level {
    char *name;
    dev_t dev;
    ino_t ino;
    struct wcow_buf subdirs; /* names, each with its NUL */
    size_t next;             /* offset of the one to enter next */
    struct level *up;
    struct level *down; /* NULL where the walk is */
};

struct walk {
    int parent_fd; /* where the walk begins; borrowed */
    struct level *first;
    struct level *top; /* of the stack: where the walk is */
    int fd;            /* of that directory */
    dev_t dev;
    bool deletes;
    const atomic_bool *stop;
    struct wcow_dir_tree_size size;
};

static void pop(struct walk *w)
{
    struct level *level = w->top;
    w->top = level->up;
    *(w->top ? &w->top->down : &w->first) = NULL;
    wcow_buf_done(&level->subdirs);
    free(level->name);
    free(level);
}

static void walk_done(struct walk *w)
{
    while (w->top)
        pop(w);
    wcow_closep_(&w->fd);
}

static int fail(const char *what, const char *name, struct wcow_error *err)
{
    return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "cannot %s \"%.200s\"", what, name);
}

static int visit_file(struct walk *w, const char *name, const struct stat *st,
                      struct wcow_error *err)
{
    w->size.size_bytes += (uint64_t)st->st_size;
    if (w->deletes && unlinkat(w->fd, name, 0) < 0 && errno != ENOENT)
        return fail("delete", name, err);
    return WCOW_OK;
}

static int visit(struct walk *w, const char *name, struct wcow_error *err)
{
    struct stat st;
    if (fstatat(w->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? WCOW_OK : fail("look at", name, err);
    w->size.n_entries++;
    if (!S_ISDIR(st.st_mode))
        return visit_file(w, name, &st, err);
    if (st.st_dev == w->dev)
        return wcow_buf_add(&w->top->subdirs, name, strlen(name) + 1, err);
    if (!w->deletes)
        return WCOW_OK;
    return WCOW_FAIL(err, WCOW_E_PRECONDITION,
                     "\"%.200s\" is a mount point: unmount it, then it is deleted", name);
}

static void closedir_p(DIR **dir)
{
    if (*dir)
        (void)closedir(*dir);
}

/* A deleted directory reads as one that isn't there. */
static bool vanished(const struct walk *w, int sys_errno)
{
    return sys_errno == ENOENT && !w->deletes;
}

/* Everything in the directory that the walk has just entered. */
static int read_level(struct walk *w, struct wcow_error *err)
{
    int fd = openat(w->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return vanished(w, errno) ? WCOW_OK : fail("open", w->top->name, err);
    WCOW_CLEANUP(closedir_p) DIR *dir = fdopendir(fd);
    if (!dir) {
        (void)close(fd);
        return fail("read", w->top->name, err);
    }
    for (;;) {
        if (w->stop && atomic_load(w->stop))
            return WCOW_FAIL(err, WCOW_E_CANCELLED, "stopped");
        errno = 0;
        /* Each DIR is used by this thread alone. */
        const struct dirent *entry = readdir(dir); /* NOLINT(concurrency-mt-unsafe) */
        if (!entry)
            return errno && !vanished(w, errno) ? fail("read", w->top->name, err) : WCOW_OK;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        int r = visit(w, entry->d_name, err);
        if (r < 0)
            return r;
    }
}

/* Go into @p name of the directory @p fd. */
static int enter(struct walk *w, int fd, const char *name, struct wcow_error *err)
{
    int below = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (below < 0)
        return fail("open", name, err);
    wcow_closep_(&w->fd);
    w->fd = below;
    struct stat st;
    if (fstat(below, &st) < 0)
        return fail("look at", name, err);
    struct level *level = calloc(1, sizeof(*level));
    if (!level)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a walk");
    level->up = w->top;
    level->dev = st.st_dev;
    level->ino = st.st_ino;
    *(w->top ? &w->top->down : &w->first) = level;
    w->top = level;
    level->name = strdup(name);
    if (!level->name)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a walk");
    return read_level(w, err);
}

/* Whether the open directory is the one that the walk came through. */
static bool is_level(int fd, const struct level *level)
{
    struct stat st;
    return fstat(fd, &st) == 0 && st.st_dev == level->dev && st.st_ino == level->ino;
}

/* From the beginning to the directory above, or as far as the names still lead: what stood below
 * that is left out. */
static int go_back_by_name(struct walk *w, struct wcow_error *err)
{
    const struct level *reached = NULL;
    for (const struct level *next = w->first; next != w->top; next = next->down) {
        wcow_autoclose int fd = openat(reached ? w->fd : w->parent_fd, next->name,
                                       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 && errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
            return fail("open", next->name, err);
        if (fd < 0 || !is_level(fd, next))
            break;
        wcow_closep_(&w->fd);
        w->fd = WCOW_TAKE_FD(fd);
        reached = next;
    }
    if (!reached)
        return WCOW_FAIL(err, WCOW_E_NOT_FOUND, "\"%.200s\" was moved or deleted meanwhile",
                         w->first->name);
    while (w->top && w->top != reached)
        pop(w);
    return WCOW_OK;
}

/* Back to the directory above, where the emptied one is deleted. */
static int leave(struct walk *w, struct wcow_error *err)
{
    wcow_autoclose int above = openat(w->fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (above < 0 && !vanished(w, errno))
        return fail("go back from", w->top->name, err);
    if (above < 0 || !is_level(above, w->top->up)) {
        if (!w->deletes)
            return go_back_by_name(w, err);
        return WCOW_FAIL(err, WCOW_E_PRECONDITION,
                         "\"%.200s\" was moved away while its folder was deleted", w->top->name);
    }
    wcow_closep_(&w->fd);
    w->fd = WCOW_TAKE_FD(above);
    if (w->deletes && unlinkat(w->fd, w->top->name, AT_REMOVEDIR) < 0 && errno != ENOENT)
        return fail("delete", w->top->name, err);
    pop(w);
    return WCOW_OK;
}

static int walk(struct walk *w, const char *name, struct wcow_error *err)
{
    struct stat st;
    if (fstatat(w->parent_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return fail("look at", name, err);
    w->dev = st.st_dev;
    int r = enter(w, w->parent_fd, name, err);
    while (r == WCOW_OK) {
        struct level *level = w->top;
        if (level->next < level->subdirs.len) {
            const char *below = (const char *)level->subdirs.data + level->next;
            level->next += strlen(below) + 1;
            r = enter(w, w->fd, below, err);
            if (r == WCOW_E_NOT_FOUND && w->top == level) /* it vanished */
                r = WCOW_OK;
        } else if (!level->up) {
            return WCOW_OK;
        } else {
            r = leave(w, err);
        }
    }
    return r;
}

int wcow_dir_tree_measure(int parent_fd, const char *name, struct wcow_dir_tree_size *ret,
                          struct wcow_error *err)
{
    WCOW_CLEANUP(walk_done) struct walk w = {.parent_fd = parent_fd, .fd = -1};
    int r = walk(&w, name, err);
    if (r == WCOW_OK)
        *ret = w.size;
    return r;
}

int wcow_dir_tree_delete(int parent_fd, const char *name, const atomic_bool *stop,
                         struct wcow_error *err)
{
    if (unlinkat(parent_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
        return WCOW_OK;
    if (errno == ENOTDIR)
        return unlinkat(parent_fd, name, 0) == 0 ? WCOW_OK : fail("delete", name, err);
    WCOW_CLEANUP(walk_done)
    struct walk w = {.parent_fd = parent_fd, .fd = -1, .deletes = true, .stop = stop};
    int r = walk(&w, name, err);
    if (r < 0)
        return r;
    if (unlinkat(parent_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
        return fail("delete", name, err);
    return WCOW_OK;
}
