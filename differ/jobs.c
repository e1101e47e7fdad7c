/* SPDX-License-Identifier: Apache-2.0 */
#include "differ/jobs.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

enum {
    MAX_WAITING = 128,
    MAX_WAITING_BYTES = 1 << 20,
    HANDFUL = 16, /* that many are worth calling for help */
};

struct waiting {
    void *job;
    size_t bytes;
};

struct wcow_jobs {
    const struct wcow_job_ops *ops;
    void *ctx;
    pthread_mutex_t turn; /* held while a job is taken and done, which keeps them in order */
    int code;             /* under turn: of the first that failed */
    struct wcow_error error;

    pthread_mutex_t lock; /* of what follows; taken after turn */
    struct waiting waiting[MAX_WAITING];
    uint64_t n_given;
    uint64_t n_taken;
    size_t bytes;
    bool failed; /* one of them did: the giver is to know soon */
};

/* The next one, or NULL. */
static void *take(struct wcow_jobs *j)
{
    void *job = NULL;
    pthread_mutex_lock(&j->lock);
    if (j->n_taken < j->n_given) {
        const struct waiting *next = &j->waiting[j->n_taken++ % MAX_WAITING];
        job = next->job;
        j->bytes -= next->bytes;
    }
    pthread_mutex_unlock(&j->lock);
    return job;
}

static void note_failure(struct wcow_jobs *j)
{
    pthread_mutex_lock(&j->lock);
    j->failed = true;
    pthread_mutex_unlock(&j->lock);
}

/* With the turn held. */
static bool do_next(struct wcow_jobs *j)
{
    void *job = take(j);
    if (!job)
        return false;
    if (j->code == WCOW_OK && (j->code = j->ops->run(j->ctx, job, &j->error)) < 0)
        note_failure(j);
    j->ops->free(job);
    return true;
}

bool wcow_jobs_help(struct wcow_jobs *jobs)
{
    if (pthread_mutex_trylock(&jobs->turn) != 0)
        return false;
    bool did = do_next(jobs);
    pthread_mutex_unlock(&jobs->turn);
    return did;
}

int wcow_jobs_new(const struct wcow_job_ops *ops, void *ctx, struct wcow_jobs **ret,
                  struct wcow_error *err)
{
    struct wcow_jobs *j = calloc(1, sizeof(*j));
    if (!j)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for unpacking");
    j->ops = ops;
    j->ctx = ctx;
    (void)pthread_mutex_init(&j->turn, NULL);
    (void)pthread_mutex_init(&j->lock, NULL);
    *ret = j;
    return WCOW_OK;
}

static bool must_settle(struct wcow_jobs *j, size_t bytes)
{
    pthread_mutex_lock(&j->lock);
    bool must =
        j->failed || j->n_given - j->n_taken == MAX_WAITING || j->bytes + bytes > MAX_WAITING_BYTES;
    pthread_mutex_unlock(&j->lock);
    return must;
}

int wcow_jobs_add(struct wcow_jobs *jobs, void *job, size_t bytes, struct wcow_error *err)
{
    int r = must_settle(jobs, bytes) ? wcow_jobs_settle(jobs, err) : WCOW_OK;
    if (r < 0) {
        jobs->ops->free(job);
        return r;
    }
    pthread_mutex_lock(&jobs->lock);
    jobs->waiting[jobs->n_given++ % MAX_WAITING] = (struct waiting){.job = job, .bytes = bytes};
    jobs->bytes += bytes;
    bool handful = jobs->n_given - jobs->n_taken == HANDFUL;
    pthread_mutex_unlock(&jobs->lock);
    if (handful)
        jobs->ops->call(jobs->ctx);
    return WCOW_OK;
}

int wcow_jobs_settle(struct wcow_jobs *jobs, struct wcow_error *err)
{
    pthread_mutex_lock(&jobs->turn);
    while (do_next(jobs))
        ;
    int r = jobs->code;
    if (r < 0 && err)
        *err = jobs->error;
    pthread_mutex_unlock(&jobs->turn);
    return r;
}

void wcow_jobs_free(struct wcow_jobs *jobs)
{
    if (!jobs)
        return;
    for (void *job = take(jobs); job; job = take(jobs))
        jobs->ops->free(job);
    (void)pthread_mutex_destroy(&jobs->lock);
    (void)pthread_mutex_destroy(&jobs->turn);
    free(jobs);
}
