/* SPDX-License-Identifier: Apache-2.0 */
/* Which commit ADD takes of a repository, told without fetching it: by the URL or --checksum where
 * they name a whole one, else by the repository. Asked once a build, so that all of its platforms
 * have the same. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "builder/build_provenance.h"
#include "builder/git.h"
#include "image/http.h"

struct wcow_build_commit {
    char *repository;
    char *ref; /* NULL: HEAD */
    char commit[65];
    int code; /* 1: known; 0: of no name that the repository has; or why it could not be asked */
    struct wcow_error why;
};

static void free_commit(struct wcow_build_commit *commit)
{
    if (!commit)
        return;
    free(commit->repository);
    free(commit->ref);
    free(commit);
}

void wcow_build_commits_done(struct wcow_build *b)
{
    for (size_t i = 0; i < b->n_commits; i++)
        free_commit(b->commits[i]);
    free(b->commits);
}

/* ---- asked once ---- */

static const struct wcow_build_commit *known_commit(struct wcow_build *b,
                                                    const struct wcow_git_url *url)
{
    const char *ref = url->ref ? url->ref : "";
    const struct wcow_build_commit *found = NULL;
    (void)pthread_mutex_lock(&b->lock);
    for (size_t i = 0; !found && i < b->n_commits; i++) {
        const struct wcow_build_commit *c = b->commits[i];
        if (strcmp(c->repository, url->repository) == 0 && strcmp(c->ref ? c->ref : "", ref) == 0)
            found = c;
    }
    (void)pthread_mutex_unlock(&b->lock);
    return found;
}

static int keep_commit(struct wcow_build *b, struct wcow_build_commit *commit,
                       struct wcow_error *err)
{
    (void)pthread_mutex_lock(&b->lock);
    struct wcow_build_commit **grown =
        reallocarray(b->commits, b->n_commits + 1, sizeof(struct wcow_build_commit *));
    if (grown) {
        b->commits = grown;
        grown[b->n_commits++] = commit;
    }
    (void)pthread_mutex_unlock(&b->lock);
    return grown ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a commit");
}

static int ask(struct wcow_build *b, const struct wcow_git_url *url,
               const struct wcow_build_commit **ret, struct wcow_error *err)
{
    struct wcow_build_commit *commit = calloc(1, sizeof(*commit));
    if (commit)
        commit->repository = strdup(url->repository);
    if (commit && url->ref)
        commit->ref = strdup(url->ref);
    if (!commit || !commit->repository || (url->ref && !commit->ref)) {
        free_commit(commit);
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a commit");
    }
    commit->code = wcow_git_resolve(url, b->options->cancel, commit->commit, &commit->why);
    int r = keep_commit(b, commit, err);
    if (r < 0) {
        free_commit(commit);
        return r;
    }
    *ret = commit;
    return WCOW_OK;
}

/* One step asks, the others that want the same wait for its answer. */
static int resolve(struct wcow_build *b, const struct wcow_git_url *url,
                   const struct wcow_build_commit **ret, struct wcow_error *err)
{
    wcow_autobuf key = {0};
    WCOW_CLEANUP(wcow_key_hold_done) struct wcow_key_hold hold = {0};
    int r = wcow_buf_addf(&key, err, "commit %s %s", url->repository, url->ref ? url->ref : "");
    if (r == WCOW_OK)
        r = wcow_key_lock_hold(&b->backend->busy, (const char *)key.data, b->options->cancel, &hold,
                               err);
    if (r < 0)
        return r;
    *ret = known_commit(b, url);
    return *ret ? WCOW_OK : ask(b, url, ret, err);
}

/* ---- names ---- */

static bool is_whole(const char *text)
{
    if (!text)
        return false;
    size_t n = strspn(text, "0123456789abcdefABCDEF");
    return (n == 40 || n == 64) && !text[n];
}

/* As the repository says: 1, or 0 where it knows no such name. */
static int ask_commit(struct wcow_build *b, const struct wcow_git_url *url, char ret[static 65],
                      struct wcow_error *err)
{
    const struct wcow_build_commit *asked = NULL;
    int r = resolve(b, url, &asked, err);
    if (r < 0 || !asked)
        return r;
    if (asked->code < 0 && err)
        *err = asked->why;
    memcpy(ret, asked->commit, sizeof(asked->commit));
    return asked->code;
}

