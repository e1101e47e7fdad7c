/* SPDX-License-Identifier: Apache-2.0 */
/** @file sched.h
 *  How threads that work for each other share the processors. */
#ifndef WCOW_BASE_SCHED_H
#define WCOW_BASE_SCHED_H

#include <pthread.h>
#include <sched.h>

/** The calling thread has its share as before, but does not push aside whoever runs when there is
 *  work for it: a thread that feeds others is not interrupted by those that it wakes. Under another
 *  policy than the usual one nothing is changed; where it cannot be, nothing is lost but time. */
static inline void wcow_sched_batch(void)
{
    struct sched_param param = {0};
    int policy = SCHED_OTHER;
    if (pthread_getschedparam(pthread_self(), &policy, &param) == 0 && policy == SCHED_OTHER)
        (void)pthread_setschedparam(pthread_self(), SCHED_BATCH, &param);
}

#endif
