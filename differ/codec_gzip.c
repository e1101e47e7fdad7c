/* SPDX-License-Identifier: Apache-2.0 */
/* gzip out (RFC 1952) on several threads. The input is cut into blocks of a fixed size; each is
 * deflated on its own, primed with the 32 KiB before it, and ended on a byte boundary (an empty
 * stored block), so that the parts stand behind one another as one deflate stream. The cut does not
 * depend on the number of threads, nor do the bytes. One member; no time, no name, OS 255. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "differ/codec_impl.h"

enum {
    BLOCK_BYTES = 512 << 10,
    DICT_BYTES = 32 << 10,
    OUT_BYTES = BLOCK_BYTES + (BLOCK_BYTES >> 3) + 4096, /* stored blocks add 5 bytes in 65,535 */
    JOBS_A_THREAD = 2,
};

enum job_state { JOB_FREE, JOB_WAITING, JOB_RUNNING, JOB_DONE };

struct job {
    enum job_state state; /* under the lock */
    int code;
    struct wcow_error error;
    size_t dict_len;
    size_t in_len;
    size_t out_len;
    uint8_t *in; /* DICT_BYTES of dictionary, then the block */
    uint8_t *out;
};

struct gzip {
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
    unsigned n_threads;
    pthread_t *threads;
    uint64_t in_bytes;
    uint32_t crc;
    bool header_written;
};

static void run_job(struct wcow_deflate_block *block, struct job *job)
{
    struct wcow_bytes dict = {.data = job->in + DICT_BYTES - job->dict_len, .len = job->dict_len};
    struct wcow_bytes in = {.data = job->in + DICT_BYTES, .len = job->in_len};
    long n = wcow_deflate_block_run(block, dict, in, job->out, OUT_BYTES, &job->error);
    job->code = n < 0 ? (int)n : WCOW_OK;
    job->out_len = n < 0 ? 0 : (size_t)n;
}

static void *worker(void *arg)
{
    struct gzip *g = arg;
    struct wcow_deflate_block *block = NULL;
    struct wcow_error error = {0};
    int code = wcow_deflate_block_new(&block, &error);
    pthread_mutex_lock(&g->lock);
    for (;;) {
        struct job *job = &g->jobs[g->take];
        if (job->state != JOB_WAITING) {
            if (g->stop)
                break;
            pthread_cond_wait(&g->to_workers, &g->lock);
            continue;
        }
        job->state = JOB_RUNNING;
        g->take = (g->take + 1) % g->n_jobs;
        pthread_mutex_unlock(&g->lock);
        if (code == WCOW_OK) {
            run_job(block, job);
        } else {
            job->code = code;
            job->error = error;
        }
        pthread_mutex_lock(&g->lock);
        job->state = JOB_DONE;
        pthread_cond_signal(&g->to_writer);
    }
    pthread_mutex_unlock(&g->lock);
    wcow_deflate_block_free(block);
    return NULL;
}

static int write_header(struct gzip *g, struct wcow_error *err)
{
    static const uint8_t header[10] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255};
    if (g->header_written)
        return WCOW_OK;
    g->header_written = true;
    return wcow_sink_write(g->output, header, sizeof(header), err);
}

/* Wait for the oldest job and write what it gave. */
static int drain_one(struct gzip *g, struct wcow_error *err)
{
    struct job *job = &g->jobs[g->drain];
    pthread_mutex_lock(&g->lock);
    while (job->state != JOB_DONE)
        pthread_cond_wait(&g->to_writer, &g->lock);
    pthread_mutex_unlock(&g->lock);
    int r = job->code;
    if (r < 0 && err)
        *err = job->error;
    if (r == WCOW_OK)
        r = wcow_sink_write(g->output, job->out, job->out_len, err);
    pthread_mutex_lock(&g->lock); /* a worker may be looking whether this one waits */
    job->state = JOB_FREE;
    pthread_mutex_unlock(&g->lock);
    g->drain = (g->drain + 1) % g->n_jobs;
    return r;
}

static bool is_done(struct gzip *g, size_t i)
{
    pthread_mutex_lock(&g->lock);
    bool done = g->jobs[i].state == JOB_DONE;
    pthread_mutex_unlock(&g->lock);
    return done;
}

