/* SPDX-License-Identifier: Apache-2.0 */
#include "differ/jobs.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/sched.h"

enum {
    MAX_WAITING = 128,
    MAX_WAITING_BYTES = 1 << 20,
    HANDFUL = 16, /* that many are worth waking the thread */
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
    pthread_cond_t given;
    struct waiting waiting[MAX_WAITING];
    uint64_t n_given;
    uint64_t n_taken;
    size_t bytes;
    bool failed; /* one of them did: the giver is to know soon */
    bool ended;

    bool asked; /* for a thread; these are the giver's alone */
    bool running;
    pthread_t thread;
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

static void do_all_by_turns(struct wcow_jobs *j)
{
    bool more = true;
    while (more) {
        pthread_mutex_lock(&j->turn);
        more = do_next(j);
        pthread_mutex_unlock(&j->turn);
    }
}

static void *run(void *arg)
{
    struct wcow_jobs *j = arg;
    wcow_sched_batch(); /* who unpacks is not pushed aside for it */
    pthread_mutex_lock(&j->lock);
    while (!j->ended) {
        if (j->n_given - j->n_taken < HANDFUL) {
            pthread_cond_wait(&j->given, &j->lock);
            continue;
        }
        pthread_mutex_unlock(&j->lock);
        do_all_by_turns(j);
        pthread_mutex_lock(&j->lock);
    }
    pthread_mutex_unlock(&j->lock);
    return NULL;
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
    (void)pthread_cond_init(&j->given, NULL);
    *ret = j;
    return WCOW_OK;
}

/* A small layer has no need of the thread. Where there is none to be had the giver does it all. */
static void wake(struct wcow_jobs *j)
{
    if (!j->asked) {
        j->asked = true;
        j->running = pthread_create(&j->thread, NULL, run, j) == 0;
    }
    pthread_cond_signal(&j->given);
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
        wake(jobs);
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
    pthread_mutex_lock(&jobs->lock);
    jobs->ended = true;
    pthread_cond_signal(&jobs->given);
    pthread_mutex_unlock(&jobs->lock);
    if (jobs->running)
        (void)pthread_join(jobs->thread, NULL);
    for (void *job = take(jobs); job; job = take(jobs))
        jobs->ops->free(job);
    (void)pthread_cond_destroy(&jobs->given);
    (void)pthread_mutex_destroy(&jobs->lock);
    (void)pthread_mutex_destroy(&jobs->turn);
    free(jobs);
}
