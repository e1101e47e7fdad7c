/* SPDX-License-Identifier: Apache-2.0 */
#include "differ/file_writer.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/fd.h"
#include "base/sched.h"

enum {
    N_JOBS = 256, /* a file has two at least: 128 files that are open at once */
    FLUSH_BYTES =
        64 << 10,     /* the writer is told of jobs together: a wake-up costs as much as ... */
    FLUSH_FILES = 32, /* ... writing several small files */
};

enum job_kind { JOB_NEXT_CHUNK, JOB_OPEN, JOB_DATA, JOB_HOLE, JOB_CLOSE };

struct job {
    enum job_kind kind;
    int fd;     /* JOB_OPEN */
    char *name; /* JOB_OPEN; owned */
    const uint8_t *data;
    uint64_t len; /* of data or a hole; JOB_CLOSE: the file's size */
};

/* The file that the thread is at. */
struct file {
    int fd; /* -1: none */
    char *name;
    bool after_hole;
};

struct wcow_file_writer {
    struct wcow_source chunks;
    struct wcow_writeback *writeback;
    pthread_t thread;
    bool running;
    struct job jobs[N_JOBS]; /* a ring */

    /* The giver's own. */
    uint64_t n_put;   /* jobs in the ring, the thread may not know of the last ones */
    uint64_t n_room;  /* jobs up to here have a place */
    uint64_t pending; /* bytes that the thread does not know of */

    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t given;
    pthread_cond_t taken;
    uint64_t n_given;
    uint64_t n_taken; /* written by the thread alone */
    bool ended;
    int code; /* of the first failure; written by the thread alone */
    struct wcow_error error;
};

/* ---- the thread ---- */

static int size_is_here(const struct file *f, struct wcow_error *err)
{
    off_t at = lseek(f->fd, 0, SEEK_CUR);
    if (at < 0 || ftruncate(f->fd, at) < 0)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "write \"%.200s\"", f->name);
    return WCOW_OK;
}

static int skip_hole(const struct file *f, uint64_t len, struct wcow_error *err)
{
    if (lseek(f->fd, (off_t)len, SEEK_CUR) < 0)
        return WCOW_FAIL_ERRNO(err, wcow_code_of_errno(errno), "write \"%.200s\"", f->name);
    return WCOW_OK;
}

static void leave_file(struct file *f)
{
    if (f->fd >= 0)
        (void)close(f->fd);
    free(f->name);
    *f = (struct file){.fd = -1};
}

static int next_chunk(const struct wcow_file_writer *w, struct wcow_error *err)
{
    const uint8_t *data = NULL;
    size_t len = 0;
    return wcow_source_next(&w->chunks, &data, &len, err);
}

static int close_file(struct wcow_file_writer *w, struct file *f, uint64_t size_bytes,
                      struct wcow_error *err)
{
    int r = f->after_hole ? size_is_here(f, err) : WCOW_OK;
    if (r == WCOW_OK)
        wcow_writeback_give(w->writeback, WCOW_TAKE_FD(f->fd), size_bytes);
    leave_file(f);
    return r;
}

static int do_job(struct wcow_file_writer *w, const struct job *job, struct file *f,
                  struct wcow_error *err)
{
    switch (job->kind) {
    case JOB_OPEN:
        *f = (struct file){.fd = job->fd, .name = job->name};
        return WCOW_OK;
    case JOB_DATA:
        f->after_hole = false;
        return wcow_fd_write(f->fd, job->data, job->len, f->name, err);
    case JOB_HOLE:
        f->after_hole = true;
        return skip_hole(f, job->len, err);
    case JOB_CLOSE:
        return close_file(w, f, job->len, err);
    case JOB_NEXT_CHUNK:
    default:
        return next_chunk(w, err);
    }
}

/* After a failure: nothing is written any more, but what was taken is given back. */
static void drop_job(const struct wcow_file_writer *w, const struct job *job, struct file *f)
{
    if (job->kind == JOB_OPEN)
        *f = (struct file){.fd = job->fd, .name = job->name};
    else if (job->kind == JOB_CLOSE)
        leave_file(f);
    else if (job->kind == JOB_NEXT_CHUNK)
        (void)next_chunk(w, NULL);
}

/* What went wrong before or goes wrong now, with its error. */
static int do_jobs(struct wcow_file_writer *w, uint64_t from, uint64_t to, struct file *file,
                   struct wcow_error *err)
{
    int code = w->code;
    for (uint64_t i = from; i < to; i++) {
        const struct job *job = &w->jobs[i % N_JOBS];
        if (code == WCOW_OK)
            code = do_job(w, job, file, err);
        else
            drop_job(w, job, file);
    }
    return code;
}

static void *run(void *arg)
{
    struct wcow_file_writer *w = arg;
    struct file file = {.fd = -1};
    (void)wcow_sched_batch();
    pthread_mutex_lock(&w->lock);
    for (;;) {
        while (w->n_taken == w->n_given && !w->ended)
            pthread_cond_wait(&w->given, &w->lock);
        if (w->n_taken == w->n_given)
            break;
        uint64_t to = w->n_given;
        struct wcow_error error = {0};
        pthread_mutex_unlock(&w->lock);
        int code = do_jobs(w, w->n_taken, to, &file, &error);
        pthread_mutex_lock(&w->lock);
        w->n_taken = to;
        if (code < 0 && w->code == WCOW_OK)
            w->error = error;
        w->code = code;
        pthread_cond_signal(&w->taken);
    }
    pthread_mutex_unlock(&w->lock);
    leave_file(&file);
    return NULL;
}

