/* SPDX-License-Identifier: Apache-2.0 */
/* A step's stamp: the instruction, the chain ID of what lies below, and what stat says of the files
 * that it takes. Where a step of this stamp was made before, its key is known, and neither a tree
 * nor a digest of a file is needed to find its layer: an unchanged context costs a walk. A stage
 * that others only copy from has no layers, so its steps' stamps are what it is called by.
 *
 * Stamps are of this machine: inodes are in them. They never leave its cache. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "builder/build_internal.h"

enum { SETTLED_NS = 1000000000 }; /* a file changed later than this before now may change unseen */

/* ---- what the stamp is of ---- */

static void add(struct wcow_hash *hash, const char *text)
{
    wcow_hash_add(hash, text, strlen(text) + 1);
}

/* What the stage is called by so far: 0 where a step of it has no stamp. */
static int add_stage(const struct wcow_stage_state *s, struct wcow_hash *hash,
                     struct wcow_error *err)
{
    size_t n = wcow_image_config_diff_id_count(s->config);
    struct wcow_digest chain = {0};
    int r = n ? wcow_image_config_chain_id(s->config, n, &chain, err) : WCOW_OK;
    if (r < 0)
        return r;
    add(hash, chain.text);
    add(hash, s->platform.os);
    for (size_t i = 0; i < s->n_unwritten; i++) {
        if (!s->unwritten[i].stamp.text[0])
            return 0;
        add(hash, s->unwritten[i].stamp.text);
    }
    add(hash, "");
    return 1;
}

/* One that changed just now may change again without a trace in what stat says. */
static bool is_settled(int64_t latest_ns)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return latest_ns < (int64_t)now.tv_sec * 1000000000 + now.tv_nsec - SETTLED_NS;
}

static int stamp_files(const struct wcow_copy *copy, struct wcow_context *context,
                       struct wcow_digest *ret, int64_t *ret_latest_ns, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_hash_free_p) struct wcow_hash *hash = NULL;
    int r = wcow_hash_new(&hash, err);
    if (r == WCOW_OK)
        r = wcow_copy_stamp(copy, context, hash, ret_latest_ns, err);
    return r < 0 ? r : wcow_hash_digest(hash, ret, err);
}

static int add_context(const struct wcow_copy *copy, struct wcow_context *context,
                       struct wcow_hash *hash, struct wcow_digest *ret_files,
                       struct wcow_error *err)
{
    int64_t latest_ns = 0;
    int r = stamp_files(copy, context, ret_files, &latest_ns, err);
    if (r < 0)
        return r;
    add(hash, ret_files->text);
    return is_settled(latest_ns);
}

/* The stage that --from names, if it is one: 1, and 0 where it has no name. */
static int add_from_stage(struct wcow_build *b, const struct wcow_stage_state *s, const char *from,
                          struct wcow_hash *hash, bool *ret_is_stage, struct wcow_error *err)
{
    struct wcow_stage_state *other = NULL;
    ssize_t index = -1;
    *ret_is_stage = false;
    if (wcow_build_is_named(b, from))
        return 0;
    int r = wcow_build_stage_named(b, s, from, &index, err);
    if (r < 0 || index < 0)
        return r;
    *ret_is_stage = true;
    r = wcow_build_await(b, s, (size_t)index, &other, err);
    return r < 0 ? r : add_stage(other, hash, err);
}

static int add_sources(struct wcow_build *b, struct wcow_stage_state *s,
                       const struct wcow_layer_step *of, unsigned step, struct wcow_hash *hash,
                       struct wcow_digest *ret_files, struct wcow_error *err)
{
    const struct wcow_copy *copy = &of->ins.copy;
    struct wcow_context *context = b->context;
    bool is_stage = false;
    if (of->ins.kind == WCOW_INS_WORKDIR)
        return 1;
    if (of->ins.kind == WCOW_INS_ADD && wcow_build_is_fetched(copy))
        return wcow_build_add_remotes(b, s, copy, step, hash, err);
    if (!copy->from)
        return add_context(copy, context, hash, ret_files, err);
    int r = add_from_stage(b, s, copy->from, hash, &is_stage, err);
    if (r < 0 || is_stage)
        return r;
    r = wcow_build_named_folder(b, copy->from, &context, err);
    if (r < 0)
        return r;
    return r == 1 ? add_context(copy, context, hash, ret_files, err)
                  : wcow_build_add_from(b, s, copy->from, hash, err);
}

