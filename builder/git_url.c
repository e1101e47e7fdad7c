/* SPDX-License-Identifier: Apache-2.0 */
/** @file git_url.c
 *  The addresses of git repositories that ADD and a build's context take: a URL with the reference
 * and the folder in its fragment, or in a query as BuildKit's git references have it. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "builder/git.h"
#include "builder/instructions_flags.h"

void wcow_git_url_done(struct wcow_git_url *url)
{
    free(url->repository);
    free(url->ref);
    free(url->folder);
    free(url->commit);
    *url = (struct wcow_git_url){0};
}

static bool starts_with(const char *text, const char *prefix)
{
    return strncasecmp(text, prefix, strlen(prefix)) == 0;
}

/* "user@host:path" */
static bool is_scp_like(const char *source)
{
    const char *at = strchr(source, '@');
    const char *colon = strchr(source, ':');
    return at && at != source && colon && at < colon && !strstr(source, "://") &&
           strcspn(source, "/\\") > (size_t)(colon - source);
}

bool wcow_git_is_url(const char *source)
{
    if (starts_with(source, "git://") || starts_with(source, "ssh://") || is_scp_like(source))
        return true;
    if (!starts_with(source, "http://") && !starts_with(source, "https://"))
        return false;
    size_t len = strcspn(source, "?#");
    return len > 4 && strncmp(source + len - 4, ".git", 4) == 0;
}

static bool could_lead_out(const char *folder)
{
    for (const char *p = folder; *p;) {
        size_t len = strcspn(p, "/");
        if (len == 2 && strncmp(p, "..", 2) == 0)
            return true;
        p += len + (p[len] == '/');
    }
    return false;
}

static int take(char **ret, const char *text, size_t len, struct wcow_error *err)
{
    if (len == 0)
        return WCOW_OK;
    *ret = strndup(text, len);
    return *ret ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a URL");
}

/* ---- the query ---- */

enum query_key {
    Q_REF,
    Q_TAG,
    Q_BRANCH,
    Q_SUBDIR,
    Q_COMMIT,
    Q_CHECKSUM,
    Q_KEEP_GIT_DIR,
    Q_SUBMODULES,
    Q_FETCH_BY_COMMIT,
    Q_MTIME,
    Q_COUNT
};

static const struct {
    const char *name;
    bool is_bool; /* and true without a value */
} query_keys[Q_COUNT] = {
    [Q_REF] = {"ref", false},
    [Q_TAG] = {"tag", false},
    [Q_BRANCH] = {"branch", false},
    [Q_SUBDIR] = {"subdir", false},
    [Q_COMMIT] = {"commit", false},
    [Q_CHECKSUM] = {"checksum", false},
    [Q_KEEP_GIT_DIR] = {"keep-git-dir", true},
    [Q_SUBMODULES] = {"submodules", true},
    [Q_FETCH_BY_COMMIT] = {"fetch-by-commit", true},
    [Q_MTIME] = {"mtime", false},
};

struct query {
    char *values[Q_COUNT]; /* NULL: not given */
};

static void query_done(struct query *q)
{
    for (size_t i = 0; i < Q_COUNT; i++)
        free(q->values[i]);
}

static int hex_digit(char c)
{
    if (!isxdigit((unsigned char)c))
        return -1;
    return isdigit((unsigned char)c) ? c - '0' : (c | 0x20) - 'a' + 10;
}

/* In place: "%2F" and "+", which is a blank. False for a "%" without two digits and for "%00". */
static bool decode(char *text)
{
    char *out = text;
    for (const char *in = text; *in; in++) {
        char c = *in;
        if (c == '+')
            c = ' ';
        if (c == '%') {
            int high = hex_digit(in[1]);
            int low = high < 0 ? -1 : hex_digit(in[2]);
            if (low < 0 || (high | low) == 0)
                return false;
            c = (char)(high << 4 | low);
            in += 2;
        }
        *out++ = c;
    }
    *out = '\0';
    return true;
}

static int take_pair(struct query *q, char *pair, struct wcow_error *err)
{
    char *equals = strchr(pair, '=');
    char *value = equals ? equals + 1 : NULL;
    size_t key = 0;
    if (equals)
        *equals = '\0';
    if (!decode(pair) || (value && !decode(value)))
        return WCOW_FAIL(err, WCOW_E_INVALID, "query \"%s\": %% wants two hexadecimal digits",
                         pair);
    while (key < Q_COUNT && strcmp(query_keys[key].name, pair) != 0)
        key++;
    if (key == Q_COUNT)
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "unexpected query \"%s\": there are ref, tag, branch, subdir, commit, "
                         "checksum, keep-git-dir, submodules, fetch-by-commit and mtime",
                         pair);
    if (q->values[key])
        return WCOW_FAIL(err, WCOW_E_INVALID, "query \"%s\" has multiple values", pair);
    bool is_empty = !value || !*value;
    if (is_empty && !query_keys[key].is_bool)
        return WCOW_FAIL(err, WCOW_E_INVALID, "query \"%s\" has no value", pair);
    q->values[key] = strdup(is_empty ? "true" : value);
    return q->values[key] ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a URL");
}

static int read_query(const char *text, size_t len, struct query *q, struct wcow_error *err)
{
    wcow_autofree char *copy = strndup(text, len);
    char *rest = copy;
    int r = copy ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a URL");
    while (r == WCOW_OK && rest) {
        char *pair = strsep(&rest, "&");
        if (*pair)
            r = take_pair(q, pair, err);
    }
    return r;
}

