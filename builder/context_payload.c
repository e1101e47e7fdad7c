/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of context files: read when the layer is written, checked to be still the file that was
 * listed, and their digest remembered by what stat says. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/beneath.h"
#include "base/paged.h"
#include "builder/context_walk.h"
#include "store/cache.h"

enum {
    READ_BYTES = 512 << 10,
    SETTLED_NS = 1000000000, /* a file changed later than this before now may change unseen */
};

/* A directory that files were taken from. */
struct wcow_context_dir {
    struct wcow_context *context;
    struct wcow_paged *room; /* that it is in, with its files */
    char path[];             /* from the context's root, with a '/' at its end; "" for the root */
};

/* There are as many as files in a context: only what is theirs alone. */
struct file {
    const struct wcow_context_dir *dir;
    struct wcow_file_stamp stamp;
    char name[];
};

static int64_t ns_of(const struct timespec *ts)
{
    return (int64_t)ts->tv_sec * 1000000000 + ts->tv_nsec;
}

static struct wcow_file_stamp stamp_of(const struct stat *st)
{
    return (struct wcow_file_stamp){.dev = st->st_dev,
                                    .ino = st->st_ino,
                                    .size_bytes = (uint64_t)st->st_size,
                                    .mtime_ns = ns_of(&st->st_mtim),
                                    .ctime_ns = ns_of(&st->st_ctim)};
}

/* The tree that a file came into is not the one that is walked where a later step copies from it.
 */
static const struct file *look_at(const void *ctx)
{
    const struct file *f = ctx;
    wcow_paged_look(f->dir->room);
    return f;
}

static int path_of(const struct file *f, char **ret, struct wcow_error *err)
{
    if (asprintf(ret, "%s%s", f->dir->path, f->name) >= 0)
        return WCOW_OK;
    *ret = NULL;
    return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a path");
}

static int check_same(const struct file *f, int fd, const char *path, struct wcow_error *err)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "stat \"%s\"", path);
    struct wcow_file_stamp now = stamp_of(&st);
    if (S_ISREG(st.st_mode) && now.dev == f->stamp.dev && now.ino == f->stamp.ino &&
        now.size_bytes == f->stamp.size_bytes && now.mtime_ns == f->stamp.mtime_ns)
        return WCOW_OK;
    return WCOW_FAIL(err, WCOW_E_PRECONDITION,
                     "\"%s\" changed while it was being read; build again once it is at rest",
                     path);
}

/* What is being read. */
struct reading {
    const struct file *file;
    const char *path;
    int fd;
};

static int send_fd(const struct reading *r, uint8_t *buffer, const struct wcow_sink *sink,
                   struct wcow_error *err)
{
    const atomic_bool *cancel = r->file->dir->context->cancel;
    for (;;) {
        if (cancel && atomic_load(cancel))
            return WCOW_FAIL(err, WCOW_E_CANCELLED, "cancelled");
        ssize_t n = read(r->fd, buffer, READ_BYTES);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "read \"%s\"", r->path);
        if (n == 0)
            return check_same(r->file, r->fd, r->path, err);
        int sent = wcow_sink_write(sink, buffer, (size_t)n, err);
        if (sent < 0)
            return sent;
    }
}

static int send_file(void *ctx, const struct wcow_sink *sink, struct wcow_error *err)
{
    const struct file *f = look_at(ctx);
    struct wcow_context *c = f->dir->context;
    wcow_autofree char *path = NULL;
    wcow_autoclose int fd = -1;
    int r = path_of(f, &path, err);
    /* O_NONBLOCK: a FIFO put in its place must not hang the build. */
    if (r == WCOW_OK)
        r = wcow_open_beneath(c->fd, path, O_RDONLY | O_NONBLOCK, 0, &fd, err);
    if (r == WCOW_OK)
        r = check_same(f, fd, path, err);
    if (r < 0)
        return r;
    /* One buffer serves thousands of files, one after the other. */
    uint8_t *buffer = atomic_exchange(&c->spare, NULL);
    if (!buffer)
        buffer = malloc(READ_BYTES);
    if (!buffer)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory to read \"%s\"", path);
    const struct reading reading = {.file = f, .path = path, .fd = fd};
    r = send_fd(&reading, buffer, sink, err);
    free(atomic_exchange(&c->spare, buffer));
    return r;
}

/* ---- digests ---- */

static int know_file(void *ctx, struct wcow_digest *ret, struct wcow_error *err)
{
    const struct file *f = look_at(ctx);
    struct wcow_build_cache *cache = f->dir->context->cache;
    return cache ? wcow_build_cache_file(cache, &f->stamp, ret, err) : 0;
}

/* One that changed just now: for this build alone. Where the cache does not take it, the file is
 * read once more by whoever asks again. */
static void learn_file(void *ctx, const struct wcow_digest *digest)
{
    const struct file *f = ctx;
    struct wcow_build_cache *cache = f->dir->context->cache;
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (!cache)
        return;
    if (f->stamp.ctime_ns < ns_of(&now) - SETTLED_NS)
        (void)!wcow_build_cache_remember_file(cache, &f->stamp, digest, NULL);
    else
        (void)!wcow_build_cache_note_file(cache, &f->stamp, digest, NULL);
}

/* ---- files ---- */

/* The directory of the first @p len bytes of @p path: mostly that of the file before. */
static int enter_dir(struct wcow_context_files *files, const char *path, size_t len,
                     struct wcow_error *err)
{
    const struct wcow_context_dir *last = files->last_dir;
    if (last && strncmp(last->path, path, len) == 0 && last->path[len] == '\0')
        return WCOW_OK;
    void *room = NULL;
    int r = wcow_paged_alloc(files->room, sizeof(*last) + len + 1, &room, err);
    if (r < 0)
        return r;
    struct wcow_context_dir *dir = room;
    dir->context = files->context;
    dir->room = files->room;
    memcpy(dir->path, path, len);
    dir->path[len] = '\0';
    files->last_dir = dir;
    return WCOW_OK;
}

static const struct wcow_payload_ops file_ops = {
    .send = send_file, .known = know_file, .learned = learn_file};

int wcow_context_payload(struct wcow_context_files *files, const struct wcow_context_item *item,
                         struct wcow_payload *ret, struct wcow_error *err)
{
    const char *slash = strrchr(item->path, '/');
    const char *name = slash ? slash + 1 : item->path;
    void *room = NULL;
    int r = enter_dir(files, item->path, (size_t)(name - item->path), err);
    if (r == WCOW_OK)
        r = wcow_paged_alloc(files->room, sizeof(struct file) + strlen(name) + 1, &room, err);
    if (r < 0)
        return r;
    struct file *f = room;
    f->dir = files->last_dir;
    f->stamp = stamp_of(&item->st);
    (void)stpcpy(f->name, name);
    *ret = (struct wcow_payload){.ops = &file_ops, .ctx = f};
    return WCOW_OK;
}

bool wcow_context_payload_stamp(const struct wcow_payload *payload, struct wcow_file_stamp *ret)
{
    const struct file *f = payload->ctx;
    if (payload->ops != &file_ops || !f->dir->context->cache)
        return false;
    *ret = f->stamp;
    return true;
}