int wcow_build_stamp(struct wcow_build *b, struct wcow_stage_state *s,
                     const struct wcow_layer_step *of, unsigned step, struct wcow_digest *ret,
                     struct wcow_digest *ret_files, struct wcow_error *err)
{
    struct wcow_digest files = {0};
    WCOW_CLEANUP(wcow_hash_free_p) struct wcow_hash *hash = NULL;
    int r = b->cache ? wcow_hash_new(&hash, err) : WCOW_OK;
    if (r < 0 || !b->cache)
        return r;
    /* Another version may make another layer of the same files. */
    add(hash, "stamp " WCOW_VERSION);
    wcow_build_add_step(b, of, hash);
    r = add_stage(s, hash, err);
    if (r == 1)
        r = add_sources(b, s, of, step, hash, &files, err);
    if (r >= 0)
        *ret_files = files;
    if (r != 1)
        return r;
    r = wcow_hash_digest(hash, ret, err);
    return r < 0 ? r : 1;
}

bool wcow_build_files_are(struct wcow_build *b, const struct wcow_layer_step *of,
                          const struct wcow_digest *files)
{
    const struct wcow_copy *copy = &of->ins.copy;
    struct wcow_context *context = b->context;
    struct wcow_digest now;
    int64_t latest_ns = 0;
    if (of->ins.kind == WCOW_INS_WORKDIR ||
        (of->ins.kind == WCOW_INS_ADD && wcow_build_is_fetched(copy)))
        return true;
    int r = copy->from ? wcow_build_named_folder(b, copy->from, &context, NULL) : 1;
    if (r != 1)
        return r == 0;
    return stamp_files(copy, context, &now, &latest_ns, NULL) == WCOW_OK &&
           strcmp(now.text, files->text) == 0;
}

/* ---- what is known by it ---- */

/* "<shape> <key>"; "- -" for a step that was made, but not written. */
static bool take_keys(const char *text, struct wcow_step_key *ret)
{
    const char *space = strchr(text, ' ');
    struct wcow_step_key found = {0};
    if (strcmp(text, "- -") == 0) {
        *ret = found;
        return true;
    }
    if (!space || space - text != WCOW_DIGEST_LEN || strlen(space + 1) != WCOW_DIGEST_LEN)
        return false;
    memcpy(found.shape.text, text, WCOW_DIGEST_LEN);
    memcpy(found.key.text, space + 1, WCOW_DIGEST_LEN);
    if (!wcow_digest_is_valid(found.shape.text) || !wcow_digest_is_valid(found.key.text))
        return false;
    *ret = found;
    return true;
}

int wcow_build_stamped(struct wcow_build *b, const struct wcow_digest *stamp,
                       struct wcow_step_key *ret, struct wcow_error *err)
{
    wcow_autofree char *text = NULL;
    int r = b->cache ? wcow_build_cache_text(b->cache, stamp, &text, err) : 0;
    return r == 1 ? take_keys(text, ret) : r;
}

void wcow_build_remember_stamp(struct wcow_build *b, const struct wcow_digest *stamp,
                               const struct wcow_step_key *key)
{
    char text[2 * WCOW_DIGEST_LEN + 2];
    (void)snprintf(text, sizeof(text), "%s %s", key->key.text[0] ? key->shape.text : "-",
                   key->key.text[0] ? key->key.text : "-");
    if (b->cache && stamp->text[0])
        (void)!wcow_build_cache_remember_text(b->cache, stamp, text, NULL);
}
