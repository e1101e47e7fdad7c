/* SPDX-License-Identifier: Apache-2.0 */
/** @file cond.h
 *  Waiting on a condition while something that can wake nobody, as a signal handler's flag, is
 * looked at now and then. */
#ifndef WCOW_BASE_COND_H
#define WCOW_BASE_COND_H

#include <pthread.h>
#include <time.h>

/** Until @p cond is signalled, or @p ms are over. @p cond is one of the default clock. */
static inline void wcow_cond_wait_ms(pthread_cond_t *cond, pthread_mutex_t *mutex, unsigned ms)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += (long)(ms % 1000) * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_nsec -= 1000000000L;
        until.tv_sec++;
    }
    (void)pthread_cond_timedwait(cond, mutex, &until);
}

#endif
