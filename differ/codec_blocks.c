/* SPDX-License-Identifier: Apache-2.0 */
#include "differ/codec_blocks.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/sched.h"

enum job_state { JOB_FREE, JOB_WAITING, JOB_RUNNING, JOB_DONE };

struct job {
    enum job_state state; /* under the lock */
    int code;
    struct wcow_error error;
    size_t before_len;
    size_t in_len;
    size_t out_len;
    uint8_t *in; /* before_bytes of what stood before, then the block */
    uint8_t *out;
};

struct wcow_blocks {
    const struct wcow_block_codec *codec;
    const struct wcow_sink *output;
    pthread_mutex_t lock;
    pthread_cond_t to_workers;
    pthread_cond_t to_writer;
    bool stop;
    size_t n_jobs;
    struct job *jobs; /* a ring */
    size_t fill;      /* the job being filled */
    size_t drain;     /* the oldest job not written out */
    size_t take;      /* the next job for a worker */
    void *state;      /* the caller's own, for when it would wait */
    bool has_state;
    unsigned n_threads;
    pthread_t *threads;
};

static void run_job(const struct wcow_block_codec *codec, void *state, struct job *job)
{
    uint8_t *block = job->in + codec->before_bytes;
    struct wcow_bytes before = {.data = block - job->before_len, .len = job->before_len};
    struct wcow_bytes in = {.data = block, .len = job->in_len};
    long n = codec->run(state, before, in, job->out, codec->out_bytes, &job->error);
    job->code = n < 0 ? (int)n : WCOW_OK;
    job->out_len = n < 0 ? 0 : (size_t)n;
}

/* The next job that waits, to be run by whoever asks; under the lock. NULL: none waits. */
static struct job *take_job(struct wcow_blocks *b)
{
    struct job *job = &b->jobs[b->take];
    if (job->state != JOB_WAITING)
        return NULL;
    job->state = JOB_RUNNING;
    b->take = (b->take + 1) % b->n_jobs;
    return job;
}

static void *worker(void *arg)
{
    struct wcow_blocks *b = arg;
    void *state = NULL;
    struct wcow_error error = {0};
    wcow_sched_batch();
    int code = b->codec->begin(&state, &error);
    pthread_mutex_lock(&b->lock);
    while (!b->stop) {
        struct job *job = take_job(b);
        if (!job) {
            pthread_cond_wait(&b->to_workers, &b->lock);
            continue;
        }
        pthread_mutex_unlock(&b->lock);
        if (code == WCOW_OK) {
            run_job(b->codec, state, job);
        } else {
            job->code = code;
            job->error = error;
        }
        pthread_mutex_lock(&b->lock);
        job->state = JOB_DONE;
        pthread_cond_signal(&b->to_writer);
    }
    pthread_mutex_unlock(&b->lock);
    b->codec->end(state);
    return NULL;
}

/* The caller runs a job itself: it would wait for one otherwise, and who knows when its workers get
 * a processor. */
static void help(struct wcow_blocks *b, struct job *job)
{
    int code = WCOW_OK;
    if (!b->has_state)
        code = b->codec->begin(&b->state, &job->error);
    b->has_state = code == WCOW_OK;
    if (b->has_state)
        run_job(b->codec, b->state, job);
    else
        job->code = code;
}

/* Have the oldest job done. */
static void wait_for(struct wcow_blocks *b, const struct job *oldest)
{
    pthread_mutex_lock(&b->lock);
    while (oldest->state != JOB_DONE) {
        struct job *job = take_job(b);
        if (!job) {
            pthread_cond_wait(&b->to_writer, &b->lock);
            continue;
        }
        pthread_mutex_unlock(&b->lock);
        help(b, job);
        pthread_mutex_lock(&b->lock);
        job->state = JOB_DONE;
    }
    pthread_mutex_unlock(&b->lock);
}

/* Write what the oldest job gave. */
static int drain_one(struct wcow_blocks *b, struct wcow_error *err)
{
    struct job *job = &b->jobs[b->drain];
    wait_for(b, job);
    int r = job->code;
    if (r < 0 && err)
        *err = job->error;
    if (r == WCOW_OK)
        r = wcow_sink_write(b->output, job->out, job->out_len, err);
    pthread_mutex_lock(&b->lock); /* a worker may be looking whether this one waits */
    job->state = JOB_FREE;
    pthread_mutex_unlock(&b->lock);
    b->drain = (b->drain + 1) % b->n_jobs;
    return r;
}

static bool is_done(struct wcow_blocks *b, size_t i)
{
    pthread_mutex_lock(&b->lock);
    bool done = b->jobs[i].state == JOB_DONE;
    pthread_mutex_unlock(&b->lock);
    return done;
}

