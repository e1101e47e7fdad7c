/* SPDX-License-Identifier: Apache-2.0 */
/* A step's key by its inputs: the chain ID of what lies below, the instruction, and the files that
 * it copies. Nothing below is looked at: a step that was made before, here or by another builder,
 * is found without a layer of its base.
 *
 * The files are those of a tree that lies on nothing: names, attributes, digests. What they become
 * on the layers below follows from those layers, which the chain ID names. */
#include <stdio.h>
#include <string.h>

#include "builder/build_provenance.h"
#include "builder/git.h"
#include "builder/pattern.h"
#include "builder/remote.h"

void wcow_input_key_done(struct wcow_input_key *key)
{
    wcow_tree_free(WCOW_TAKE_PTR(key->tree));
    wcow_noted_files_done(&key->noted);
}

/* ---- the instruction ---- */

static void add(struct wcow_hash *hash, const char *text)
{
    wcow_hash_add(hash, text ? text : "", text ? strlen(text) + 1 : 1);
    wcow_hash_add(hash, text ? "1" : "0", 1);
}

static void add_strings(struct wcow_hash *hash, const struct wcow_strings *strings)
{
    char number[24];
    (void)snprintf(number, sizeof(number), "%zu", strings->count);
    add(hash, number);
    for (size_t i = 0; i < strings->count; i++)
        add(hash, strings->items[i]);
}

static void add_copy(struct wcow_hash *hash, const struct wcow_copy *copy)
{
    char flags[64];
    (void)snprintf(flags, sizeof(flags), "%d %d %d %d %zu", copy->link, copy->parents,
                   (int)copy->unpack, (int)copy->keep_git_dir, copy->content_count);
    add(hash, flags);
    add(hash, copy->dest);
    add(hash, copy->chown);
    add(hash, copy->chmod);
    add(hash, copy->checksum);
    add_strings(hash, &copy->sources);
    add_strings(hash, &copy->excludes);
}

/* "" where nothing lies below. */
static int chain_of(const struct wcow_image_config *config, struct wcow_digest *ret,
                    struct wcow_error *err)
{
    size_t n = wcow_image_config_diff_id_count(config);
    *ret = (struct wcow_digest){0};
    return n ? wcow_image_config_chain_id(config, n, ret, err) : WCOW_OK;
}

void wcow_build_add_step(const struct wcow_build *b, const struct wcow_layer_step *of,
                         struct wcow_hash *hash)
{
    char number[64];
    (void)snprintf(number, sizeof(number), "%s 2 %lld", wcow_instruction_name(of->ins.kind),
                   b->has_epoch ? (long long)b->epoch_s : -1);
    add(hash, number);
    add(hash, of->user);
    add(hash, of->workdir);
    if (of->ins.kind == WCOW_INS_WORKDIR)
        add(hash, of->ins.text);
    else
        add_copy(hash, &of->ins.copy);
}

/* What lies below: of a layer that depends on nothing there, whether it is the first. */
static int add_below(const struct wcow_stage_state *s, const struct wcow_layer_step *of,
                     const struct wcow_tree *files, struct wcow_hash *hash, struct wcow_error *err)
{
    struct wcow_digest chain;
    int r = wcow_build_is_free(of, files, err);
    if (r == 1)
        add(hash, s->n_descs ? "above" : "first");
    if (r != 0)
        return r < 0 ? r : WCOW_OK;
    r = chain_of(s->config, &chain, err);
    if (r == WCOW_OK)
        add(hash, chain.text);
    return r;
}

/* ---- sources ---- */

/* What patterns matched: a name decides where a file goes. */
static int add_matches(struct wcow_context *context, const struct wcow_copy *copy,
                       struct wcow_hash *hash, struct wcow_error *err)
{
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < copy->sources.count; i++) {
        wcow_auto_str_list found = {0};
        if (!wcow_pattern_has_glob(copy->sources.items[i]))
            continue;
        r = wcow_context_glob(context, copy->sources.items[i], &found, err);
        for (size_t k = 0; r == WCOW_OK && k < found.count; k++)
            add(hash, found.items[k]);
        add(hash, "");
    }
    return r;
}

/* One key being made. */
struct keying {
    struct wcow_build *b;
    struct wcow_stage_state *s;
    const struct wcow_layer_step *of;
    unsigned step;
    struct wcow_hash *hash;
};

