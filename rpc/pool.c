/* SPDX-License-Identifier: Apache-2.0 */
#include "rpc/pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "rpc/call.h"

#include "rpc/thread.h"

struct worker {
    struct wcow_pool *pool;
    pthread_t thread;
    _Atomic uint64_t began_ns; /* its job; 0 without one */
};

struct wcow_pool {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct wcow_pool_job *first;
    struct wcow_pool_job **last;
    bool ending;
    unsigned n_threads;
    struct worker workers[];
};

static void *work(void *arg)
{
    struct worker *self = arg;
    struct wcow_pool *pool = self->pool;
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
        atomic_store(&self->began_ns, wcow_now_ns());
        job->run(job);
        atomic_store(&self->began_ns, 0);
        (void)pthread_mutex_lock(&pool->lock);
    }
    (void)pthread_mutex_unlock(&pool->lock);
    return NULL;
}

int wcow_pool_new(unsigned n_threads, struct wcow_pool **ret, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_pool_free_p)
    struct wcow_pool *pool = calloc(1, sizeof(*pool) + n_threads * sizeof(pool->workers[0]));
    if (!pool)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for %u worker threads", n_threads);
    (void)pthread_mutex_init(&pool->lock, NULL);
    (void)pthread_cond_init(&pool->wake, NULL);
    pool->last = &pool->first;
    for (unsigned i = 0; i < n_threads; i++) {
        pool->workers[i].pool = pool;
        int r = wcow_thread_start(&pool->workers[i].thread, work, &pool->workers[i], err);
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

uint64_t wcow_pool_busy_ns(const struct wcow_pool *pool)
{
    uint64_t first_ns = UINT64_MAX;
    for (unsigned i = 0; i < pool->n_threads; i++) {
        uint64_t began_ns = atomic_load(&pool->workers[i].began_ns);
        if (began_ns && began_ns < first_ns)
            first_ns = began_ns;
    }
    return first_ns == UINT64_MAX ? 0 : wcow_now_ns() - first_ns;
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
        (void)pthread_join(pool->workers[i].thread, NULL);
    (void)pthread_cond_destroy(&pool->wake);
    (void)pthread_mutex_destroy(&pool->lock);
    free(pool);
}
