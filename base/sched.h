/* SPDX-License-Identifier: Apache-2.0 */
/** @file sched.h
 *  How threads that work for each other share the processors. */
#ifndef WCOW_BASE_SCHED_H
#define WCOW_BASE_SCHED_H

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>

/** The calling thread has its share as before, but does not push aside whoever runs when there is
 *  work for it: a thread that many are fed by is not interrupted by those that it wakes. Under
 *  another policy than the usual one nothing is changed.
 *  @return whether it was, for wcow_sched_batch_end() */
static inline bool wcow_sched_batch(void)
{
    struct sched_param param = {0};
    int policy = SCHED_OTHER;
    return pthread_getschedparam(pthread_self(), &policy, &param) == 0 && policy == SCHED_OTHER &&
           pthread_setschedparam(pthread_self(), SCHED_BATCH, &param) == 0;
}

static inline void wcow_sched_batch_end(bool was_changed)
{
    const struct sched_param param = {0};
    if (was_changed)
        (void)pthread_setschedparam(pthread_self(), SCHED_OTHER, &param);
}

#endif
