/* SPDX-License-Identifier: Apache-2.0 */
/* What ADD fetches: each file once a build, and not at all where the step is in the cache and the
 * server says that the file is still the one that it was made of, or --checksum says which it is.
 *
 * What servers said is kept among the step cache's texts, by the digest of the URL; no address and
 * no content is. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "builder/build_provenance.h"
#include "builder/git.h"
#include "builder/remote.h"
#include "image/http.h"

struct wcow_build_fetched {
    char *url;
    struct wcow_remote_file file;
    struct wcow_digest digest; /* text "": nothing is known yet */
    bool has_bytes;
    int code; /* of a fetch that failed; nobody tries again */
    struct wcow_error why;
};

void wcow_build_remotes_done(struct wcow_build *b)
{
    for (size_t i = 0; i < b->n_fetched; i++) {
        wcow_remote_file_done(&b->fetched[i]->file);
        free(b->fetched[i]->url);
        free(b->fetched[i]);
    }
    free(b->fetched);
}

/* ---- one build's files ---- */

static struct wcow_build_fetched *known_file(struct wcow_build *b, const char *url)
{
    for (size_t i = 0; i < b->n_fetched; i++) {
        if (strcmp(b->fetched[i]->url, url) == 0)
            return b->fetched[i];
    }
    return NULL;
}

static struct wcow_build_fetched *new_file(struct wcow_build *b, const char *url)
{
    struct wcow_build_fetched *file = calloc(1, sizeof(*file));
    struct wcow_build_fetched **grown =
        reallocarray(b->fetched, b->n_fetched + 1, sizeof(struct wcow_build_fetched *));
    if (grown)
        b->fetched = grown;
    if (file)
        file->url = strdup(url);
    if (!grown || !file || !file->url) {
        if (file)
            free(file->url);
        free(file);
        return NULL;
    }
    grown[b->n_fetched++] = file;
    return file;
}

static int file_of(struct wcow_build *b, const char *url, struct wcow_build_fetched **ret,
                   struct wcow_error *err)
{
    (void)pthread_mutex_lock(&b->lock);
    struct wcow_build_fetched *file = known_file(b, url);
    if (!file)
        file = new_file(b, url);
    (void)pthread_mutex_unlock(&b->lock);
    *ret = file;
    return file ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a URL");
}

/* ---- what was said before ---- */

static int key_of(const char *url, struct wcow_digest *ret, struct wcow_error *err)
{
    wcow_autobuf text = {0};
    int r = wcow_buf_addf(&text, err, "ADD 1 %s", url);
    return r < 0 ? r : wcow_digest_of(text.data, text.len, ret, err);
}

static int recall(struct wcow_build *b, const char *url, struct wcow_remote_known *ret,
                  struct wcow_error *err)
{
    struct wcow_digest key;
    wcow_autofree char *text = NULL;
    int r = key_of(url, &key, err);
    if (r == WCOW_OK && b->cache)
        r = wcow_build_cache_text(b->cache, &key, &text, err);
    return r == 1 ? wcow_remote_known_read(text, ret) : r;
}

static void write_known(struct wcow_build *b, const char *url,
                        const struct wcow_remote_known *known)
{
    struct wcow_digest key;
    wcow_autobuf text = {0};
    if (b->cache && key_of(url, &key, NULL) == WCOW_OK &&
        wcow_remote_known_write(known, &text, NULL) == WCOW_OK)
        (void)!wcow_build_cache_remember_text(b->cache, &key, (const char *)text.data, NULL);
}

/* Whether its server is not to be asked on condition any more. */
static bool is_distrusted(struct wcow_build *b, const char *url)
{
    WCOW_CLEANUP(wcow_remote_known_done) struct wcow_remote_known before = {0};
    return recall(b, url, &before, NULL) == 1 && !before.etag && !before.modified;
}

/* That it cannot be remembered costs time alone. */
static void remember(struct wcow_build *b, const char *url, const struct wcow_remote_known *said)
{
    if ((said->etag || wcow_remote_date_counts(said)) && !is_distrusted(b, url))
        write_known(b, url, said);
}

/* ---- fetching ---- */

/* Keys were made of what the server said before it sent the bytes: what is made of others must not
 * be found by them. */
static int check_same(struct wcow_build *b, struct wcow_build_fetched *before, int64_t mtime_s,
                      struct wcow_error *err)
{
    struct wcow_remote_known said = before->file.said;
    if (strcmp(before->digest.text, said.digest.text) == 0) {
        before->file.mtime_s = mtime_s;
        return WCOW_OK;
    }
    said.etag = NULL;
    said.modified = NULL;
    write_known(b, before->url, &said);
    return WCOW_FAIL(err, WCOW_E_PRECONDITION,
                     "%s: the server said that the file had not changed, and sent another; build "
                     "again, and it is not asked whether it has",
                     wcow_http_shown(before->url).text);
}

