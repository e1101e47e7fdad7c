/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WCOW_BASE_CLEANUP_H
#define WCOW_BASE_CLEANUP_H

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* A variable may be there for its cleanup alone: clang would call it unused. */
#define WCOW_CLEANUP(fn) __attribute__((cleanup(fn), unused))

static inline void wcow_freep_(void *p)
{
    free(*(void **)p);
}

static inline void wcow_closep_(int *fd)
{
    int saved = errno;
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
    errno = saved;
}

#define wcow_autofree  WCOW_CLEANUP(wcow_freep_)
#define wcow_autoclose WCOW_CLEANUP(wcow_closep_)

/* Define fn_p(), the cleanup callback of a type freed by fn(). */
#define WCOW_DEFINE_CLEANUP(type, fn)                                                              \
    static inline void fn##_p(type **p)                                                            \
    {                                                                                              \
        fn(*p);                                                                                    \
        *p = NULL;                                                                                 \
    }

#define WCOW_TAKE_PTR(p)                                                                           \
    __extension__({                                                                                \
        __typeof__(p) wcow_taken_ = (p);                                                           \
        (p) = NULL;                                                                                \
        wcow_taken_;                                                                               \
    })
#define WCOW_TAKE_FD(fd)                                                                           \
    __extension__({                                                                                \
        int wcow_taken_ = (fd);                                                                    \
        (fd) = -1;                                                                                 \
        wcow_taken_;                                                                               \
    })

#endif