/* Hand the filled job to the workers and get the next one ready. */
static int submit(struct gzip *g, struct wcow_error *err)
{
    int r = write_header(g, err);
    if (r < 0)
        return r;
    struct job *job = &g->jobs[g->fill];
    size_t next = (g->fill + 1) % g->n_jobs;
    pthread_mutex_lock(&g->lock);
    job->state = JOB_WAITING;
    pthread_cond_signal(&g->to_workers);
    pthread_mutex_unlock(&g->lock);
    while (next == g->drain || is_done(g, g->drain)) {
        bool last = g->drain == g->fill;
        r = drain_one(g, err);
        if (r < 0)
            return r;
        if (last)
            break;
    }
    struct job *to = &g->jobs[next];
    to->dict_len = job->in_len < DICT_BYTES ? job->in_len : DICT_BYTES;
    memcpy(to->in + DICT_BYTES - to->dict_len, job->in + DICT_BYTES + job->in_len - to->dict_len,
           to->dict_len);
    to->in_len = 0;
    g->fill = next;
    return WCOW_OK;
}

static int gzip_write(void *state, const void *data, size_t len, struct wcow_error *err)
{
    struct gzip *g = state;
    const uint8_t *p = data;
    g->crc = wcow_gzip_crc(g->crc, data, len);
    g->in_bytes += len;
    while (len) {
        struct job *job = &g->jobs[g->fill];
        size_t n = BLOCK_BYTES - job->in_len;
        if (n > len)
            n = len;
        memcpy(job->in + DICT_BYTES + job->in_len, p, n);
        job->in_len += n;
        p += n;
        len -= n;
        int r = job->in_len == BLOCK_BYTES ? submit(g, err) : WCOW_OK;
        if (r < 0)
            return r;
    }
    return WCOW_OK;
}

static int gzip_finish(void *state, struct wcow_error *err)
{
    struct gzip *g = state;
    int r = write_header(g, err);
    if (r == WCOW_OK && g->jobs[g->fill].in_len)
        r = submit(g, err);
    while (r == WCOW_OK && g->drain != g->fill)
        r = drain_one(g, err);
    if (r < 0)
        return r;
    uint8_t end[10] = {3, 0}; /* a final block of fixed codes with nothing in it */
    wcow_store_le32(end + 2, g->crc);
    wcow_store_le32(end + 6, (uint32_t)g->in_bytes);
    return wcow_sink_write(g->output, end, sizeof(end), err);
}

static void gzip_free(void *state)
{
    struct gzip *g = state;
    pthread_mutex_lock(&g->lock);
    g->stop = true;
    pthread_cond_broadcast(&g->to_workers);
    pthread_mutex_unlock(&g->lock);
    for (unsigned i = 0; i < g->n_threads; i++)
        (void)pthread_join(g->threads[i], NULL);
    for (size_t i = 0; g->jobs && i < g->n_jobs; i++) {
        free(g->jobs[i].in);
        free(g->jobs[i].out);
    }
    (void)pthread_cond_destroy(&g->to_workers);
    (void)pthread_cond_destroy(&g->to_writer);
    (void)pthread_mutex_destroy(&g->lock);
    free(g->jobs);
    free(g->threads);
    free(g);
}

static int start(struct gzip *g, unsigned n_threads, struct wcow_error *err)
{
    g->n_jobs = (size_t)n_threads * JOBS_A_THREAD + 1;
    g->jobs = calloc(g->n_jobs, sizeof(*g->jobs));
    g->threads = calloc(n_threads, sizeof(*g->threads));
    if (!g->jobs || !g->threads)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a compressor");
    for (size_t i = 0; i < g->n_jobs; i++) {
        g->jobs[i].in = malloc(DICT_BYTES + BLOCK_BYTES);
        g->jobs[i].out = malloc(OUT_BYTES);
        if (!g->jobs[i].in || !g->jobs[i].out)
            return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a compressor");
    }
    for (; g->n_threads < n_threads; g->n_threads++) {
        if (pthread_create(&g->threads[g->n_threads], NULL, worker, g) != 0)
            return WCOW_FAIL(err, WCOW_E_LIMIT, "no thread to be had for compressing");
    }
    return WCOW_OK;
}

int wcow_gzip_new(const struct wcow_sink *output, unsigned n_threads, struct wcow_deflater *ret,
                  struct wcow_error *err)
{
    static const struct wcow_deflater_ops ops = {
        .write = gzip_write, .finish = gzip_finish, .free = gzip_free};
    struct gzip *g = calloc(1, sizeof(*g));
    if (!g)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a compressor");
    g->output = output;
    (void)pthread_mutex_init(&g->lock, NULL);
    (void)pthread_cond_init(&g->to_workers, NULL);
    (void)pthread_cond_init(&g->to_writer, NULL);
    int r = start(g, n_threads, err);
    if (r < 0) {
        gzip_free(g);
        return r;
    }
    *ret = (struct wcow_deflater){.ops = &ops, .state = g};
    return WCOW_OK;
}
