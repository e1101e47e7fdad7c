/* SPDX-License-Identifier: Apache-2.0 */
/* gitcredentials(7), and GIT_CONFIG_COUNT of git-config(1), which git has since 2.31. */
#include "builder/git_login.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/bytes.h"
#include "image/http.h"

/* Run by a shell with what git wants of it: printf is a part of the shell, and no process. */
#define HELPER                                                                                     \
    "!f() { if test \"$1\" = get; then printf 'username=%s\\npassword=%s\\n' "                     \
    "\"$WCOW_GIT_NAME\" \"$WCOW_GIT_PASSWORD\"; fi; }; f"

enum { MAX_SETTINGS = 100000 };

struct parts {
    char *server; /* "https://host:port" */
    char *name;
    char *password; /* NULL: none is given */
};

static void parts_done(struct parts *p)
{
    free(p->server);
    free(p->name);
    free(p->password);
}

void wcow_git_login_done(struct wcow_git_login *login)
{
    free(login->repository);
    for (size_t i = 0; i < WCOW_GIT_LOGIN_SETTINGS; i++)
        free(login->settings[i]);
    for (size_t i = 0; i < WCOW_GIT_LOGIN_VARIABLES; i++)
        free(login->variables[i]);
    *login = (struct wcow_git_login){0};
}

static int nomem(struct wcow_error *err)
{
    return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a repository");
}

static int take_text(struct wcow_buf *buf, char **ret, struct wcow_error *err)
{
    *ret = wcow_buf_take_str(buf);
    return *ret ? WCOW_OK : nomem(err);
}

/* ---- the address ---- */

static int hex_digit(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : (c | 0x20) - 'a' + 10;
}

/* "%40" is '@'; what is no such number stays, as git has it. */
static int decode(const char *text, size_t len, char **ret, struct wcow_error *err)
{
    wcow_autobuf out = {0};
    int r = wcow_buf_add_str(&out, "", err);
    for (size_t i = 0; r == WCOW_OK && i < len; i++) {
        bool is_coded = text[i] == '%' && len - i > 2 && isxdigit((unsigned char)text[i + 1]) &&
                        isxdigit((unsigned char)text[i + 2]);
        int coded = is_coded ? hex_digit(text[i + 1]) << 4 | hex_digit(text[i + 2]) : 0;
        uint8_t c = is_coded ? (uint8_t)coded : (uint8_t)text[i];
        if (c < 0x20 || c == 0x7f)
            return WCOW_FAIL(err, WCOW_E_INVALID, "its login has a control character");
        r = wcow_buf_add(&out, &c, 1, err);
        i += is_coded ? 2 : 0;
    }
    return r < 0 ? r : take_text(&out, ret, err);
}

static int copy(const char *text, size_t len, char **ret, struct wcow_error *err)
{
    *ret = strndup(text, len);
    return *ret ? WCOW_OK : nomem(err);
}

/* A server's name is a part of the names of settings, on a command line that knows '='. */
static bool is_server(const char *text, size_t len)
{
    size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                            "-._~%:[]");
    return len > 0 && n >= len;
}

/* Of "https://login@host/path", @p host after the scheme. */
static int split(const char *address, const char *host, const char *at, struct parts *ret,
                 char **ret_clean, struct wcow_error *err)
{
    wcow_autobuf server = {0};
    wcow_autobuf clean = {0};
    const int scheme = (int)(host - address);
    const size_t login = (size_t)(at - host);
    const size_t name = strcspn(host, ":@");
    const size_t len = strcspn(at + 1, "/?#");
    if (!is_server(at + 1, len))
        return WCOW_FAIL(err, WCOW_E_INVALID, "it names no server");
    int r = wcow_buf_addf(&clean, err, "%.*s%s", scheme, address, at + 1);
    if (r == WCOW_OK)
        r = wcow_buf_addf(&server, err, "%.*s%.*s", scheme, address, (int)len, at + 1);
    if (r == WCOW_OK)
        r = decode(host, name < login ? name : login, &ret->name, err);
    if (r == WCOW_OK && name < login)
        r = decode(host + name + 1, login - name - 1, &ret->password, err);
    if (r == WCOW_OK)
        r = take_text(&server, &ret->server, err);
    return r < 0 ? r : take_text(&clean, ret_clean, err);
}

/* ---- what git is told ---- */

