/* SPDX-License-Identifier: Apache-2.0 */
/* ADD: sources of the context as COPY takes them, URLs, and git repositories. */
#include <stdlib.h>
#include <string.h>

#include "builder/archive.h"
#include "builder/build_check.h"
#include "builder/build_provenance.h"
#include "builder/copy.h"
#include "builder/git_kept.h"
#include "builder/remote.h"
#include "image/http.h"
#include "layer/filetime.h"

/* ---- HTTP ---- */

static int put_file(const struct wcow_copying *copying, struct wcow_copy_dest *dest,
                    const struct wcow_remote_file *file, struct wcow_error *err)
{
    struct wcow_payload payload = wcow_payload_borrow(&file->payload);
    struct wcow_tree_node *dir = NULL;
    struct wcow_tree_node *node = NULL;
    const char *name = NULL;
    int r = wcow_copy_dest_for(dest, file->name, &dir, &name, err);
    if (r < 0)
        return r;
    wcow_autoentry entry = wcow_copy_new_entry(WCOW_ENTRY_FILE, WCOW_ATTR_ARCHIVE,
                                               wcow_filetime_of_unix(file->mtime_s, 0));
    entry.size_bytes = file->size_bytes;
    const struct wcow_tree_item put = {.name = name, .entry = &entry, .payload = &payload};
    return wcow_tree_put(copying->tree, dir, &put, &node, err);
}

static int note_file(struct wcow_build *b, const struct wcow_stage_state *s, const char *url,
                     const struct wcow_remote_file *file, struct wcow_error *err)
{
    struct wcow_digest digest = {0};
    int r = wcow_payload_digest(&file->payload, &digest, err);
    return r < 0 ? r : wcow_build_note_material(b, s, url, digest.text, err);
}

/* Several steps may read the one descriptor. */
static int unpack_file(struct wcow_build *b, const struct wcow_copying *copying, const char *dest,
                       const char *url, const struct wcow_remote_file *file, bool *ret_unpacked,
                       struct wcow_error *err)
{
    const struct wcow_archive_unpack unpack = {
        .tree = copying->tree, .dest = dest, .now = copying->now};
    wcow_autobuf key = {0};
    WCOW_CLEANUP(wcow_key_hold_done) struct wcow_key_hold hold = {0};
    int fd = -1;
    int r = wcow_buf_addf(&key, err, "unpack %s", url);
    if (r == WCOW_OK)
        r = wcow_key_lock_hold(&b->backend->busy, (const char *)key.data, b->options->cancel, &hold,
                               err);
    if (r == WCOW_OK)
        r = wcow_spool_rewind(file->spool, &fd, err);
    return r < 0 ? r
                 : wcow_archive_unpack_fd(fd, url, b->options->cancel, &unpack, ret_unpacked, err);
}

static int add_url(struct wcow_build *b, const struct wcow_stage_state *s,
                   const struct wcow_copying *copying, const char *url, unsigned step,
                   struct wcow_error *err)
{
    struct wcow_remote_file *file = NULL;
    WCOW_CLEANUP(wcow_copy_dest_done) struct wcow_copy_dest dest = {0};
    bool unpacked = false;
    int r = wcow_copy_dest_of(copying, &dest, err);
    if (r == WCOW_OK)
        r = wcow_build_remote_file(b, copying->copy, url, step, &file, err);
    if (r == WCOW_OK)
        r = note_file(b, s, url, file, err);
    if (r == WCOW_OK && copying->copy->unpack == WCOW_YES)
        r = unpack_file(b, copying, dest.path, url, file, &unpacked, err);
    return r < 0 || unpacked || !file ? r : put_file(copying, &dest, file, err);
}

/* ---- git ---- */

static int keep_checkout(struct wcow_build *b, const struct wcow_git_url *url,
                         struct wcow_git_checkout *checkout, struct wcow_context **ret,
                         struct wcow_error *err)
{
    struct wcow_context *context = NULL;
    const struct wcow_http_shown name = wcow_http_shown(url->repository);
    const struct wcow_context_options options = {
        .path = checkout->path, .name = name.text, .cancel = b->options->cancel};
    int r = wcow_context_open(&options, &context, err);
    const struct wcow_build_checkout kept = {.checkout = checkout, .context = context};
    if (r == WCOW_OK)
        r = wcow_build_keep_checkout(b, &kept, err);
    if (r < 0) {
        wcow_context_free(context);
        wcow_git_checkout_free(checkout);
        return r;
    }
    *ret = context;
    return WCOW_OK;
}

/* That is named as the repository knows it, not as the folder it lies in here does. */
static int check_folder(struct wcow_context *context, const struct wcow_git_url *url,
                        struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_context_item_done) struct wcow_context_item item = {0};
    int r = url->folder ? wcow_context_find(context, url->folder, &item, NULL) : WCOW_OK;
    if (r < 0 || (url->folder && !S_ISDIR(item.st.st_mode)))
        return WCOW_FAIL(err, WCOW_E_NOT_FOUND, "%s has no folder \"%s\"",
                         wcow_http_shown(url->repository).text, url->folder);
    return WCOW_OK;
}

