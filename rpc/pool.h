/* SPDX-License-Identifier: Apache-2.0 */
/** @file pool.h
 *  A fixed number of threads that take jobs in order. */
#ifndef WCOW_RPC_POOL_H
#define WCOW_RPC_POOL_H

#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"

struct wcow_pool;

/** Embedded in what the job is about; belongs to the pool from push until run() is called. */
struct wcow_pool_job {
    struct wcow_pool_job *next;
    void (*run)(struct wcow_pool_job *job);
};

WCOW_NODISCARD int wcow_pool_new(unsigned n_threads, struct wcow_pool **ret,
                                 struct wcow_error *err);
/** From any thread; not after free has begun. */
void wcow_pool_push(struct wcow_pool *pool, struct wcow_pool_job *job);
/** How long the oldest of the jobs that run has been running. */
uint64_t wcow_pool_busy_ns(const struct wcow_pool *pool);
/** Runs what waits, then ends the threads. */
void wcow_pool_free(struct wcow_pool *pool);
WCOW_DEFINE_CLEANUP(struct wcow_pool, wcow_pool_free)

#endif