/* The files of the context, archives as they are. */
static int take_files(const struct keying *k, struct wcow_context *context, struct wcow_tree **ret,
                      struct wcow_error *err)
{
    static const struct wcow_chain nothing;
    struct wcow_layer_step plain = *k->of;
    plain.ins.kind = WCOW_INS_COPY;
    plain.ins.copy.checksum = NULL;
    int r = add_matches(context, &k->of->ins.copy, k->hash, err);
    return r < 0 ? r : wcow_build_step_tree(k->b, k->s, &plain, &nothing, k->step, ret, err);
}

/* Layers that are not written have no name. */
int wcow_build_add_from(struct wcow_build *b, struct wcow_stage_state *s, const char *from,
                        struct wcow_hash *hash, struct wcow_error *err)
{
    const char *named = wcow_build_named_image(b, from);
    const struct wcow_image_config *config = NULL;
    struct wcow_local_image *image = NULL;
    struct wcow_stage_state *other = NULL;
    struct wcow_digest chain;
    ssize_t index = -1;
    int r = named ? WCOW_OK : wcow_build_stage_named(b, s, from, &index, err);
    if (r == WCOW_OK && index >= 0) {
        r = wcow_build_await(b, s, (size_t)index, &other, err);
        config = other ? other->config : NULL;
        if (other && other->n_unwritten > 0)
            return 0;
    } else if (r == WCOW_OK) {
        r = wcow_build_base_image(b, named ? named : from, &s->variant->platform, NULL, &image,
                                  err);
        config = image ? image->config : NULL;
        if (r == WCOW_OK)
            r = wcow_build_note_image(b, s, image, err);
    }
    if (r == WCOW_OK)
        r = chain_of(config, &chain, err);
    if (r < 0)
        return r;
    add(hash, chain.text);
    return 1;
}

bool wcow_build_is_fetched(const struct wcow_copy *copy)
{
    for (size_t i = 0; i < copy->sources.count; i++) {
        if (wcow_git_is_url(copy->sources.items[i]) || wcow_remote_is_http(copy->sources.items[i]))
            return true;
    }
    return false;
}

/* 1 where the inputs are known, 0 where they are not before they are fetched. */
static int add_sources(const struct keying *k, struct wcow_tree **ret, struct wcow_error *err)
{
    const struct wcow_copy *copy = &k->of->ins.copy;
    struct wcow_context *context = k->b->context;
    if (k->of->ins.kind == WCOW_INS_WORKDIR)
        return 1;
    if (k->of->ins.kind == WCOW_INS_ADD && wcow_build_is_fetched(copy))
        return wcow_build_add_remotes(k->b, k->s, copy, k->step, k->hash, err);
    if (copy->from) {
        int r = wcow_build_named_folder(k->b, copy->from, &context, err);
        if (r == 0)
            return wcow_build_add_from(k->b, k->s, copy->from, k->hash, err);
        if (r < 0)
            return r;
    }
    int r = take_files(k, context, ret, err);
    return r < 0 ? r : 1;
}

/* ---- the key ---- */

static int combine(const struct wcow_digest *prefix, const struct wcow_digest *files,
                   struct wcow_digest *ret, struct wcow_error *err)
{
    char both[2 * WCOW_DIGEST_LEN + 1];
    int n = snprintf(both, sizeof(both), "%s%s", prefix->text, files->text);
    return wcow_digest_of(both, (size_t)n, ret, err);
}

static int make_shape(const struct wcow_build *b, struct wcow_input_key *key,
                      struct wcow_error *err)
{
    const struct wcow_layer_write options = wcow_build_layer_options(b);
    struct wcow_digest files;
    if (!key->tree) {
        key->key = (struct wcow_step_key){.key = key->prefix, .shape = key->prefix};
        return WCOW_OK;
    }
    int r = wcow_layer_shape(key->tree, &options, &files, err);
    return r < 0 ? r : combine(&key->prefix, &files, &key->key.shape, err);
}

/* What is wrong with the sources is said when they are copied to where they go; what seems wrong
 * without the layers below may be right on them. */