/* ---- the giver ---- */

/* Tell the thread of all jobs; wait until no more than @p max of them are left. */
static int flush(struct wcow_file_writer *w, uint64_t max, struct wcow_error *err)
{
    pthread_mutex_lock(&w->lock);
    if (w->n_given != w->n_put) {
        w->n_given = w->n_put;
        pthread_cond_signal(&w->given);
    }
    while (w->n_given - w->n_taken > max)
        pthread_cond_wait(&w->taken, &w->lock);
    w->n_room = w->n_taken + N_JOBS;
    int code = w->code;
    if (code < 0 && err)
        *err = w->error;
    pthread_mutex_unlock(&w->lock);
    w->pending = 0;
    return code;
}

/* The job has a place afterwards, or there is an error. */
static int put_job(struct wcow_file_writer *w, const struct job *job, struct wcow_error *err)
{
    int r = w->n_put == w->n_room ? flush(w, N_JOBS - 1, err) : WCOW_OK;
    if (r < 0)
        return r;
    w->jobs[w->n_put++ % N_JOBS] = *job;
    return WCOW_OK;
}

static int put_and_flush(struct wcow_file_writer *w, const struct job *job, uint64_t bytes,
                         struct wcow_error *err)
{
    int r = put_job(w, job, err);
    w->pending += bytes;
    bool enough = w->pending >= FLUSH_BYTES;
    return r == WCOW_OK && enough ? flush(w, N_JOBS, err) : r;
}

int wcow_file_writer_next_chunk(struct wcow_file_writer *w, struct wcow_error *err)
{
    const struct job job = {.kind = JOB_NEXT_CHUNK};
    /* At once: a chunk that the thread keeps without need may be the one that the pipe waits for.
     */
    return put_and_flush(w, &job, FLUSH_BYTES, err);
}

int wcow_file_writer_open(struct wcow_file_writer *w, int *fd, const char *name,
                          struct wcow_error *err)
{
    char *copy = strdup(name);
    if (!copy)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a name");
    const struct job job = {.kind = JOB_OPEN, .fd = *fd, .name = copy};
    int r = put_job(w, &job, err);
    if (r < 0)
        free(copy);
    else
        *fd = -1;
    return r;
}

int wcow_file_writer_put(struct wcow_file_writer *w, const uint8_t *data, size_t len,
                         struct wcow_error *err)
{
    const struct job job = {.kind = JOB_DATA, .data = data, .len = len};
    return put_and_flush(w, &job, len, err);
}

int wcow_file_writer_skip(struct wcow_file_writer *w, size_t len, struct wcow_error *err)
{
    const struct job job = {.kind = JOB_HOLE, .len = len};
    return put_job(w, &job, err);
}

int wcow_file_writer_close(struct wcow_file_writer *w, uint64_t size_bytes, struct wcow_error *err)
{
    const struct job job = {.kind = JOB_CLOSE, .len = size_bytes};
    return put_and_flush(w, &job, FLUSH_BYTES / FLUSH_FILES, err);
}

int wcow_file_writer_settle(struct wcow_file_writer *w, struct wcow_error *err)
{
    return flush(w, 0, err);
}

int wcow_file_writer_new(const struct wcow_source *chunks, struct wcow_writeback *writeback,
                         struct wcow_file_writer **ret, struct wcow_error *err)
{
    struct wcow_file_writer *w = calloc(1, sizeof(*w));
    if (!w)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for unpacking");
    w->chunks = *chunks;
    w->writeback = writeback;
    w->n_room = N_JOBS;
    (void)pthread_mutex_init(&w->lock, NULL);
    (void)pthread_cond_init(&w->given, NULL);
    (void)pthread_cond_init(&w->taken, NULL);
    w->running = pthread_create(&w->thread, NULL, run, w) == 0;
    if (!w->running) {
        wcow_file_writer_free(w);
        return WCOW_FAIL(err, WCOW_E_LIMIT, "no thread to be had for unpacking");
    }
    *ret = w;
    return WCOW_OK;
}

/* All that was put is done first. */
static int end(struct wcow_file_writer *w, struct wcow_error *err)
{
    int r = flush(w, 0, err);
    pthread_mutex_lock(&w->lock);
    w->ended = true;
    pthread_cond_signal(&w->given);
    pthread_mutex_unlock(&w->lock);
    if (w->running)
        (void)pthread_join(w->thread, NULL);
    w->running = false;
    return r;
}

int wcow_file_writer_finish(struct wcow_file_writer *w, struct wcow_error *err)
{
    return end(w, err);
}

void wcow_file_writer_free(struct wcow_file_writer *w)
{
    if (!w)
        return;
    (void)end(w, NULL);
    (void)pthread_cond_destroy(&w->given);
    (void)pthread_cond_destroy(&w->taken);
    (void)pthread_mutex_destroy(&w->lock);
    free(w);
}
