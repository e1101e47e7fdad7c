/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/git.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/dir_tree.h"
#include "builder/git_kept.h"
#include "builder/git_run.h"
#include "image/http.h"

/* ---- a commit ---- */

static bool is_hexadecimal(const char *text)
{
    size_t n = strspn(text, "0123456789abcdefABCDEF");
    return n >= 7 && !text[n];
}

/* One commit without its history; with it from a server that cannot else; and all there is where
 * none goes by that name, which may be the abbreviation of a commit's. */
static int fetch(const struct wcow_git_run *git, const struct wcow_git_url *url,
                 struct wcow_error *err)
{
    const char *ref = url->ref ? url->ref : "HEAD";
    const char *const from = git->login.repository;
    const char *const shallow[] = {"fetch", "-q", "--depth=1", "--no-tags", "--", from, ref, NULL};
    const char *const deep[] = {"fetch", "-q", "--no-tags", "--", from, ref, NULL};
    const char *const all[] = {
        "fetch", "-q", "--tags", "--", from, "+refs/heads/*:refs/remotes/origin/*", NULL};
    const char *const fetched[] = {"checkout", "-q", "--detach", "FETCH_HEAD", NULL};
    const char *const named[] = {"checkout", "-q", "--detach", ref, NULL};
    int r = wcow_git_run_quietly(git, shallow, err);
    if (r == WCOW_E_IO && wcow_git_run_quietly(git, deep, NULL) == WCOW_OK)
        r = WCOW_OK;
    if (r == WCOW_OK)
        return wcow_git_run_quietly(git, fetched, err);
    if (r != WCOW_E_IO || !is_hexadecimal(ref) || wcow_git_run_quietly(git, all, NULL) < 0)
        return r;
    return wcow_git_run_quietly(git, named, err);
}

static bool begins_as(const char *commit, const char *wanted)
{
    return strlen(wanted) >= 7 && strncasecmp(commit, wanted, strlen(wanted)) == 0;
}

/* An annotated tag has a digest of its own, which will do as well where the tag is of @p commit:
 * what was fetched last may be more than was asked for. */
static bool is_of_tag(const struct wcow_git_run *git, const char *commit, const char *wanted)
{
    static const char *const args[] = {"rev-parse", "FETCH_HEAD", "FETCH_HEAD^{commit}", NULL};
    wcow_autobuf out = {0};
    if (wcow_git_run(git, args, &out, NULL) < 0 || out.len == 0)
        return false;
    const char *fetched = (const char *)out.data;
    const char *its_commit = strchr(fetched, '\n');
    return its_commit && strcmp(its_commit + 1, commit) == 0 && begins_as(fetched, wanted);
}

static int check_commit(const struct wcow_git_run *git, const char *wanted, char ret[static 65],
                        struct wcow_error *err)
{
    static const char *const args[] = {"rev-parse", "HEAD", NULL};
    wcow_autobuf out = {0};
    int r = wcow_git_run(git, args, &out, err);
    if (r < 0)
        return r;
    if (out.len == 0 || out.len > 64)
        return WCOW_FAIL(err, WCOW_E_CORRUPT, "git names no commit");
    memcpy(ret, out.data, out.len + 1);
    if (!wanted || begins_as(ret, wanted))
        return WCOW_OK;
    if (is_of_tag(git, ret, wanted))
        return WCOW_OK;
    return WCOW_FAIL(err, WCOW_E_DATA_LOSS,
                     "the repository is at commit %s, not %s as the checksum says", ret, wanted);
}

/* A checkout has the time of the clock; the same commit is to give the same layer. */
static int set_times(const struct wcow_git_run *git, int64_t *ret_time_s, struct wcow_error *err)
{
    static const char *const args[] = {"log", "-1", "--format=%ct", NULL};
    wcow_autobuf out = {0};
    int r = wcow_git_run(git, args, &out, err);
    if (r < 0)
        return r;
    *ret_time_s = out.data ? strtoll((const char *)out.data, NULL, 10) : 0;
    wcow_git_set_times(git->folder, *ret_time_s);
    return WCOW_OK;
}

static int check_out(const struct wcow_git_run *git, const struct wcow_git_url *url,
                     const char *commit, struct wcow_git_checkout *ret, struct wcow_error *err)
{
    static const char *const init[] = {"init", "-q", NULL};
    static const char *const submodules[] = {"submodule",   "-q",        "update", "--init",
                                             "--recursive", "--depth=1", NULL};
    const char *const origin[] = {"remote", "add", "origin", git->login.repository, NULL};
    int r = wcow_git_run_quietly(git, init, err);
    if (r == WCOW_OK)
        r = wcow_git_run_quietly(git, origin, err);
    if (r == WCOW_OK)
        r = fetch(git, url, err);
    if (r == WCOW_OK)
        r = check_commit(git, commit ? commit : url->commit, ret->commit, err);
    if (r == WCOW_OK && url->submodules != WCOW_NO)
        r = wcow_git_run_quietly(git, submodules, err);
    return r < 0 ? r : set_times(git, &ret->time_s, err);
}

