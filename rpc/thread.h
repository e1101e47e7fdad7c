/* SPDX-License-Identifier: Apache-2.0 */
/** @file thread.h
 *  Threads that take no signals: those are the main thread's. */
#ifndef WCOW_RPC_THREAD_H
#define WCOW_RPC_THREAD_H

#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "base/error.h"

WCOW_NODISCARD static inline int wcow_thread_start(pthread_t *thread, void *(*run)(void *),
                                                   void *arg, struct wcow_error *err)
{
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int r = pthread_create(thread, NULL, run, arg);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (r == 0)
        return WCOW_OK;
    return wcow_error_set(err, __FILE__, __LINE__, WCOW_E_LIMIT, r,
                          "cannot start a thread (is a limit on tasks reached?)");
}

#endif
