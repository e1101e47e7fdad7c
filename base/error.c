/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/utf.h"

#undef wcow_error_set /* see the header */
#undef wcow_error_wrap

int wcow_error_set(struct wcow_error *err, const char *file, int line, int code, int sys_errno,
                   const char *fmt, ...)
{
    if (!err)
        return code;
    *err = (struct wcow_error){.code = code, .sys_errno = sys_errno, .file = file, .line = line};

    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
    va_end(ap);
    size_t used = n < 0 ? 0 : (size_t)n;
    if (sys_errno && used < sizeof(err->msg)) {
        char buf[64];
        (void)snprintf(err->msg + used, sizeof(err->msg) - used, ": %s",
                       strerror_r(sys_errno, buf, sizeof(buf)));
    }
    wcow_utf8_tame(err->msg, strlen(err->msg));
    return code;
}

int wcow_error_wrap(int code, struct wcow_error *err, const char *fmt, ...)
{
    if (!err)
        return code;
    char old[sizeof(err->msg)];
    memcpy(old, err->msg, sizeof(old));

    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
    va_end(ap);
    size_t used = n < 0 ? 0 : (size_t)n;
    if (used + 2 < sizeof(err->msg))
        (void)snprintf(err->msg + used, sizeof(err->msg) - used, ": %.*s",
                       (int)(sizeof(err->msg) - used - 3), old);
    wcow_utf8_tame(err->msg, strlen(err->msg));
    return code;
}
