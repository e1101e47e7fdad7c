/* SPDX-License-Identifier: Apache-2.0 */
/* --add-host: lines for the hosts file of a RUN, hosts(5). */
#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

#include "builder/run.h"

enum { NAME_MAX_BYTES = 253, ADDRESS_MAX_BYTES = INET6_ADDRSTRLEN };

static bool is_name(const char *text, size_t len)
{
    bool is = len > 0 && len <= NAME_MAX_BYTES;
    for (size_t i = 0; is && i < len; i++)
        is = isalnum((unsigned char)text[i]) || text[i] == '-' || text[i] == '.' || text[i] == '_';
    return is;
}

/* IPv4 or IPv6; the latter may stand in brackets. */
static bool take_address(const char *text, char ret[static ADDRESS_MAX_BYTES + 1])
{
    unsigned char bytes[sizeof(struct in6_addr)];
    size_t len = strlen(text);
    bool has_brackets = len > 2 && text[0] == '[' && text[len - 1] == ']';
    text += has_brackets;
    len -= has_brackets ? 2 : 0;
    if (len == 0 || len > ADDRESS_MAX_BYTES)
        return false;
    memcpy(ret, text, len);
    ret[len] = '\0';
    return inet_pton(AF_INET6, ret, bytes) == 1 ||
           (!has_brackets && inet_pton(AF_INET, ret, bytes) == 1);
}

int wcow_run_host_add(const char *text, struct wcow_buf *lines, struct wcow_error *err)
{
    size_t len = strcspn(text, "=:");
    char address[ADDRESS_MAX_BYTES + 1];
    if (!is_name(text, len) || !text[len])
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "--add-host %s: it is NAME=ADDRESS, or NAME:ADDRESS as with docker", text);
    if (!take_address(text + len + 1, address))
        return WCOW_FAIL(err, WCOW_E_INVALID, "--add-host %s: \"%s\" is no IP address", text,
                         text + len + 1);
    return wcow_buf_addf(lines, err, "%s\t%.*s\n", address, (int)len, text);
}
