/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WCOW_TEST_H
#define WCOW_TEST_H
/* cmocka 1.1 wants these four first, in this order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "base/error.h"

/* clang's analyzer does not know that a failed assertion does not return. */
#ifdef __clang_analyzer__
#undef fail_msg
#undef assert_non_null
#define fail_msg(...)                                                                              \
    do {                                                                                           \
        print_error(__VA_ARGS__);                                                                  \
        __builtin_unreachable();                                                                   \
    } while (0)
#define assert_non_null(p)                                                                         \
    do {                                                                                           \
        if (!(p))                                                                                  \
            __builtin_unreachable();                                                               \
    } while (0)
#endif

#define assert_ok(expr)                                                                            \
    do {                                                                                           \
        struct wcow_error err = {0};                                                               \
        int r_ = (expr);                                                                           \
        if (r_ != WCOW_OK)                                                                         \
            fail_msg("%s: %d: %s", #expr, r_, err.msg);                                            \
    } while (0)
/* The return value, the code in err and a non-empty message must agree. */
#define assert_fails(expr, want)                                                                   \
    do {                                                                                           \
        struct wcow_error err = {0};                                                               \
        assert_int_equal((expr), (want));                                                          \
        assert_int_equal(err.code, (want));                                                        \
        assert_true(err.msg[0] != '\0');                                                           \
    } while (0)
/** For a test that this machine cannot run: said, and a failure where all of them have to run. */
#define cannot_run(why)                                                                            \
    do {                                                                                           \
        if (getenv("CI")) /* NOLINT(concurrency-mt-unsafe) */                                      \
            fail_msg("cannot run here: %s", why);                                                  \
        print_message("not run: %s\n", why);                                                       \
        skip();                                                                                    \
    } while (0)

#endif