/* Hand the filled job to the workers and get the next one ready. */
static int submit(struct wcow_blocks *b, struct wcow_error *err)
{
    const size_t before_bytes = b->codec->before_bytes;
    struct job *job = &b->jobs[b->fill];
    size_t next = (b->fill + 1) % b->n_jobs;
    pthread_mutex_lock(&b->lock);
    job->state = JOB_WAITING;
    pthread_cond_signal(&b->to_workers);
    pthread_mutex_unlock(&b->lock);
    while (next == b->drain || is_done(b, b->drain)) {
        bool last = b->drain == b->fill;
        int r = drain_one(b, err);
        if (r < 0)
            return r;
        if (last)
            break;
    }
    struct job *to = &b->jobs[next];
    to->before_len = job->in_len < before_bytes ? job->in_len : before_bytes;
    memcpy(to->in + before_bytes - to->before_len,
           job->in + before_bytes + job->in_len - to->before_len, to->before_len);
    to->in_len = 0;
    b->fill = next;
    return WCOW_OK;
}

uint8_t *wcow_blocks_room(struct wcow_blocks *b, size_t *ret_len)
{
    struct job *job = &b->jobs[b->fill];
    *ret_len = b->codec->block_bytes - job->in_len;
    return job->in + b->codec->before_bytes + job->in_len;
}

int wcow_blocks_write(struct wcow_blocks *b, const void *data, size_t len, struct wcow_error *err)
{
    const struct wcow_block_codec *codec = b->codec;
    const uint8_t *p = data;
    while (len) {
        struct job *job = &b->jobs[b->fill];
        size_t n = codec->block_bytes - job->in_len;
        if (n > len)
            n = len;
        uint8_t *to = job->in + codec->before_bytes + job->in_len;
        if (p != to)
            memcpy(to, p, n);
        job->in_len += n;
        p += n;
        len -= n;
        int r = job->in_len == codec->block_bytes ? submit(b, err) : WCOW_OK;
        if (r < 0)
            return r;
    }
    return WCOW_OK;
}

int wcow_blocks_finish(struct wcow_blocks *b, struct wcow_error *err)
{
    int r = b->jobs[b->fill].in_len ? submit(b, err) : WCOW_OK;
    while (r == WCOW_OK && b->drain != b->fill)
        r = drain_one(b, err);
    return r;
}

void wcow_blocks_free(struct wcow_blocks *b)
{
    if (!b)
        return;
    pthread_mutex_lock(&b->lock);
    b->stop = true;
    pthread_cond_broadcast(&b->to_workers);
    pthread_mutex_unlock(&b->lock);
    for (unsigned i = 0; i < b->n_threads; i++)
        (void)pthread_join(b->threads[i], NULL);
    if (b->has_state)
        b->codec->end(b->state);
    for (size_t i = 0; b->jobs && i < b->n_jobs; i++) {
        free(b->jobs[i].in);
        free(b->jobs[i].out);
    }
    (void)pthread_cond_destroy(&b->to_workers);
    (void)pthread_cond_destroy(&b->to_writer);
    (void)pthread_mutex_destroy(&b->lock);
    free(b->jobs);
    free(b->threads);
    free(b);
}

/* Memory that no block uses costs nothing: small layers touch the first job's only. */
static int start(struct wcow_blocks *b, unsigned n_threads, struct wcow_error *err)
{
    if (n_threads >= b->codec->n_max)
        n_threads = b->codec->n_max - 1;
    b->n_jobs = (size_t)n_threads + b->codec->n_waiting;
    if (b->n_jobs > b->codec->n_max)
        b->n_jobs = b->codec->n_max;
    n_threads--; /* the caller is one of them */
    b->jobs = calloc(b->n_jobs, sizeof(*b->jobs));
    b->threads = calloc(n_threads + 1U, sizeof(*b->threads));
    if (!b->jobs || !b->threads)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a compressor");
    for (size_t i = 0; i < b->n_jobs; i++) {
        b->jobs[i].in = malloc(b->codec->before_bytes + b->codec->block_bytes);
        b->jobs[i].out = malloc(b->codec->out_bytes);
        if (!b->jobs[i].in || !b->jobs[i].out)
            return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a compressor");
    }
    for (; b->n_threads < n_threads; b->n_threads++) {
        if (pthread_create(&b->threads[b->n_threads], NULL, worker, b) != 0)
            return WCOW_FAIL(err, WCOW_E_LIMIT, "no thread to be had for compressing");
    }
    return WCOW_OK;
}

int wcow_blocks_new(const struct wcow_block_codec *codec, const struct wcow_sink *output,
                    unsigned n_threads, struct wcow_blocks **ret, struct wcow_error *err)
{
    struct wcow_blocks *b = calloc(1, sizeof(*b));
    if (!b)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a compressor");
    b->codec = codec;
    b->output = output;
    (void)pthread_mutex_init(&b->lock, NULL);
    (void)pthread_cond_init(&b->to_workers, NULL);
    (void)pthread_cond_init(&b->to_writer, NULL);
    int r = start(b, n_threads, err);
    if (r < 0) {
        wcow_blocks_free(b);
        return r;
    }
    *ret = b;
    return WCOW_OK;
}
