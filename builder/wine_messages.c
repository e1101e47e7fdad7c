/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/wine_messages.h"

#include <string.h>

enum { THREAD_DIGITS = 4, MAX_NAME = 300 };

/* 0158:fixme:file:CreateSymbolicLinkW (L"C:\\l" L"C:\\f" 0): stub */
static const char begin[] = ":fixme:file:";
static const char link_begin[] = "CreateSymbolicLinkW (L\"";
static const char link_end[] = "): stub";

/* The text up to its quote, each backslash once. */
static void add_name(const char *text, struct wcow_buf *link)
{
    for (const char *p = text; *p && *p != '"' && link->len < MAX_NAME; p++) {
        p += *p == '\\' && (p[1] == '\\' || p[1] == '"');
        if (wcow_buf_add(link, p, 1, NULL) < 0)
            return;
    }
}

static bool is_of_link(const char *what)
{
    const size_t len = strlen(what);
    return len > strlen(link_begin) + strlen(link_end) &&
           strncmp(what, link_begin, strlen(link_begin)) == 0 &&
           strcmp(what + len - strlen(link_end), link_end) == 0;
}

/* What a program writes without an end of line may stand before it. */
bool wcow_wine_message_take(const char *line, struct wcow_buf *link)
{
    const char *message = strstr(line, begin);
    if (!message || message - line < THREAD_DIGITS ||
        strspn(message - THREAD_DIGITS, "0123456789abcdef") != (size_t)THREAD_DIGITS)
        return false;
    const char *what = message + strlen(begin);
    if (link->len == 0 && is_of_link(what))
        add_name(what + strlen(link_begin), link);
    return message - line == THREAD_DIGITS;
}
