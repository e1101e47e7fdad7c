/* SPDX-License-Identifier: Apache-2.0 */
/** @file error.h
 *  Error values: a code to act on, plus one message for people. */
#ifndef WCOW_BASE_ERROR_H
#define WCOW_BASE_ERROR_H

#include <errno.h>

#define WCOW_NODISCARD         __attribute__((warn_unused_result))
#define WCOW_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

enum wcow_code {
    WCOW_OK = 0,
    WCOW_E_NOMEM = -1,
    WCOW_E_INVALID = -2,
    WCOW_E_NOT_FOUND = -3,
    WCOW_E_EXISTS = -4,
    WCOW_E_PRECONDITION = -5,
    WCOW_E_UNSUPPORTED = -6,
    WCOW_E_CORRUPT = -7,
    WCOW_E_LIMIT = -8,
    WCOW_E_CANCELLED = -9,
    WCOW_E_IO = -10,
    WCOW_E_INTERNAL = -11,
    WCOW_E_UNAVAILABLE = -12, /* the other side is away; trying again may help */
    WCOW_E_DEADLINE = -13,
    WCOW_E_DENIED = -14,
    WCOW_E_DATA_LOSS = -15, /* bytes do not match their digest */
};

struct wcow_error {
    int code;         /* one of enum wcow_code */
    int sys_errno;    /* saved errno, 0 when none */
    const char *file; /* where it was first raised; static string */
    int line;
    /* Cut to fit. No control characters but tabs, and newlines where the format has one: what it
     * quotes breaks no line. */
    char msg[512];
};

int wcow_error_set(struct wcow_error *err, const char *file, int line, int code, int sys_errno,
                   const char *fmt, ...) WCOW_PRINTF(6, 7);
int wcow_error_wrap(int code, struct wcow_error *err, const char *fmt, ...) WCOW_PRINTF(3, 4);

/* clang's analyzer cannot see into the functions above: what they give is an error's code. */
#ifdef __clang_analyzer__
static inline int wcow_analyzer_negative(int code)
{
    if (code >= 0)
        __builtin_unreachable();
    return code;
}
#define wcow_error_set(...)  wcow_analyzer_negative(wcow_error_set(__VA_ARGS__))
#define wcow_error_wrap(...) wcow_analyzer_negative(wcow_error_wrap(__VA_ARGS__))
#endif

#define WCOW_FAIL(err, code, ...) wcow_error_set((err), __FILE__, __LINE__, (code), 0, __VA_ARGS__)
#define WCOW_FAIL_ERRNO(err, code, ...)                                                            \
    wcow_error_set((err), __FILE__, __LINE__, (code), errno, __VA_ARGS__)

#endif