static void copy_lower(char ret[static 65], const char *whole)
{
    size_t n = 0;
    for (; whole[n]; n++)
        ret[n] = (char)tolower((unsigned char)whole[n]);
    ret[n] = '\0';
}

/* The digest that is pinned: of a commit, or of a tag with a message of its own. NULL: none. */
static const char *pinned(const struct wcow_git_url *url, const char *checksum)
{
    const char *wanted = checksum ? checksum : url->commit;
    const char *whole = is_whole(wanted) ? wanted : url->ref;
    return is_whole(whole) ? whole : NULL;
}

/* The commit that is named: 1, or 0 where it is not known before it is fetched. What contradicts
 * is told then. */
static int find_commit(struct wcow_build *b, const struct wcow_git_url *url, const char *checksum,
                       char ret[static 65], struct wcow_error *err)
{
    const char *wanted = checksum ? checksum : url->commit;
    const char *whole = pinned(url, checksum);
    if (whole) {
        copy_lower(ret, whole);
    } else {
        int r = ask_commit(b, url, ret, err);
        if (r <= 0)
            return r;
    }
    return !wanted || strncasecmp(ret, wanted, strlen(wanted)) == 0;
}

static int note(struct wcow_build *b, const struct wcow_stage_state *s, const char *source,
                const char *commit, struct wcow_error *err)
{
    char digest[80];
    (void)snprintf(digest, sizeof(digest), "%s:%s", strlen(commit) == 64 ? "sha256" : "sha1",
                   commit);
    return wcow_build_note_material(b, s, source, digest, err);
}

/* By what pins it, as where it is not fetched. */
int wcow_build_note_commit(struct wcow_build *b, const struct wcow_stage_state *s,
                           const struct wcow_copy *copy, const char *source, const char *commit,
                           struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_git_url_done) struct wcow_git_url url = {0};
    char digest[65];
    int r = wcow_git_url_parse(source, &url, err);
    if (r < 0)
        return r;
    const char *whole = pinned(&url, copy->checksum);
    copy_lower(digest, whole ? whole : commit);
    return note(b, s, source, digest, err);
}

int wcow_build_add_commit(struct wcow_build *b, const struct wcow_stage_state *s,
                          const struct wcow_copy *copy, const char *source, struct wcow_hash *hash,
                          struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_git_url_done) struct wcow_git_url url = {0};
    char commit[65];
    int r = wcow_git_url_parse(source, &url, err);
    if (r == WCOW_OK)
        r = find_commit(b, &url, copy->checksum, commit, err);
    if (r <= 0)
        return r;
    wcow_hash_add(hash, "git", sizeof("git"));
    wcow_hash_add(hash, commit, strlen(commit) + 1);
    r = note(b, s, source, commit, err);
    return r < 0 ? r : 1;
}

/* ---- what was fetched ---- */

int wcow_build_check_repository(struct wcow_build *b, const struct wcow_git_url *url,
                                struct wcow_error *err)
{
    const struct wcow_build_commit *asked = known_commit(b, url);
    if (!asked || asked->code >= 0)
        return WCOW_OK;
    if (err)
        *err = asked->why;
    return asked->code;
}

/* Keys were made of what the repository said before: what is made of another commit must not be
 * found by them. */
int wcow_build_check_fetched(struct wcow_build *b, const struct wcow_git_url *url,
                             const char *commit, struct wcow_error *err)
{
    const struct wcow_build_commit *asked = known_commit(b, url);
    if (!asked || asked->code <= 0 || strcmp(asked->commit, commit) == 0)
        return WCOW_OK;
    return WCOW_FAIL(err, WCOW_E_PRECONDITION,
                     "%s: %s was commit %s when the build began, and is %s now; build again",
                     wcow_http_shown(url->repository).text, url->ref ? url->ref : "HEAD",
                     asked->commit, commit);
}
