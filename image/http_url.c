/* SPDX-License-Identifier: Apache-2.0 */
/** @file http_url.c
 *  URLs of image/http.h: resolved, compared, escaped. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "image/curl.h"
#include "image/http.h"

static int url_nomem(struct wcow_error *err)
{
    return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a URL");
}

static char *part_of(const struct wcow_curl *curl, CURLU *url, CURLUPart part, unsigned flags)
{
    char *text = NULL;
    if (curl->url_get(url, part, &text, flags) != CURLUE_OK)
        return NULL;
    char *copy = strdup(text);
    curl->free(text);
    return copy;
}

int wcow_http_resolve_url(const char *base, const char *location, char **ret,
                          struct wcow_error *err)
{
    const struct wcow_curl *curl = NULL;
    int r = wcow_curl_load(&curl, err);
    if (r < 0)
        return r;
    CURLU *url = curl->url();
    if (!url)
        return url_nomem(err);
    CURLUcode code = curl->url_set(url, CURLUPART_URL, base, 0);
    if (code == CURLUE_OK)
        code = curl->url_set(url, CURLUPART_URL, location, 0);
    /* Whoever names a user in a URL wants to be sent credentials, or to pass for another host. */
    (void)curl->url_set(url, CURLUPART_USER, NULL, 0);
    (void)curl->url_set(url, CURLUPART_PASSWORD, NULL, 0);
    wcow_autofree char *scheme = code == CURLUE_OK ? part_of(curl, url, CURLUPART_SCHEME, 0) : NULL;
    wcow_autofree char *full = code == CURLUE_OK ? part_of(curl, url, CURLUPART_URL, 0) : NULL;
    curl->url_cleanup(url);
    if (!scheme || !full || (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0))
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "\"%s\" is not an http or https URL",
                         wcow_http_shown(location).text);
    *ret = WCOW_TAKE_PTR(full);
    return WCOW_OK;
}

/* "https://host:port", the port always said: the same for the same server. */
static int origin_of(const char *url_text, char **ret, struct wcow_error *err)
{
    const struct wcow_curl *curl = NULL;
    int r = wcow_curl_load(&curl, err);
    if (r < 0)
        return r;
    CURLU *url = curl->url();
    if (!url)
        return url_nomem(err);
    CURLUcode code = curl->url_set(url, CURLUPART_URL, url_text, 0);
    wcow_autofree char *scheme = code == CURLUE_OK ? part_of(curl, url, CURLUPART_SCHEME, 0) : NULL;
    wcow_autofree char *host = code == CURLUE_OK ? part_of(curl, url, CURLUPART_HOST, 0) : NULL;
    wcow_autofree char *port =
        code == CURLUE_OK ? part_of(curl, url, CURLUPART_PORT, CURLU_DEFAULT_PORT) : NULL;
    curl->url_cleanup(url);
    if (!scheme || !host || !port)
        return WCOW_FAIL(err, WCOW_E_INVALID, "\"%s\" is not a URL",
                         wcow_http_shown(url_text).text);
    for (char *s = host; *s; s++)
        if (*s >= 'A' && *s <= 'Z')
            *s = (char)(*s + ('a' - 'A'));
    char *origin = NULL;
    if (asprintf(&origin, "%s://%s:%s", scheme, host, port) < 0)
        return url_nomem(err);
    *ret = origin;
    return WCOW_OK;
}

int wcow_http_same_origin(const char *a, const char *b, bool *ret, struct wcow_error *err)
{
    wcow_autofree char *origin_a = NULL;
    wcow_autofree char *origin_b = NULL;
    int r = origin_of(a, &origin_a, err);
    if (r == WCOW_OK)
        r = origin_of(b, &origin_b, err);
    if (r == WCOW_OK)
        *ret = strcmp(origin_a, origin_b) == 0;
    return r;
}

struct wcow_http_shown wcow_http_shown(const char *url)
{
    struct wcow_http_shown shown;
    const char *host = strstr(url, "://");
    size_t scheme_len = host ? (size_t)(host + 3 - url) : 0;
    const char *rest = url + scheme_len;
    const char *at = memchr(rest, '@', strcspn(rest, "/?#"));
    /* ssh://git@host names no secret. */
    bool has_login =
        at && host && (strncmp(url, "http", 4) == 0 || memchr(rest, ':', (size_t)(at - rest)));
    if (has_login)
        rest = at;
    (void)snprintf(shown.text, sizeof(shown.text), "%.*s%s%.*s",
                   (int)(scheme_len < 16 ? scheme_len : 16), url, has_login ? "xxxxx" : "",
                   (int)strcspn(rest, "?"), rest);
    return shown;
}

/* Of a URL, @p host after its "://". */
static bool is_http(const char *text, const char *host)
{
    const size_t before = (size_t)(host - text) - strlen("://");
    return (before >= 4 && strncasecmp(text + before - 4, "http", 4) == 0) ||
           (before >= 5 && strncasecmp(text + before - 5, "https", 5) == 0);
}

size_t wcow_http_mask_logins(char *text, size_t len)
{
    enum { MASK_BYTES = 5 };
    static const char ends[] = "/?#\\ \t\r\n\"'`<>|";
    char *p = text;
    while ((p = memmem(p, len - (size_t)(p - text), "://", 3))) {
        p += strlen("://");
        size_t n = 0;
        while ((size_t)(p - text) + n < len && !memchr(ends, p[n], sizeof(ends)))
            n++;
        const char *at = memrchr(p, '@', n);
        const size_t login = at ? (size_t)(at - p) : 0;
        if (login == 0 || (!is_http(text, p) && !memchr(p, ':', login)))
            continue;
        const size_t kept = login < MASK_BYTES ? login : MASK_BYTES;
        memset(p, 'x', kept);
        memmove(p + kept, at, len - (size_t)(at - text));
        len -= login - kept;
        text[len] = '\0';
    }
    return len;
}

int wcow_http_escape(const char *text, struct wcow_buf *out, struct wcow_error *err)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
    int r = WCOW_OK;
    for (; r == WCOW_OK && *text; text++)
        r = strchr(plain, *text) ? wcow_buf_add(out, text, 1, err)
                                 : wcow_buf_addf(out, err, "%%%02X", (unsigned char)*text);
    return r;
}
