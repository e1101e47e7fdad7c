/* SPDX-License-Identifier: Apache-2.0 */
/** @file cond.h
 *  Waiting on a condition for a while at most, on the monotonic clock: whoever sets the time makes
 *  nobody wait longer. Conditions are initialised with no attributes. */
#ifndef WCOW_BASE_COND_H
#define WCOW_BASE_COND_H

#include <pthread.h>
#include <time.h>

/** So many milliseconds from now. */
static inline struct timespec wcow_after_ms(unsigned ms)
{
    struct timespec at = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += ms / 1000;
    at.tv_nsec += (long)(ms % 1000) * 1000000L;
    if (at.tv_nsec >= 1000000000L) {
        at.tv_nsec -= 1000000000L;
        at.tv_sec++;
    }
    return at;
}

/** Until @p cond is signalled, or that time has come. @return 0, or ETIMEDOUT */
static inline int wcow_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *mutex,
                                       const struct timespec *until)
{
    return pthread_cond_clockwait(cond, mutex, CLOCK_MONOTONIC, until);
}

/** Until @p cond is signalled, or @p ms are over: to look now and then at something that can wake
 *  nobody, as a signal handler's flag. */
static inline void wcow_cond_wait_ms(pthread_cond_t *cond, pthread_mutex_t *mutex, unsigned ms)
{
    const struct timespec until = wcow_after_ms(ms);
    (void)wcow_cond_wait_until(cond, mutex, &until);
}

#endif