/* ---- what a name stands for ---- */

/* How git fetch reads a name: the first of these that the repository has. */
static const char *const name_rules[] = {"", "refs/", "refs/tags/", "refs/heads/", "refs/remotes/"};
enum { N_NAME_RULES = sizeof(name_rules) / sizeof(name_rules[0]) };

/* The rule by which @p ref is @p name; N_NAME_RULES: none. *ret_peeled: what a tag is of. */
static size_t rule_of(const char *name, size_t len, const char *ref, bool *ret_peeled)
{
    static const char peeled[] = "^{}";
    const size_t peeled_len = sizeof(peeled) - 1;
    *ret_peeled = len > peeled_len && memcmp(name + len - peeled_len, peeled, peeled_len) == 0;
    len -= *ret_peeled ? peeled_len : 0;
    for (size_t i = 0; i < N_NAME_RULES; i++) {
        size_t prefix = strlen(name_rules[i]);
        if (len == prefix + strlen(ref) && strncmp(name, name_rules[i], prefix) == 0 &&
            strncmp(name + prefix, ref, len - prefix) == 0)
            return i;
    }
    return N_NAME_RULES;
}

/* Of lines "<digest> TAB <name>"; others are git's remarks. */
static bool find_ref(const char *lines, const char *ref, char ret[static 65])
{
    size_t best = N_NAME_RULES;
    for (const char *p = lines; *p; p += strcspn(p, "\n") + (strchr(p, '\n') != NULL)) {
        size_t digits = strspn(p, "0123456789abcdef");
        bool is_peeled = false;
        if ((digits != 40 && digits != 64) || p[digits] != '\t')
            continue;
        const char *name = p + digits + 1;
        size_t rule = rule_of(name, strcspn(name, "\n"), ref, &is_peeled);
        if (rule < best || (rule == best && is_peeled && best < N_NAME_RULES)) {
            best = rule;
            memcpy(ret, p, digits);
            ret[digits] = '\0';
        }
    }
    return best < N_NAME_RULES;
}

int wcow_git_resolve(const struct wcow_git_url *url, const atomic_bool *cancel, char ret[static 65],
                     struct wcow_error *err)
{
    const char *ref = url->ref ? url->ref : "HEAD";
    wcow_autobuf peeled = {0};
    wcow_autobuf out = {0};
    int r = wcow_buf_addf(&peeled, err, "%s^{}", ref);
    if (r < 0)
        return r;
    WCOW_CLEANUP(wcow_git_run_done) struct wcow_git_run git = {.folder = "/", .cancel = cancel};
    r = wcow_git_run_begin(&git, url->repository, err);
    const char *const args[] = {
        "ls-remote", "-q", "--", git.login.repository, ref, (const char *)peeled.data, NULL};
    if (r == WCOW_OK)
        r = wcow_git_run(&git, args, &out, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "%s", wcow_http_shown(url->repository).text);
    return find_ref(out.data ? (const char *)out.data : "", ref, ret);
}

/* ---- the folder ---- */

void wcow_git_checkout_free(struct wcow_git_checkout *checkout)
{
    if (!checkout)
        return;
    if (checkout->path)
        (void)!wcow_dir_tree_delete(AT_FDCWD, checkout->path, NULL, NULL);
    free(checkout->path);
    free(checkout);
}

static int make_folder(char **ret, struct wcow_error *err)
{
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody changes the environment
    const char *dir = getenv("TMPDIR");
    wcow_autobuf path = {0};
    int r = wcow_buf_addf(&path, err, "%s/wcow-git-XXXXXX", dir && *dir ? dir : "/var/tmp");
    if (r < 0)
        return r;
    if (!mkdtemp((char *)path.data))
        return WCOW_FAIL_ERRNO(err, WCOW_E_IO, "make the folder %s (set TMPDIR to another place)",
                               (const char *)path.data);
    *ret = wcow_buf_take_str(&path);
    return *ret ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a repository");
}

int wcow_git_clone(const struct wcow_git_url *url, const char *commit, const atomic_bool *cancel,
                   struct wcow_git_checkout **ret, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_git_checkout_free_p)
    struct wcow_git_checkout *checkout = calloc(1, sizeof(*checkout));
    if (!checkout)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a repository");
    if (commit && url->commit && strcasecmp(commit, url->commit) != 0)
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "--checksum is %s, and the commit of the URL %s: name "
                         "the same, or one only",
                         commit, url->commit);
    int r = make_folder(&checkout->path, err);
    if (r < 0)
        return r;
    WCOW_CLEANUP(wcow_git_run_done)
    struct wcow_git_run git = {.folder = checkout->path, .cancel = cancel};
    r = wcow_git_run_begin(&git, url->repository, err);
    if (r == WCOW_OK)
        r = check_out(&git, url, commit, checkout, err);
    if (r < 0)
        return wcow_error_wrap(r, err, "%s", wcow_http_shown(url->repository).text);
    *ret = WCOW_TAKE_PTR(checkout);
    return WCOW_OK;
}
