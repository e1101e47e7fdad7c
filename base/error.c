/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/utf.h"

#undef wcow_error_set /* see the header */
#undef wcow_error_wrap

/* Lines are broken by formats only: a newline of what is quoted, a foreign name for instance, would
 * begin a line of somebody else's. @return bytes in @p msg */
static size_t format(char *msg, size_t size, const char *fmt, va_list ap) WCOW_PRINTF(3, 0);

static size_t format(char *msg, size_t size, const char *fmt, va_list ap)
{
    if (vsnprintf(msg, size, fmt, ap) < 0)
        msg[0] = '\0';
    for (char *p = msg; !strchr(fmt, '\n') && (p = strchr(p, '\n'));)
        *p = '?';
    size_t len = strlen(msg);
    wcow_utf8_tame(msg, len);
    return len;
}

int wcow_error_set(struct wcow_error *err, const char *file, int line, int code, int sys_errno,
                   const char *fmt, ...)
{
    if (!err)
        return code;
    struct wcow_error set = {.code = code, .sys_errno = sys_errno, .file = file, .line = line};
    va_list ap;
    va_start(ap, fmt);
    size_t used = format(set.msg, sizeof(set.msg), fmt, ap);
    va_end(ap);
    if (sys_errno) {
        char buf[64];
        (void)snprintf(set.msg + used, sizeof(set.msg) - used, ": %s",
                       strerror_r(sys_errno, buf, sizeof(buf)));
    }
    *err = set;
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
    size_t used = format(err->msg, sizeof(err->msg), fmt, ap);
    va_end(ap);
    if (used + 2 < sizeof(err->msg))
        (void)snprintf(err->msg + used, sizeof(err->msg) - used, ": %.*s",
                       (int)(sizeof(err->msg) - used - 3), old);
    return code;
}
