/* SPDX-License-Identifier: Apache-2.0 */
/** @file jobs.h
 *  Small pieces of work that are done later but in order, by whoever comes first: a thread that has
 *  nothing else to do, which is called where many wait, or the one that gives them, where it needs
 *  them done. So they cost no switch of threads where they come one by one, and go on beside their
 *  giver where they come in a row. One giver. */
#ifndef WCOW_DIFFER_JOBS_H
#define WCOW_DIFFER_JOBS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "base/error.h"

struct wcow_jobs;

struct wcow_job_ops {
    /** One at a time, on any thread. After one that failed no other is done. */
    int (*run)(void *ctx, void *job, struct wcow_error *err);
    void (*free)(void *job); /**< once, done or not */
    void (*call)(void *ctx); /**< many wait: who has nothing else to do may help; by the giver */
};

/** @param ops, ctx borrowed */
WCOW_NODISCARD int wcow_jobs_new(const struct wcow_job_ops *ops, void *ctx, struct wcow_jobs **ret,
                                 struct wcow_error *err);
/** Give a job away, also on an error. Where too much waits that is done first. @param bytes that
 *  the job holds
 *  @return WCOW_OK, or the error of a job before it */
WCOW_NODISCARD int wcow_jobs_add(struct wcow_jobs *jobs, void *job, size_t bytes,
                                 struct wcow_error *err);
/** Do the next one, on any thread; false where there is none, or somebody is at one. */
bool wcow_jobs_help(struct wcow_jobs *jobs);
/** Until all are done. What they touch is the caller's then, until it adds another.
 *  @return WCOW_OK, or the error of the first that failed, again each time */
WCOW_NODISCARD int wcow_jobs_settle(struct wcow_jobs *jobs, struct wcow_error *err);
/** What still waits need not be done any more. NULL allowed. */
void wcow_jobs_free(struct wcow_jobs *jobs);
WCOW_DEFINE_CLEANUP(struct wcow_jobs, wcow_jobs_free)

#endif
