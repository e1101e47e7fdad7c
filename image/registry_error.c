/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "image/json.h"
#include "image/registry_private.h"

enum { SAID_MAX = 200 };

static const char *status_text(int status)
{
    static const struct {
        int status;
        const char *text;
    } table[] = {
        {400, "Bad Request"},         {401, "Unauthorized"},          {403, "Forbidden"},
        {404, "Not Found"},           {405, "Method Not Allowed"},    {409, "Conflict"},
        {413, "Content Too Large"},   {416, "Range Not Satisfiable"}, {429, "Too Many Requests"},
        {500, "Internal Error"},      {501, "Not Implemented"},       {502, "Bad Gateway"},
        {503, "Service Unavailable"}, {504, "Gateway Timeout"},       {507, "Insufficient Storage"},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (table[i].status == status)
            return table[i].text;
    return "";
}

/* Foreign words on their way to a terminal: no control characters. */
static void copy_printable(char *to, size_t size, const char *from)
{
    size_t n = 0;
    for (; *from && n + 1 < size; from++)
        to[n++] = iscntrl((unsigned char)*from) ? ' ' : *from;
    to[n] = '\0';
}

/* The registry's own "CODE: message" (distribution-spec, error codes); "" when it said nothing. */
static void registry_words(const struct wcow_http_response *response, char to[SAID_MAX])
{
    to[0] = '\0';
    if (!response->body.len)
        return;
    wcow_autojson *json =
        json_loadb((const char *)response->body.data, response->body.len, 0, NULL);
    const json_t *first = json_array_get(json_object_get(json, "errors"), 0);
    const char *code = json_string_value(json_object_get(first, "code"));
    const char *message = json_string_value(json_object_get(first, "message"));
    if (!message)
        message = json_string_value(json_object_get(json, "details"));
    char words[SAID_MAX];
    (void)snprintf(words, sizeof(words), "%s%s%s", code ? code : "", code && message ? ": " : "",
                   message ? message : "");
    copy_printable(to, SAID_MAX, words);
}

static int code_of(int status)
{
    if (status == 401 || status == 403)
        return WCOW_E_DENIED;
    if (status == 404 || status == 410)
        return WCOW_E_NOT_FOUND;
    if (status == 413)
        return WCOW_E_LIMIT;
    if (status == 429 || status >= 500)
        return WCOW_E_UNAVAILABLE;
    return WCOW_E_CORRUPT;
}

/* What a user can do about a 401 or 403. */
static void login_advice(const struct wcow_call *call, const struct wcow_http_response *response,
                         const char *host, char *to, size_t size)
{
    bool refused = response->status == 401;
    if (refused && call->has_login)
        (void)snprintf(to, size,
                       "; the credentials for %s are not accepted: log in anew with `docker login "
                       "%s`, or mend docker's config.json",
                       host, host);
    else if (call->has_login)
        (void)snprintf(to, size, "; the credentials used do not allow it");
    else if (refused && call->scope && response->challenges.count == 0)
        (void)snprintf(to, size,
                       "; the answer does not say how to log in (no WWW-Authenticate); it may be "
                       "none of the registry's");
    else
        (void)snprintf(to, size,
                       "; log in with `docker login %s` or put credentials for it into docker's "
                       "config.json",
                       host);
}

/* What Go's and nginx's servers answer to plain HTTP on a port of TLS. */
static bool wants_tls(const struct wcow_call *call, const struct wcow_http_response *response)
{
    const struct wcow_buf *body = &response->body;
    return response->status == 400 && strncmp(call->url, "http:", 5) == 0 && body->len > 0 &&
           (memmem(body->data, body->len, "HTTPS server", 12) ||
            memmem(body->data, body->len, "HTTPS port", 10));
}

static const char *advice_for(const struct wcow_call *call,
                              const struct wcow_http_response *response, char *to, size_t size)
{
    const char *host = call->ref ? call->ref->host : call->host->authority;
    int status = response->status;
    to[0] = '\0';
    if (status == 401 || status == 403)
        login_advice(call, response, host, to, size);
    else if (wants_tls(call, response))
        (void)snprintf(
            to, size, "; it wants TLS: name it with https:// in the hosts.toml of %s (--hosts-dir)",
            host);
    else if (status == 404 && call->ref)
        (void)snprintf(to, size, "; check the name and the tag");
    else if (status == 429)
        (void)snprintf(to, size, "; wait a while, or log in for a higher limit");
    return to;
}

const char *wcow_registry_oddity(const struct wcow_http_response *response)
{
    const char *type = response->content_type ? response->content_type : "";
    const char *encoding = response->content_encoding ? response->content_encoding : "identity";
    if (strncasecmp(type, "text/html", strlen("text/html")) == 0)
        return "a web page was sent in its place";
    if (strcasecmp(encoding, "identity") != 0)
        return "it was sent with a Content-Encoding that nobody asked for";
    return "";
}

int wcow_registry_wrap(const struct wcow_call *call, int code, struct wcow_error *err)
{
    const char *authority = call->host->authority;
    if (call->ref && strcmp(authority, wcow_reference_api_host(call->ref->host)) == 0)
        authority = call->ref->host;
    return wcow_error_wrap(code, err, "%s%s%s: %s", authority, call->ref ? "/" : "",
                           call->ref ? call->ref->repository : "", call->what);
}

int wcow_registry_fail(const struct wcow_call *call, const struct wcow_http_response *response,
                       struct wcow_error *err)
{
    char said[SAID_MAX];
    char advice[160 + 2 * WCOW_REFERENCE_NAME_MAX];
    registry_words(response, said);
    int status = response->status;
    const char *text = status_text(status);
    int code =
        WCOW_FAIL(err, code_of(status), "HTTP %d%s%s%s%s%s", status, *text ? " " : "", text,
                  *said ? ": " : "", said, advice_for(call, response, advice, sizeof(advice)));
    return wcow_registry_wrap(call, code, err);
}
