/* SPDX-License-Identifier: Apache-2.0 */
/** @file http_date.c
 *  Times in HTTP headers (RFC 9110, 5.6.7 and 10.2.3). */
#include <stdlib.h>
#include <time.h>

#include "image/http.h"

bool wcow_http_date(const char *text, int64_t *ret_s)
{
    /* The second and the third are obsolete, and to be understood. */
    static const char *const formats[] = {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT",
                                          "%a %b %e %H:%M:%S %Y"};
    for (size_t i = 0; text && i < sizeof(formats) / sizeof(formats[0]); i++) {
        struct tm tm = {0};
        const char *end = strptime(text, formats[i], &tm);
        if (end && *end == '\0') {
            *ret_s = timegm(&tm);
            return true;
        }
    }
    return false;
}

int64_t wcow_http_retry_after_ms(const char *text, int64_t now_s)
{
    char *end = NULL;
    int64_t date_s = 0;
    if (!text)
        return 0;
    long seconds = strtol(text, &end, 10);
    if (end == text || *end != '\0')
        seconds = wcow_http_date(text, &date_s) && date_s > now_s ? date_s - now_s : 0;
    if (seconds > WCOW_HTTP_RETRY_AFTER_MAX_MS / 1000)
        return WCOW_HTTP_RETRY_AFTER_MAX_MS;
    return seconds > 0 ? (int64_t)seconds * 1000 : 0;
}