static int add_text(char **list, size_t max, struct wcow_buf *text, struct wcow_error *err)
{
    size_t n = 0;
    while (n < max && list[n])
        n++;
    return n == max ? WCOW_FAIL(err, WCOW_E_LIMIT, "too many settings for git")
                    : take_text(text, &list[n], err);
}

static int add_setting(struct wcow_git_login *login, const struct parts *p, const char *helper,
                       struct wcow_error *err)
{
    wcow_autobuf text = {0};
    int r = wcow_buf_addf(&text, err, "credential.%s.helper=%s", p->server, helper);
    return r < 0 ? r : add_text(login->settings, WCOW_GIT_LOGIN_SETTINGS, &text, err);
}

static int add_variable(struct wcow_git_login *login, const char *name, const char *value,
                        struct wcow_error *err)
{
    wcow_autobuf text = {0};
    int r = wcow_buf_addf(&text, err, "%s=%s", name, value);
    return r < 0 ? r : add_text(login->variables, WCOW_GIT_LOGIN_VARIABLES, &text, err);
}

/* Which of several logins for the server the caller's helpers are to give: after the settings that
 * the caller has in the environment. A name may be a token, and is on no command line either. */
static int add_name_hint(struct wcow_git_login *login, const struct parts *p,
                         struct wcow_error *err)
{
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody changes the environment
    const char *count = getenv("GIT_CONFIG_COUNT");
    const unsigned long before = count ? strtoul(count, NULL, 10) : 0;
    wcow_autobuf key = {0};
    wcow_autobuf value = {0};
    wcow_autobuf number = {0};
    if (before > MAX_SETTINGS)
        return WCOW_OK; /* git says what is wrong with that */
    int r = wcow_buf_addf(&number, err, "GIT_CONFIG_COUNT=%lu", before + 1);
    if (r == WCOW_OK)
        r = wcow_buf_addf(&key, err, "GIT_CONFIG_KEY_%lu=credential.%s.username", before,
                          p->server);
    if (r == WCOW_OK)
        r = wcow_buf_addf(&value, err, "GIT_CONFIG_VALUE_%lu=%s", before, p->name);
    struct wcow_buf *const texts[] = {&number, &key, &value};
    for (size_t i = 0; r == WCOW_OK && i < sizeof(texts) / sizeof(texts[0]); i++)
        r = add_text(login->variables, WCOW_GIT_LOGIN_VARIABLES, texts[i], err);
    return r;
}

/* A whole login is that which counts; to a name alone the caller's helpers may know a password, and
 * a token wants none. */
static int tell_git(struct wcow_git_login *login, const struct parts *p, struct wcow_error *err)
{
    int r = p->password ? add_setting(login, p, "", err) : add_name_hint(login, p, err);
    if (r == WCOW_OK)
        r = add_setting(login, p, HELPER, err);
    if (r == WCOW_OK)
        r = add_variable(login, "WCOW_GIT_NAME", p->name, err);
    return r < 0 ? r
                 : add_variable(login, "WCOW_GIT_PASSWORD", p->password ? p->password : "", err);
}

static int take(const char *address, struct wcow_git_login *login, struct wcow_error *err)
{
    WCOW_CLEANUP(parts_done) struct parts p = {0};
    const char *host = strstr(address, "://");
    host = host ? host + strlen("://") : NULL;
    const char *at = host ? memrchr(host, '@', strcspn(host, "/?#")) : NULL;
    if (!at)
        return copy(address, strlen(address), &login->repository, err);
    if (strncasecmp(address, "http", 4) != 0)
        return memchr(host, ':', (size_t)(at - host))
                   ? WCOW_FAIL(err, WCOW_E_INVALID,
                               "there are passwords in addresses of http:// and https:// only")
                   : copy(address, strlen(address), &login->repository, err);
    int r = split(address, host, at, &p, &login->repository, err);
    return r < 0 ? r : tell_git(login, &p, err);
}

int wcow_git_login_take(const char *address, struct wcow_git_login *ret, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_git_login_done) struct wcow_git_login login = {0};
    int r = take(address, &login, err);
    if (r < 0)
        return r;
    *ret = login;
    login = (struct wcow_git_login){0};
    return WCOW_OK;
}

bool wcow_git_login_replaces(const struct wcow_git_login *login, const char *variable)
{
    bool does = false;
    const size_t len = strcspn(variable, "=");
    for (size_t i = 0; !does && i < WCOW_GIT_LOGIN_VARIABLES && login->variables[i]; i++)
        does = strcspn(login->variables[i], "=") == len &&
               strncmp(login->variables[i], variable, len) == 0;
    return does;
}
