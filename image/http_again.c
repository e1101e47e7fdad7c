/* SPDX-License-Identifier: Apache-2.0 */
/* For those who send a request again: elsewhere, or later. */
#include <time.h>

#include "image/http.h"

enum { STEP_MS = 50 };

bool wcow_http_is_redirect(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static bool is_set(const atomic_bool *flag)
{
    return flag && atomic_load(flag);
}

int wcow_http_pause(int64_t ms, const atomic_bool *const cancelled[2], struct wcow_error *err)
{
    for (;;) {
        if (is_set(cancelled[0]) || is_set(cancelled[1]))
            return WCOW_FAIL(err, WCOW_E_CANCELLED, "cancelled");
        if (ms <= 0)
            return WCOW_OK;
        int64_t step = ms < STEP_MS ? ms : STEP_MS;
        const struct timespec t = {.tv_nsec = (long)step * 1000000};
        (void)nanosleep(&t, NULL);
        ms -= step;
    }
}
