/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/remote.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum { SETTLED_S = 60 }; /* a server's clock may be ahead of ours by as much */

bool wcow_remote_is_http(const char *source)
{
    return strncasecmp(source, "http://", 7) == 0 || strncasecmp(source, "https://", 8) == 0;
}

void wcow_remote_file_done(struct wcow_remote_file *file)
{
    free(file->name);
    wcow_payload_done(&file->payload);
    wcow_spool_free(file->spool);
    wcow_remote_known_done(&file->said);
    *file = (struct wcow_remote_file){0};
}

/* ---- its name ---- */

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void unescape(char *text)
{
    char *out = text;
    for (const char *p = text; *p; p++) {
        bool is_escape = *p == '%' && hex(p[1]) >= 0 && hex(p[2]) >= 0;
        int byte = is_escape ? hex(p[1]) * 16 + hex(p[2]) : 0;
        if (byte > 0) {
            *out++ = (char)byte;
            p += 2;
        } else {
            *out++ = *p;
        }
    }
    *out = '\0';
}

int wcow_remote_name(const char *url, char **ret, struct wcow_error *err)
{
    const char *path = strstr(url, "://");
    path = path ? path + 3 : url;
    path += strcspn(path, "/?#");
    size_t len = strcspn(path, "?#");
    while (len > 0 && path[len - 1] == '/')
        len--;
    size_t start = len;
    while (start > 0 && path[start - 1] != '/')
        start--;
    char *name = strndup(path + start, len - start);
    if (!name)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a URL");
    unescape(name);
    /* What was an escaped separator is none in a name. */
    if (!*name || strpbrk(name, "/\\") || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
        free(name);
        name = strdup("__unnamed__");
    }
    *ret = name;
    return name ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a URL");
}

/* ---- what was said of it ---- */

void wcow_remote_known_done(struct wcow_remote_known *known)
{
    free(known->etag);
    free(known->modified);
    *known = (struct wcow_remote_known){0};
}

bool wcow_remote_date_counts(const struct wcow_remote_known *known)
{
    return known->modified && known->mtime_s > 0 &&
           known->mtime_s < (int64_t)time(NULL) - SETTLED_S;
}

/* "<digest> <place> <time>", and a line each for ETag and Last-Modified, empty for none. */
int wcow_remote_known_write(const struct wcow_remote_known *known, struct wcow_buf *out,
                            struct wcow_error *err)
{
    return wcow_buf_addf(out, err, "%s %s %" PRId64 "\n%s\n%s\n", known->digest.text,
                         known->place.text, known->mtime_s, known->etag ? known->etag : "",
                         known->modified ? known->modified : "");
}

static bool take_digest(const char **text, struct wcow_digest *ret)
{
    size_t len = strcspn(*text, " \n");
    if (len != WCOW_DIGEST_LEN)
        return false;
    memcpy(ret->text, *text, len);
    ret->text[len] = '\0';
    *text += len + strspn(*text + len, " ");
    return wcow_digest_is_valid(ret->text);
}

static bool take_line(const char **text, char **ret)
{
    size_t len = strcspn(*text, "\n");
    if ((*text)[len] != '\n')
        return false;
    *ret = len ? strndup(*text, len) : NULL;
    *text += len + 1;
    return !len || *ret;
}

bool wcow_remote_known_read(const char *text, struct wcow_remote_known *ret)
{
    struct wcow_remote_known known = {0};
    char *end = NULL;
    if (!take_digest(&text, &known.digest) || !take_digest(&text, &known.place))
        return false;
    known.mtime_s = strtoll(text, &end, 10);
    if (*end != '\n')
        return false;
    text = end + 1;
    if (!take_line(&text, &known.etag) || !take_line(&text, &known.modified)) {
        wcow_remote_known_done(&known);
        return false;
    }
    *ret = known;
    return true;
}
