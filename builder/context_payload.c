/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of context files: read when the layer is written, checked to be still the file that was
 * listed, and their digest remembered by what stat says. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/beneath.h"
#include "builder/context_walk.h"
#include "store/cache.h"

enum {
    READ_BYTES = 512 << 10,
    SETTLED_NS = 1000000000, /* a file changed later than this before now may change unseen */
};

struct file {
    struct wcow_context *context;
    char *path;
    struct wcow_file_stamp stamp;
    struct wcow_digest digest; /* "" until it was read, or remembered */
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

static int check_same(const struct file *f, int fd, struct wcow_error *err)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "stat \"%s\"", f->path);
    struct wcow_file_stamp now = stamp_of(&st);
    if (S_ISREG(st.st_mode) && now.dev == f->stamp.dev && now.ino == f->stamp.ino &&
        now.size_bytes == f->stamp.size_bytes && now.mtime_ns == f->stamp.mtime_ns)
        return WCOW_OK;
    return WCOW_FAIL(err, WCOW_E_PRECONDITION,
                     "\"%s\" changed while it was being read; build again once it is at rest",
                     f->path);
}

static int send_fd(const struct file *f, int fd, uint8_t *buffer, const struct wcow_sink *sink,
                   struct wcow_error *err)
{
    const struct wcow_context *c = f->context;
    for (;;) {
        if (c->cancel && atomic_load(c->cancel))
            return WCOW_FAIL(err, WCOW_E_CANCELLED, "cancelled");
        ssize_t n = read(fd, buffer, READ_BYTES);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "read \"%s\"", f->path);
        if (n == 0)
            return check_same(f, fd, err);
        int r = wcow_sink_write(sink, buffer, (size_t)n, err);
        if (r < 0)
            return r;
    }
}

static int send_file(void *ctx, const struct wcow_sink *sink, struct wcow_error *err)
{
    const struct file *f = ctx;
    struct wcow_context *c = f->context;
    wcow_autoclose int fd = -1;
    /* O_NONBLOCK: a FIFO put in its place must not hang the build. */
    int r = wcow_open_beneath(c->fd, f->path, O_RDONLY | O_NONBLOCK, 0, &fd, err);
    if (r == WCOW_OK)
        r = check_same(f, fd, err);
    if (r < 0)
        return r;
    /* One buffer serves thousands of files, one after the other. */
    uint8_t *buffer = atomic_exchange(&c->spare, NULL);
    if (!buffer)
        buffer = malloc(READ_BYTES);
    if (!buffer)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory to read \"%s\"", f->path);
    r = send_fd(f, fd, buffer, sink, err);
    free(atomic_exchange(&c->spare, buffer));
    return r;
}

static int know_file(void *ctx, struct wcow_digest *ret, struct wcow_error *err)
{
    struct file *f = ctx;
    struct wcow_context *c = f->context;
    (void)pthread_mutex_lock(&c->digests);
    int r = 1;
    if (!f->digest.text[0])
        r = c->cache ? wcow_build_cache_file(c->cache, &f->stamp, &f->digest, err) : 0;
    if (r == 1)
        *ret = f->digest;
    (void)pthread_mutex_unlock(&c->digests);
    return r;
}

static void learn_file(void *ctx, const struct wcow_digest *digest)
{
    struct file *f = ctx;
    struct wcow_context *c = f->context;
    (void)pthread_mutex_lock(&c->digests);
    f->digest = *digest;
    (void)pthread_mutex_unlock(&c->digests);
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    /* What cannot be remembered is read again: by the next build, or by this one for another tree.
     */
    if (c->cache && f->stamp.ctime_ns < ns_of(&now) - SETTLED_NS)
        (void)!wcow_build_cache_remember_file(c->cache, &f->stamp, digest, NULL);
    else if (c->cache)
        (void)!wcow_build_cache_note_file(c->cache, &f->stamp, digest, NULL);
}

static void free_file(void *ctx)
{
    struct file *f = ctx;
    free(f->path);
    free(f);
}

int wcow_context_payload(struct wcow_context *c, const struct wcow_context_item *item,
                         struct wcow_payload *ret, struct wcow_error *err)
{
    static const struct wcow_payload_ops ops = {
        .send = send_file, .known = know_file, .learned = learn_file, .free = free_file};
    struct file *f = calloc(1, sizeof(*f));
    char *path = strdup(item->path);
    if (!f || !path) {
        free(f);
        free(path);
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for \"%s\"", item->path);
    }
    *f = (struct file){.context = c, .path = path, .stamp = stamp_of(&item->st)};
    *ret = (struct wcow_payload){.ops = &ops, .ctx = f};
    return WCOW_OK;
}
