/* SPDX-License-Identifier: Apache-2.0 */
/* What each fuzz target defines, and a check that stays in release builds. */
#ifndef WCOW_FUZZ_H
#define WCOW_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Call it for its crashes only. */
#define FUZZ_TRY(expr)                                                                             \
    do {                                                                                           \
        int ignored_ = (expr);                                                                     \
        (void)ignored_;                                                                            \
    } while (0)

#define FUZZ_CHECK(condition)                                                                      \
    do {                                                                                           \
        if (!(condition))                                                                          \
            abort();                                                                               \
    } while (0)

#endif