static int fetch(struct wcow_build *b, struct wcow_build_fetched *to,
                 const struct wcow_remote_known *known, unsigned step, struct wcow_error *err)
{
    struct wcow_progress_bytes shown = {
        .progress = b->progress, .number = step, .id = "downloading"};
    const struct wcow_remote_fetch what = {.url = to->url,
                                           .known = known,
                                           .cancel = b->options->cancel,
                                           .progress = wcow_progress_bytes_grown,
                                           .progress_ctx = &shown};
    struct wcow_error why = {0};
    const int64_t mtime_s = to->file.mtime_s;
    wcow_remote_file_done(&to->file);
    int r = wcow_remote_get(&what, &to->file, &why);
    if (r == WCOW_OK && to->digest.text[0])
        r = check_same(b, to, mtime_s, &why);
    to->code = r;
    to->why = why;
    if (r < 0) {
        if (err)
            *err = why;
        return r;
    }
    to->digest = to->file.said.digest;
    to->has_bytes = !to->file.is_known;
    if (to->has_bytes)
        remember(b, to->url, &to->file.said);
    if (to->has_bytes)
        wcow_progress_status(b->progress, step, "downloading", to->file.size_bytes,
                             to->file.size_bytes, true);
    return WCOW_OK;
}

/* One step asks, the others that want the same wait for its answer: what is known of a file may be
 * looked at while this is held, its bytes at any time once they are there. */
static int hold_url(struct wcow_build *b, const char *url, struct wcow_key_hold *ret,
                    struct wcow_error *err)
{
    wcow_autobuf key = {0};
    int r = wcow_buf_addf(&key, err, "url %s", url);
    return r < 0 ? r
                 : wcow_key_lock_hold(&b->backend->busy, (const char *)key.data, b->options->cancel,
                                      ret, err);
}

/* Without @p needs_bytes it is enough to know which file it is. With the URL held. */
static int find(struct wcow_build *b, const char *url, bool needs_bytes, bool may_recall,
                unsigned step, struct wcow_build_fetched **ret, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_remote_known_done) struct wcow_remote_known known = {0};
    struct wcow_build_fetched *file = NULL;
    int r = file_of(b, url, &file, err);
    if (r < 0 || !file)
        return r;
    *ret = file;
    if (file->code < 0) {
        if (err)
            *err = file->why;
        return file->code;
    }
    if (file->has_bytes || (file->digest.text[0] && !needs_bytes))
        return WCOW_OK;
    bool recalled = !needs_bytes && may_recall && recall(b, url, &known, NULL) == 1;
    return fetch(b, file, recalled ? &known : NULL, step, err);
}

int wcow_build_remote_file(struct wcow_build *b, const struct wcow_copy *copy, const char *url,
                           unsigned step, struct wcow_remote_file **ret, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_key_hold_done) struct wcow_key_hold hold = {0};
    struct wcow_build_fetched *file = NULL;
    if (copy->checksum && !wcow_digest_is_valid(copy->checksum))
        return WCOW_FAIL(err, WCOW_E_INVALID,
                         "--checksum=%s is no digest: it is sha256: and 64 hexadecimal digits",
                         copy->checksum);
    int r = hold_url(b, url, &hold, err);
    if (r == WCOW_OK)
        r = find(b, url, true, false, step, &file, err);
    if (r == WCOW_OK && copy->checksum)
        r = wcow_remote_check(url, copy->checksum, &file->digest, err);
    if (r == WCOW_OK)
        *ret = &file->file;
    return r;
}

/* ---- names ---- */

static void add(struct wcow_hash *hash, const char *text)
{
    wcow_hash_add(hash, text, strlen(text) + 1);
}

/* Which file it is: what --checksum says, or the server. A checksum stands for the file whenever it
 * was made. */
static int add_http(struct wcow_build *b, const struct wcow_stage_state *s, const char *url,
                    const char *checksum, unsigned step, struct wcow_hash *hash,
                    struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_key_hold_done) struct wcow_key_hold hold = {0};
    struct wcow_build_fetched *file = NULL;
    const char *digest = checksum;
    char mtime[32] = "";
    if (!digest) {
        int r = hold_url(b, url, &hold, err);
        if (r == WCOW_OK)
            r = find(b, url, false, !s->skips_cache, step, &file, err);
        if (r < 0 || !file)
            return r;
        (void)snprintf(mtime, sizeof(mtime), "%lld", (long long)file->file.mtime_s);
        digest = file->digest.text;
    }
    add(hash, digest);
    add(hash, mtime);
    int r = wcow_build_note_material(b, s, url, digest, err);
    return r < 0 ? r : 1;
}

int wcow_build_add_remotes(struct wcow_build *b, const struct wcow_stage_state *s,
                           const struct wcow_copy *copy, unsigned step, struct wcow_hash *hash,
                           struct wcow_error *err)
{
    int r = 1;
    if (copy->content_count)
        return 0;
    for (size_t i = 0; i < copy->sources.count; i++) {
        const char *source = copy->sources.items[i];
        if (wcow_git_is_url(source))
            continue;
        if (!wcow_remote_is_http(source) ||
            (copy->checksum && !wcow_digest_is_valid(copy->checksum)))
            return 0;
    }
    add(hash, "remote");
    for (size_t i = 0; r == 1 && i < copy->sources.count; i++) {
        const char *source = copy->sources.items[i];
        if (wcow_git_is_url(source))
            r = wcow_build_add_commit(b, s, copy, source, hash, err);
        else
            r = add_http(b, s, source, copy->checksum, step, hash, err);
    }
    return r;
}