/* Says it a second time, or not before. */
static int agree(const char *what, char **mine, const char *prefix, const char *value,
                 struct wcow_error *err)
{
    wcow_autobuf whole = {0};
    if (!value)
        return WCOW_OK;
    bool has_prefix = strncmp(value, prefix, strlen(prefix)) == 0;
    int r = wcow_buf_addf(&whole, err, "%s%s", has_prefix ? "" : prefix, value);
    if (r < 0)
        return r;
    if (*mine)
        return strcmp(*mine, (const char *)whole.data) == 0
                   ? WCOW_OK
                   : WCOW_FAIL(err, WCOW_E_INVALID, "%s conflicts: \"%s\" vs \"%s\"", what, *mine,
                               (const char *)whole.data);
    *mine = wcow_buf_take_str(&whole);
    return *mine ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a URL");
}

static int read_bool(const struct query *q, enum query_key key, enum wcow_tristate *ret,
                     struct wcow_error *err)
{
    bool value = false;
    if (!q->values[key])
        return WCOW_OK;
    if (!wcow_parse_bool(q->values[key], &value))
        return WCOW_FAIL(err, WCOW_E_INVALID, "invalid %s value: \"%s\"", query_keys[key].name,
                         q->values[key]);
    *ret = value ? WCOW_YES : WCOW_NO;
    return WCOW_OK;
}

static bool is_full_commit(const char *text)
{
    size_t n = strspn(text, "0123456789abcdefABCDEF");
    return !text[n] && (n == 40 || n == 64);
}

/* fetch-by-commit: what the branch or tag stands for now is not asked. */
static int by_commit(const struct query *q, struct wcow_git_url *url, struct wcow_error *err)
{
    enum wcow_tristate wanted = WCOW_UNSET;
    int r = read_bool(q, Q_FETCH_BY_COMMIT, &wanted, err);
    if (r < 0 || wanted != WCOW_YES || (url->ref && is_full_commit(url->ref)))
        return r;
    if (!url->commit || !is_full_commit(url->commit))
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "fetch-by-commit wants a whole commit: checksum=, or the commit as ref");
    free(url->ref);
    url->ref = strdup(url->commit);
    return url->ref ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a URL");
}

static int apply_query(const struct query *q, struct wcow_git_url *url, struct wcow_error *err)
{
    const char *mtime = q->values[Q_MTIME];
    if (mtime && strcmp(mtime, "checkout") != 0 && strcmp(mtime, "commit") != 0)
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "invalid mtime value: \"%s\" (must be \"checkout\" or \"commit\")", mtime);
    if (q->values[Q_TAG] && q->values[Q_BRANCH])
        return WCOW_FAIL(err, WCOW_E_INVALID, "branch conflicts with tag");
    int r = agree("ref", &url->ref, "", q->values[Q_REF], err);
    if (r == WCOW_OK)
        r = agree("ref", &url->ref, "refs/tags/", q->values[Q_TAG], err);
    if (r == WCOW_OK)
        r = agree("ref", &url->ref, "refs/heads/", q->values[Q_BRANCH], err);
    if (r == WCOW_OK)
        r = agree("subdir", &url->folder, "", q->values[Q_SUBDIR], err);
    if (r == WCOW_OK)
        r = agree("commit", &url->commit, "", q->values[Q_COMMIT], err);
    if (r == WCOW_OK)
        r = agree("commit", &url->commit, "", q->values[Q_CHECKSUM], err);
    if (r == WCOW_OK)
        r = read_bool(q, Q_KEEP_GIT_DIR, &url->keep_git_dir, err);
    if (r == WCOW_OK)
        r = read_bool(q, Q_SUBMODULES, &url->submodules, err);
    return r < 0 ? r : by_commit(q, url, err);
}

/* ---- the whole ---- */

static int check(const char *source, const struct wcow_git_url *url, struct wcow_error *err)
{
    if (!url->repository || *url->repository == '-')
        return WCOW_FAIL(err, WCOW_E_INVALID, "\"%s\" is no URL of a git repository", source);
    if (url->ref && (*url->ref == '-' || strpbrk(url->ref, " \t\n~^:?*[\\")))
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "\"%s\": \"%s\" is no name of a branch, tag or commit", source, url->ref);
    if (url->folder && could_lead_out(url->folder))
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "\"%s\": \"%s\" could lead out of the repository: write it without \"..\"",
                         source, url->folder);
    return WCOW_OK;
}

int wcow_git_url_parse(const char *source, struct wcow_git_url *ret, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_git_url_done)
    struct wcow_git_url url = {.keep_git_dir = WCOW_UNSET, .submodules = WCOW_UNSET};
    WCOW_CLEANUP(query_done) struct query query = {0};
    size_t len = strcspn(source, "#");
    size_t path = strcspn(source, "?#");
    const char *fragment = source[len] ? source + len + 1 : "";
    size_t ref = strcspn(fragment, ":");
    int r = take(&url.repository, source, path, err);
    if (r == WCOW_OK)
        r = take(&url.ref, fragment, ref, err);
    if (r == WCOW_OK && fragment[ref])
        r = take(&url.folder, fragment + ref + 1, strlen(fragment + ref + 1), err);
    if (r == WCOW_OK && source[path] == '?')
        r = read_query(source + path + 1, len - path - 1, &query, err);
    if (r == WCOW_OK)
        r = apply_query(&query, &url, err);
    if (r == WCOW_OK)
        r = check(source, &url, err);
    if (r < 0)
        return r;
    *ret = url;
    url = (struct wcow_git_url){0};
    return WCOW_OK;
}
