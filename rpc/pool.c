/* SPDX-License-Identifier: Apache-2.0 */
#include "rpc/pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>

#include "rpc/thread.h"

struct wcow_pool {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct wcow_pool_job *first;
    struct wcow_pool_job **last;
    bool ending;
    unsigned n_threads;
    pthread_t threads[];
};

static void *work(void *arg)
{
    struct wcow_pool *pool = arg;
    (void)pthread_mutex_lock(&pool->lock);
    for (;;) {
        while (!pool->first && !pool->ending)
            (void)pthread_cond_wait(&pool->wake, &pool->lock);
        struct wcow_pool_job *job = pool->first;
        if (!job)
            break;
        pool->first = job->next;
        if (!pool->first)
            pool->last = &pool->first;
        (void)pthread_mutex_unlock(&pool->lock);
        job->run(job);
        (void)pthread_mutex_lock(&pool->lock);
    }
    (void)pthread_mutex_unlock(&pool->lock);
    return NULL;
}

int wcow_pool_new(unsigned n_threads, struct wcow_pool **ret, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_pool_free_p)
    struct wcow_pool *pool = calloc(1, sizeof(*pool) + n_threads * sizeof(pool->threads[0]));
    if (!pool)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for %u worker threads", n_threads);
    (void)pthread_mutex_init(&pool->lock, NULL);
    (void)pthread_cond_init(&pool->wake, NULL);
    pool->last = &pool->first;
    for (unsigned i = 0; i < n_threads; i++) {
        int r = wcow_thread_start(&pool->threads[i], work, pool, err);
        if (r < 0)
            return r;
        pool->n_threads++;
    }
    *ret = WCOW_TAKE_PTR(pool);
    return WCOW_OK;
}

void wcow_pool_push(struct wcow_pool *pool, struct wcow_pool_job *job)
{
    job->next = NULL;
    (void)pthread_mutex_lock(&pool->lock);
    *pool->last = job;
    pool->last = &job->next;
    (void)pthread_mutex_unlock(&pool->lock);
    (void)pthread_cond_signal(&pool->wake);
}

void wcow_pool_free(struct wcow_pool *pool)
{
    if (!pool)
        return;
    (void)pthread_mutex_lock(&pool->lock);
    pool->ending = true;
    (void)pthread_mutex_unlock(&pool->lock);
    (void)pthread_cond_broadcast(&pool->wake);
    for (unsigned i = 0; i < pool->n_threads; i++)
        (void)pthread_join(pool->threads[i], NULL);
    (void)pthread_cond_destroy(&pool->wake);
    (void)pthread_mutex_destroy(&pool->lock);
    free(pool);
}