static int or_unknown(int r, const struct wcow_error *why, struct wcow_error *err)
{
    if (r != WCOW_E_CANCELLED && r != WCOW_E_NOMEM)
        return 0;
    if (err)
        *err = *why;
    return r;
}

int wcow_build_stamped_key(struct wcow_build *b, struct wcow_stage_state *s,
                           const struct wcow_layer_step *of, unsigned step,
                           struct wcow_input_key *ret, struct wcow_error *err)
{
    struct wcow_error why = {0};
    if (of->ins.kind == WCOW_INS_WORKDIR) /* needs no stamp */
        return 0;
    int r = wcow_build_stamp(b, s, of, step, &ret->stamp, &ret->files, &why);
    if (r == 1)
        r = s->skips_cache ? 0 : wcow_build_stamped(b, &ret->stamp, &ret->key, &why);
    return r < 0 ? or_unknown(r, &why, err) : r == 1 && ret->key.key.text[0];
}

int wcow_build_input_shape(struct wcow_build *b, struct wcow_stage_state *s,
                           const struct wcow_layer_step *of, unsigned step,
                           struct wcow_input_key *ret, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_hash_free_p) struct wcow_hash *hash = NULL;
    struct wcow_error why = {0};
    int r = wcow_hash_new(&hash, err);
    if (r < 0)
        return r;
    wcow_build_add_step(b, of, hash);
    const struct keying k = {.b = b, .s = s, .of = of, .step = step, .hash = hash};
    r = add_sources(&k, &ret->tree, &why);
    if (r == 1)
        r = add_below(s, of, ret->tree, hash, &why) == WCOW_OK ? 1 : 0;
    if (r == 1) {
        r = wcow_hash_digest(hash, &ret->prefix, err);
        return r < 0 ? r : make_shape(b, ret, err);
    }
    return or_unknown(r, &why, err);
}

/* What the files are, and what they hold. */
static int set_key(struct wcow_input_key *key, const struct wcow_digest *files,
                   struct wcow_error *err)
{
    return combine(&key->key.shape, files, &key->key.key, err);
}

int wcow_build_input_key(const struct wcow_build *b, struct wcow_input_key *key,
                         struct wcow_error *err)
{
    struct wcow_digest files;
    if (key->key.key.text[0])
        return WCOW_OK;
    int r = wcow_input_files_digest(key->tree, b->options->cancel, &files, err);
    return r < 0 ? r : set_key(key, &files, err);
}

/* ---- while the step is made ---- */

void wcow_build_input_key_wait(struct wcow_input_key *key)
{
    bool is_needed = key->tree && key->key.shape.text[0] && !key->key.key.text[0];
    if (!is_needed || wcow_input_files_note(key->tree, &key->noted, NULL) == 1)
        wcow_tree_free(WCOW_TAKE_PTR(key->tree));
}

/* A digest that nobody learned, as that of an archive which was unpacked, is asked of the files
 * once more, where they are still those noted. */
static int read_again(const struct keying *k, struct wcow_input_key *key, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_noted_files_done) struct wcow_noted_files now = {0};
    int r = add_sources(k, &key->tree, err);
    if (r == 1 && key->tree)
        r = wcow_input_files_note(key->tree, &now, err);
    if (r < 0)
        return r;
    if (!now.spool || strcmp(now.digest.text, key->noted.digest.text) != 0)
        return WCOW_FAIL(err, WCOW_E_PRECONDITION, "the files have changed since they were listed");
    return wcow_build_input_key(k->b, key, err);
}

int wcow_build_input_key_made(struct wcow_build *b, struct wcow_stage_state *s,
                              const struct wcow_layer_step *of, unsigned step,
                              struct wcow_input_key *key, struct wcow_error *err)
{
    struct wcow_digest files;
    if (!key->noted.spool || key->key.key.text[0])
        return wcow_build_input_key(b, key, err);
    int r = wcow_input_files_digest_noted(&key->noted, b->cache, &files, err);
    if (r != 0)
        return r < 0 ? r : set_key(key, &files, err);
    WCOW_CLEANUP(wcow_hash_free_p) struct wcow_hash *unused = NULL;
    r = wcow_hash_new(&unused, err);
    if (r < 0)
        return r;
    const struct keying k = {.b = b, .s = s, .of = of, .step = step, .hash = unused};
    return read_again(&k, key, err);
}