static bool keeps_git_dir(const struct wcow_copy *copy, const struct wcow_git_url *url)
{
    return (url->keep_git_dir != WCOW_UNSET ? url->keep_git_dir : copy->keep_git_dir) == WCOW_YES;
}

/* Without the repository's own files, unless they are asked for. */
static int add_checkout(struct wcow_arena *arena, const struct wcow_copying *copying,
                        struct wcow_context *context, const struct wcow_git_url *url,
                        struct wcow_error *err)
{
    struct wcow_copy copy = *copying->copy;
    struct wcow_copying inner = *copying;
    copy.sources = (struct wcow_strings){0};
    copy.content_count = 0;
    copy.excludes = (struct wcow_strings){0};
    int r = wcow_strings_add(arena, &copy.sources, url->folder ? url->folder : ".", err);
    for (size_t i = 0; r == WCOW_OK && i < copying->copy->excludes.count; i++)
        r = wcow_strings_add(arena, &copy.excludes, copying->copy->excludes.items[i], err);
    if (r == WCOW_OK && !keeps_git_dir(copying->copy, url))
        r = wcow_strings_add(arena, &copy.excludes, "**/.git", err);
    if (r < 0)
        return r;
    inner.copy = &copy;
    inner.is_add = false;
    return wcow_copy_from_context(&inner, context, err);
}

/* The commit that is fetched is the one that the step's key was made of. */
static int fetch_commit(struct wcow_build *b, const struct wcow_git_url *url,
                        const struct wcow_copy *copy, struct wcow_git_checkout **ret,
                        struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_git_checkout_free_p) struct wcow_git_checkout *checkout = NULL;
    int r = wcow_build_check_repository(b, url, err);
    if (r == WCOW_OK)
        r = wcow_git_clone(url, copy->checksum, b->options->cancel, &checkout, err);
    if (r == WCOW_OK)
        r = wcow_build_check_fetched(b, url, checkout->commit, err);
    if (r == WCOW_OK && keeps_git_dir(copy, url))
        r = wcow_git_settle(checkout, b->options->cancel, err);
    if (r == WCOW_OK)
        *ret = WCOW_TAKE_PTR(checkout);
    return r;
}

static int add_repository(struct wcow_build *b, struct wcow_stage_state *s,
                          const struct wcow_copying *copying, const char *source, unsigned step,
                          struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_git_url_done) struct wcow_git_url url = {0};
    struct wcow_git_checkout *checkout = NULL;
    struct wcow_context *context = NULL;
    int r = wcow_git_url_parse(source, &url, err);
    if (r == WCOW_OK && url.keep_git_dir + copying->copy->keep_git_dir == WCOW_YES + WCOW_NO)
        r = WCOW_FAIL(err, WCOW_E_INVALID, "--keep-git-dir and the URL's keep-git-dir contradict");
    if (r == WCOW_OK)
        r = fetch_commit(b, &url, copying->copy, &checkout, err);
    if (r != WCOW_OK)
        return r;
    wcow_autobuf text = {0};
    if (wcow_buf_addf(&text, NULL, "commit %s", checkout->commit) == WCOW_OK)
        wcow_progress_status(b->progress, step, (const char *)text.data, 0, 0, true);
    r = wcow_build_note_commit(b, s, copying->copy, source, checkout->commit, err);
    if (r < 0) {
        wcow_git_checkout_free(checkout);
        return r;
    }
    r = keep_checkout(b, &url, checkout, &context, err);
    if (r == WCOW_OK)
        r = check_folder(context, &url, err);
    return r < 0 ? r : add_checkout(&s->arena, copying, context, &url, err);
}

/* ---- all sources ---- */

int wcow_build_add(struct wcow_build *b, struct wcow_stage_state *s,
                   const struct wcow_copying *copying, unsigned step, struct wcow_error *err)
{
    const struct wcow_copy *copy = copying->copy;
    struct wcow_copy local = *copy;
    struct wcow_copying locally = *copying;
    WCOW_CLEANUP(wcow_copy_dest_done) struct wcow_copy_dest dest = {0};
    local.sources = (struct wcow_strings){0};
    int r = wcow_build_check_copy(copy, true, err);
    if (r == WCOW_OK)
        r = wcow_copy_dest_of(copying, &dest, err);
    if (r == WCOW_OK)
        r = wcow_copy_dest_check(&dest, copy->sources.count + copy->content_count, err);
    for (size_t i = 0; r == WCOW_OK && i < copy->sources.count; i++) {
        const char *source = copy->sources.items[i];
        if (wcow_git_is_url(source))
            r = add_repository(b, s, copying, source, step, err);
        else if (wcow_remote_is_http(source))
            r = add_url(b, s, copying, source, step, err);
        else
            r = wcow_strings_add(&s->arena, &local.sources, source, err);
    }
    if (r < 0 || local.sources.count + local.content_count == 0)
        return r;
    locally.copy = &local;
    return wcow_copy_from_context(&locally, b->context, err);
}
