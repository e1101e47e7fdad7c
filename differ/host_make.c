/* SPDX-License-Identifier: Apache-2.0 */
/* The objects of a layer on the host. Directories, hard links and small files are jobs: where many
 * of them stand in a row, as behind the data of Windows' base layers, they are made while the tar
 * is read on. All else waits for them. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/fd.h"
#include "differ/host_link.h"
#include "differ/host_tree_internal.h"
#include "layer/names.h"

enum { DIR_MODE = 0755, FILE_MODE = 0644 };

/* What an error of it says, and where it goes. */
struct object {
    struct wcow_host_dir *dir;
    const char *leaf;
    const char *name; /* the entry's */
};

static int made_twice(const char *name, struct wcow_error *err)
{
    return WCOW_FAIL(err, WCOW_E_INVALID,
                     "\"%s\" stands in the layer twice (letter case does not count on Windows)",
                     name);
}

static int make_failed(const char *name, struct wcow_error *err)
{
    if (errno == EEXIST)
        return made_twice(name, err);
    return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "write \"%s\"", name);
}

/* ---- directories ---- */

static int make_dir(struct wcow_host_tree *t, const struct wcow_host_dir *d, struct wcow_error *err)
{
    const char *leaf = wcow_host_base_name(d->host_path);
    struct stat st;
    int up = -1;
    int r = wcow_host_dir_fd(t, d->parent, &up, err);
    if (r < 0)
        return r;
    if (mkdirat(up, leaf, DIR_MODE) == 0)
        return WCOW_OK;
    if (errno == EEXIST && fstatat(up, leaf, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
        return WCOW_OK;
    return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "make the directory \"%s\"",
                           d->host_path);
}

/* ---- files ---- */

static int make_file(struct wcow_host_tree *t, const struct object *o, int *ret_fd,
                     struct wcow_error *err)
{
    int dirfd = -1;
    int r = wcow_host_dir_fd(t, o->dir, &dirfd, err);
    if (r < 0)
        return r;
    *ret_fd =
        openat(dirfd, o->leaf, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
    return *ret_fd < 0 ? make_failed(o->name, err) : WCOW_OK;
}

static int make_small(struct wcow_host_tree *t, const struct object *o, struct wcow_bytes data,
                      struct wcow_error *err)
{
    wcow_autoclose int fd = -1;
    int r = make_file(t, o, &fd, err);
    if (r == WCOW_OK)
        r = wcow_fd_write(fd, data.data, data.len, o->name, err);
    if (r == WCOW_OK && close(WCOW_TAKE_FD(fd)) < 0 && errno != EINTR)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "write \"%s\"", o->name);
    return r;
}

/* ---- hard links ---- */

/* The layer deletes the name, and links to the file that a parent has there. */
static bool is_whiteout(const struct wcow_host_tree *t, int dirfd, const char *leaf)
{
    struct stat st;
    return t->has_whiteouts && fstatat(dirfd, leaf, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISCHR(st.st_mode);
}

struct target {
    struct wcow_host_dir *dir; /* in this layer, or NULL: not there */
    const char *leaf;          /* its name there, as far as known */
    const char *key;
    const char *name;
};

static int make_hard_link(struct wcow_host_tree *t, const struct object *o,
                          const struct target *target, struct wcow_error *err)
{
    int from = -1;
    int to = -1;
    int r = target->dir ? wcow_host_dir_fd(t, target->dir, &from, err) : WCOW_OK;
    if (r == WCOW_OK && target->dir && is_whiteout(t, from, target->leaf))
        from = -1;
    /* Opening this one closes the other least of all. */
    if (r == WCOW_OK)
        r = wcow_host_dir_fd(t, o->dir, &to, err);
    if (r < 0)
        return r;
    struct wcow_link_request request = {.from_fd = from,
                                        .from_leaf = target->leaf,
                                        .to_fd = to,
                                        .to_leaf = o->leaf,
                                        .key = target->key,
                                        .parents = t->parents};
    r = wcow_host_link(&request, err);
    if (r == WCOW_E_EXISTS)
        return made_twice(o->name, err);
    /* The check knows of the target, so a parent's folder has lost it. */
    if (r == WCOW_E_NOT_FOUND)
        return WCOW_FAIL(
            err, WCOW_E_DATA_LOSS,
            "hard link \"%.200s\": a parent's folder has lost \"%.200s\"; remove its snapshot "
            "and unpack the image again",
            o->name, target->name);
    return r < 0 ? wcow_error_wrap(r, err, "hard link \"%s\" to \"%s\"", o->name, target->name) : r;
}

/* ---- jobs ---- */

struct job {
    enum { JOB_DIR, JOB_LINK, JOB_SMALL } what;
    struct wcow_host_dir *made; /* JOB_DIR */
    struct object object;
    struct target target;
    struct wcow_bytes data;
    uint8_t bytes[]; /* that the above point to */
};

static int run_job(void *ctx, void *job, struct wcow_error *err)
{
    const struct job *j = job;
    switch (j->what) {
    case JOB_DIR:
        return make_dir(ctx, j->made, err);
    case JOB_LINK:
        return make_hard_link(ctx, &j->object, &j->target, err);
    case JOB_SMALL:
    default:
        return make_small(ctx, &j->object, j->data, err);
    }
}

static void call_help(void *ctx)
{
    const struct wcow_host_tree *t = ctx;
    if (t->call)
        t->call(t->call_ctx);
}

int wcow_host_make_new(struct wcow_host_tree *t, struct wcow_error *err)
{
    static const struct wcow_job_ops ops = {.run = run_job, .free = free, .call = call_help};
    return wcow_jobs_new(&ops, t, &t->jobs, err);
}

bool wcow_host_tree_help(struct wcow_host_tree *tree)
{
    return wcow_jobs_help(tree->jobs);
}

void wcow_host_tree_on_many(struct wcow_host_tree *tree, void (*call)(void *ctx), void *ctx)
{
    tree->call = call;
    tree->call_ctx = ctx;
}

int wcow_host_tree_settle(struct wcow_host_tree *tree, struct wcow_error *err)
{
    return wcow_jobs_settle(tree->jobs, err);
}

/* A copy at @p *at, which moves behind it. */
static const void *keep(uint8_t **at, const void *data, size_t len)
{
    void *copy = *at;
    if (len)
        memcpy(copy, data, len);
    *at += len;
    return copy;
}

static const char *keep_text(uint8_t **at, const char *text)
{
    return keep(at, text, strlen(text) + 1);
}

static int add_job(struct wcow_host_tree *t, const struct job *from, struct wcow_error *err)
{
    const struct object *o = &from->object;
    const struct target *target = &from->target;
    size_t len = from->data.len;
    const char *const texts[] = {o->leaf, o->name, target->leaf, target->key, target->name};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        len += texts[i] ? strlen(texts[i]) + 1 : 0;
    struct job *j = malloc(sizeof(*j) + len);
    if (!j)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for unpacking");
    *j = *from;
    uint8_t *at = j->bytes;
    j->data.data = keep(&at, from->data.data, from->data.len);
    const char **const kept[] = {&j->object.leaf, &j->object.name, &j->target.leaf, &j->target.key,
                                 &j->target.name};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (texts[i])
            *kept[i] = keep_text(&at, texts[i]);
    return wcow_jobs_add(t->jobs, j, sizeof(*j) + len, err);
}

int wcow_host_make_dir(struct wcow_host_tree *t, struct wcow_host_dir *d, struct wcow_error *err)
{
    struct job job = {.what = JOB_DIR, .made = d};
    return add_job(t, &job, err);
}

int wcow_host_tree_make_small(struct wcow_host_tree *tree, const struct wcow_entry *entry,
                              const struct wcow_host_place *place, struct wcow_bytes data,
                              struct wcow_error *err)
{
    struct job job = {
        .what = JOB_SMALL,
        .object = {.dir = place->dir, .leaf = place->leaf, .name = entry->name},
        .data = data,
    };
    return add_job(tree, &job, err);
}

static int link_to(struct wcow_host_tree *t, const struct wcow_entry *entry,
                   const struct object *object, struct wcow_error *err)
{
    wcow_autofree char *key = NULL;
    wcow_autofree char *leaf = NULL;
    int r = wcow_name_key(entry->link, &key, err);
    if (r < 0)
        return r;
    struct job job = {.what = JOB_LINK,
                      .object = *object,
                      .target = {.dir = wcow_host_dir_of(t, key), .key = key, .name = entry->link}};
    if (job.target.dir) {
        r = wcow_host_spelled_leaf(t, key, wcow_host_base_name(entry->link), &leaf, err);
        job.target.leaf = leaf;
    }
    /* The parents' indexes are for one thread at a time, and that is this one. */
    if (r == WCOW_OK && t->parents->n == 0 && !t->has_whiteouts)
        return add_job(t, &job, err);
    if (r == WCOW_OK)
        r = wcow_host_tree_settle(t, err);
    return r < 0 ? r : make_hard_link(t, object, &job.target, err);
}

/* ---- what is made at once ---- */

static int make_whiteout(struct wcow_host_tree *t, const struct object *o, struct wcow_error *err)
{
    int dirfd = -1;
    int r = wcow_host_dir_fd(t, o->dir, &dirfd, err);
    if (r < 0)
        return r;
    if (mknodat(dirfd, o->leaf, S_IFCHR, makedev(0, 0)) < 0)
        return errno == EPERM ? WCOW_OK : make_failed(o->name, err);
    t->has_whiteouts = true;
    return WCOW_OK;
}

static int mark_opaque(struct wcow_host_tree *t, const struct object *o, struct wcow_error *err)
{
    int dirfd = -1;
    if (o->dir)
        o->dir->is_opaque = true;
    int r = wcow_host_dir_fd(t, o->dir, &dirfd, err);
    if (r < 0)
        return r;
    /* Only root may, and not every file system can: the index has the marker in any case. */
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", dirfd);
    (void)setxattr(path, "trusted.overlay.opaque", "y", 1, 0);
    return WCOW_OK;
}

static int make_reparse(struct wcow_host_tree *t, const struct object *o, const char *link,
                        struct wcow_error *err)
{
    wcow_autofree char *target = NULL;
    int dirfd = -1;
    int r = wcow_host_link_target(o->name, link, &target, err);
    if (r == WCOW_OK)
        r = wcow_host_dir_fd(t, o->dir, &dirfd, err);
    if (r < 0)
        return r;
    return symlinkat(target, dirfd, o->leaf) == 0 ? WCOW_OK : make_failed(o->name, err);
}

static int make_now(struct wcow_host_tree *t, const struct wcow_entry *entry,
                    const struct object *o, int *ret_fd, struct wcow_error *err)
{
    int r = wcow_host_tree_settle(t, err);
    if (r < 0)
        return r;
    switch (entry->type) {
    case WCOW_ENTRY_FILE:
        return make_file(t, o, ret_fd, err);
    case WCOW_ENTRY_REPARSE:
        return make_reparse(t, o, entry->link, err);
    case WCOW_ENTRY_WHITEOUT:
        return make_whiteout(t, o, err);
    case WCOW_ENTRY_OPAQUE:
        return mark_opaque(t, o, err);
    case WCOW_ENTRY_DIR:
    case WCOW_ENTRY_HARDLINK:
    case WCOW_ENTRY_STREAM:
    default:
        return WCOW_OK;
    }
}

int wcow_host_tree_make(struct wcow_host_tree *tree, const struct wcow_entry *entry,
                        const struct wcow_host_place *place, int *ret_fd, struct wcow_error *err)
{
    const struct object object = {.dir = place->dir, .leaf = place->leaf, .name = entry->name};
    *ret_fd = -1;
    if (entry->type == WCOW_ENTRY_HARDLINK)
        return link_to(tree, entry, &object, err);
    if (entry->type != WCOW_ENTRY_DIR)
        return make_now(tree, entry, &object, ret_fd, err);
    struct wcow_host_dir *d = wcow_host_dir_find(tree, place->key, strlen(place->key));
    if (!d)
        return wcow_host_dir_add(tree, place->dir, place->key, place->host_path, &d, err);
    free(d->name); /* what is in it stood before it */
    d->name = NULL;
    return WCOW_OK;
}
