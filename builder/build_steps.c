/* SPDX-License-Identifier: Apache-2.0 */
/* COPY, ADD and WORKDIR: what they put into a layer's tree. */
#include <stdlib.h>
#include <string.h>

#include "builder/build_provenance.h"
#include "builder/copy.h"
#include "builder/diagnostic.h"
#include "builder/identity.h"
#include "builder/rights.h"
#include "builder/winpath.h"
#include "layer/filetime.h"

/* Those of a finished stage, RUN's opened first. Of its base, which may not be unpacked, only the
 * files that are copied and not found in the cache will be read. */
static int layers_of_stage(struct wcow_build *b, struct wcow_stage_state *s, size_t index,
                           unsigned step, struct wcow_layers *ret, struct wcow_error *err)
{
    struct wcow_stage_state *other = NULL;
    int r = wcow_build_await(b, s, index, &other, err);
    if (r < 0)
        return r;
    (void)pthread_mutex_lock(&other->syncing);
    r = wcow_build_sync_names(b, other, step, err);
    (void)pthread_mutex_unlock(&other->syncing);
    if (r == WCOW_OK)
        r = wcow_build_share_layers(s, other, ret, err);
    for (size_t i = 0; r == WCOW_OK && i < ret->n; i++) {
        if (!ret->sources[i]->tree) /* a tree is the other's */
            ret->sources[i]->keeper.step = step;
    }
    return r;
}

/* An image whose name is none of a repository's may have been meant to be a stage. */
static int not_to_be_had(const struct wcow_build *b, const struct wcow_stage_state *s,
                         const char *from, int code, struct wcow_error *err)
{
    wcow_autofree const char **names = calloc(s->index + 1, sizeof *names);
    size_t n = 0;
    if (!names || code == WCOW_E_CANCELLED || strpbrk(from, "/:@"))
        return code;
    for (size_t i = 0; i < s->index; i++) {
        if (b->file->stages[i].name)
            names[n++] = b->file->stages[i].name;
    }
    const char *near = wcow_diagnostic_suggest(from, names, n);
    return wcow_error_wrap(code, err, "no stage before this one is named %s%s%s%s; as an image",
                           from, near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
}

/* The layers that COPY --from names: of a stage before, or of an image. */
int wcow_build_layers_of(struct wcow_build *b, struct wcow_stage_state *s, const char *from,
                         unsigned step, const struct wcow_layers **ret, struct wcow_layers *room,
                         struct wcow_error *err)
{
    const char *named = wcow_build_named_image(b, from);
    ssize_t index = -1;
    int r = named ? WCOW_OK : wcow_build_stage_named(b, s, from, &index, err);
    *ret = room;
    if (r < 0)
        return r;
    if (index >= 0)
        return layers_of_stage(b, s, (size_t)index, step, room, err);
    struct wcow_local_image *image = NULL;
    r = wcow_build_base_image(b, named ? named : from, &s->variant->platform, NULL, &image, err);
    if (r < 0)
        return named ? r : not_to_be_had(b, s, from, r, err);
    r = wcow_build_note_image(b, s, image, err);
    return r < 0 ? r : wcow_build_open_names(b, s, image, step, room, err);
}

/* ---- trees ---- */

static int keep_sid(struct wcow_stage_state *s, const struct wcow_buf *sid, struct wcow_bytes *ret,
                    struct wcow_error *err)
{
    uint8_t *kept = wcow_arena_alloc(&s->arena, sid->len ? sid->len : 1);
    if (!kept)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a layer");
    if (sid->len)
        memcpy(kept, sid->data, sid->len);
    *ret = (struct wcow_bytes){.data = kept, .len = sid->len};
    return WCOW_OK;
}

static int new_tree(struct wcow_build *b, struct wcow_stage_state *s, const char *owner,
                    const char *creator, const struct wcow_chain *below, struct wcow_tree **ret,
                    struct wcow_error *err)
{
    wcow_autobuf user = {0};
    wcow_autobuf group = {0};
    struct wcow_tree_options options = {.below = below, .now = wcow_filetime_of_unix(b->now_s, 0)};
    /* A stage for another system only gives files: whose they were there means nothing here. */
    bool is_foreign = wcow_build_is_foreign(s);
    int r = owner && !is_foreign ? wcow_rights_chown(owner, &user, &group, err)
                                 : wcow_identity_sid(is_foreign ? "" : creator, &user, NULL, err);
    if (r == WCOW_OK)
        r = keep_sid(s, &user, &options.owner, err);
    if (r == WCOW_OK)
        r = keep_sid(s, &group, &options.group, err);
    return r < 0 ? r : wcow_tree_new(&options, ret, err);
}

static int copy_from(struct wcow_build *b, struct wcow_stage_state *s,
                     const struct wcow_copying *copying, unsigned step, struct wcow_error *err)
{
    const char *from = copying->copy->from;
    struct wcow_context *folder = NULL;
    int r = wcow_build_named_folder(b, from, &folder, err);
    if (r != 0)
        return r < 0 ? r : wcow_copy_from_context(copying, folder, err);
    struct wcow_layers room = {0};
    const struct wcow_layers *layers = NULL;
    r = wcow_build_layers_of(b, s, from, step, &layers, &room, err);
    if (r == WCOW_OK)
        r = wcow_copy_from_layers(copying, layers, err);
    wcow_layers_done(&room);
    return r;
}

/* Docker takes it that a pattern matches nothing; the user may not have meant it. Told once, for
 * a step's files may be looked at twice. */
static void tell_unmatched(const struct wcow_build *b, struct wcow_stage_state *s,
                           const char *pattern, unsigned step)
{
    wcow_autobuf text = {0};
    if (!pattern || !b->progress || s->told_unmatched == step)
        return;
    s->told_unmatched = step;
    if (wcow_buf_addf(&text, NULL, "nothing matches \"%s\", so nothing is copied", pattern) ==
        WCOW_OK)
        wcow_progress_log(b->progress, step, (const char *)text.data);
}

static int fill_copy(struct wcow_build *b, struct wcow_stage_state *s,
                     const struct wcow_layer_step *of, struct wcow_tree *tree, unsigned step,
                     struct wcow_error *err)
{
    const struct wcow_instruction *ins = &of->ins;
    const char *unmatched = NULL;
    const struct wcow_copying copying = {
        .tree = tree,
        .copy = &ins->copy,
        .workdir = of->workdir,
        .now = wcow_filetime_of_unix(b->now_s, 0),
        .is_add = ins->kind == WCOW_INS_ADD,
        .ret_unmatched = &unmatched,
    };
    int r = WCOW_OK;
    if (copying.is_add)
        r = wcow_build_add(b, s, &copying, step, err);
    else if (ins->copy.from)
        r = copy_from(b, s, &copying, step, err);
    else
        r = wcow_copy_from_context(&copying, b->context, err);
    if (r == WCOW_OK)
        tell_unmatched(b, s, unmatched, step);
    return r;
}

/* ---- --chmod ---- */

struct chmodding {
    struct wcow_tree *tree;
    struct wcow_chmod chmod;
    struct wcow_buf owner;
    struct wcow_buf group;
};

static int chmod_node(void *arg, const struct wcow_tree_shown *shown, struct wcow_error *err)
{
    struct chmodding *c = arg;
    bool is_dir = shown->entry.type == WCOW_ENTRY_DIR;
    /* Not what was there before, nor directories made on the way to what is copied. */
    if (shown->is_below || !shown->entry.sd || (is_dir && shown->is_stamped && !shown->is_source))
        return WCOW_OK;
    wcow_autoentry entry = {0};
    int r = wcow_entry_copy(&shown->entry, &entry, err);
    if (r == WCOW_OK)
        r = wcow_chmod_apply(&c->chmod, (struct wcow_bytes){c->group.data, c->group.len}, &entry,
                             err);
    return r < 0 ? r
                 : wcow_tree_set_sd(c->tree, shown->node,
                                    (struct wcow_bytes){entry.sd, entry.sd_len_bytes}, err);
}

static int apply_chmod(const struct wcow_copy *copy, struct wcow_tree *tree, struct wcow_error *err)
{
    struct chmodding c = {.tree = tree};
    if (!copy->chmod)
        return WCOW_OK;
    int r = wcow_chmod_parse(copy->chmod, &c.chmod, err);
    if (r == WCOW_OK && copy->chown)
        r = wcow_rights_chown(copy->chown, &c.owner, &c.group, err);
    if (r == WCOW_OK)
        r = wcow_tree_each(tree, chmod_node, &c, err);
    wcow_chmod_done(&c.chmod);
    wcow_buf_done(&c.owner);
    wcow_buf_done(&c.group);
    return r;
}

static int copy_tree(struct wcow_build *b, struct wcow_stage_state *s,
                     const struct wcow_layer_step *of, const struct wcow_chain *below,
                     unsigned step, struct wcow_tree **ret, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_tree_free_p) struct wcow_tree *tree = NULL;
    int r = new_tree(b, s, of->ins.copy.chown, of->user, below, &tree, err);
    if (r == WCOW_OK)
        r = fill_copy(b, s, of, tree, step, err);
    if (r == WCOW_OK)
        r = wcow_build_is_foreign(s) ? WCOW_OK : apply_chmod(&of->ins.copy, tree, err);
    if (r == WCOW_OK)
        *ret = WCOW_TAKE_PTR(tree);
    return r;
}

static int workdir_tree(struct wcow_build *b, struct wcow_stage_state *s,
                        const struct wcow_layer_step *of, const struct wcow_chain *below,
                        struct wcow_tree **ret, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_tree_free_p) struct wcow_tree *tree = NULL;
    struct wcow_tree_node *dir = NULL;
    wcow_autofree char *path = NULL;
    int r = wcow_winpath_to_layer(of->workdir, of->ins.text, &path, NULL, err);
    if (r == WCOW_OK)
        r = new_tree(b, s, NULL, of->user, below, &tree, err);
    if (r == WCOW_OK)
        r = wcow_tree_dir(tree, path, &dir, err);
    if (r == WCOW_OK)
        *ret = WCOW_TAKE_PTR(tree);
    return r;
}

int wcow_build_step_tree(struct wcow_build *b, struct wcow_stage_state *s,
                         const struct wcow_layer_step *of, const struct wcow_chain *below,
                         unsigned step, struct wcow_tree **ret, struct wcow_error *err)
{
    return of->ins.kind == WCOW_INS_WORKDIR ? workdir_tree(b, s, of, below, ret, err)
                                            : copy_tree(b, s, of, below, step, ret, err);
}

/* ---- the step ---- */

static int take_step(struct wcow_stage_state *s, const struct wcow_instruction *ins,
                     const struct wcow_layer_step **ret, struct wcow_error *err)
{
    struct wcow_layer_step *of = wcow_arena_alloc(&s->arena, sizeof(*of));
    const char *user = wcow_image_config_string(s->config, WCOW_CONFIG_USER);
    const char *workdir = wcow_image_config_string(s->config, WCOW_CONFIG_WORKING_DIR);
    user = wcow_arena_strdup(&s->arena, user);
    workdir = wcow_arena_strdup(&s->arena, workdir);
    if (!of || !user || !workdir)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a step");
    *of = (struct wcow_layer_step){.ins = *ins, .user = user, .workdir = workdir};
    *ret = of;
    return WCOW_OK;
}

/* By its inputs: 1 found, 0 not. */
static int find_step(struct wcow_build *b, struct wcow_stage_state *s,
                     const struct wcow_layer_step *of, struct wcow_input_key *key,
                     struct wcow_step_note *note, struct wcow_error *err)
{
    int r = key->key.shape.text[0] ? wcow_build_knows_shape(b, s, &key->key.shape, err) : 0;
    if (r == 1)
        r = wcow_build_input_key(b, key, err);
    if (r == WCOW_OK && key->key.key.text[0])
        r = wcow_build_cached_layer(b, s, &key->key.key, &note->layer, err);
    if (r != 1 || note->layer.size_bytes == 0)
        return r;
    r = wcow_build_add_desc(s, of, &note->layer, err);
    s->created_s = b->has_epoch ? b->epoch_s : note->layer.created_s;
    return r < 0 ? r : 1;
}

/* Whether others only copy from the stage, so that its files can be read where they lie and nothing
 * needs to be written: no RUN is to come that would work on them, and no cache is exported. */
static bool is_source_only(const struct wcow_build *b, const struct wcow_stage_state *s)
{
    if (s->is_below || b->options->cache_to.count > 0)
        return false;
    for (size_t i = 0; i < s->stage->instruction_count; i++) {
        if (s->stage->instructions[i].kind == WCOW_INS_RUN)
            return false;
    }
    return true;
}

/* Whether the step had these very files the last time, for the display: names, sizes and times. */
static bool was_seen(struct wcow_build *b, struct wcow_stage_state *s, struct wcow_tree *tree)
{
    struct wcow_layer_write with_times = wcow_build_layer_options(b);
    struct wcow_digest seen;
    const char *text = NULL;
    with_times.has_epoch = true;
    with_times.epoch = UINT64_MAX;
    if (wcow_layer_shape(tree, &with_times, &seen, NULL) < 0)
        return false;
    if (!s->skips_cache && wcow_build_fact(b, s, &seen, &text, NULL) == 1)
        return true;
    (void)!wcow_build_remember_fact(b, s, &seen, "a step that was not written", NULL);
    return false;
}

static int add_unwritten(struct wcow_stage_state *s, const struct wcow_layer_step *of,
                         const struct wcow_digest *stamp, struct wcow_error *err)
{
    struct wcow_unwritten *grown = reallocarray(s->unwritten, s->n_unwritten + 1, sizeof(*grown));
    if (!grown)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a stage's layers");
    s->unwritten = grown;
    grown[s->n_unwritten++] = (struct wcow_unwritten){.of = of, .stamp = *stamp};
    return WCOW_OK;
}

/* The step's tree is all there is of its layer. */
static int make_unwritten_tree(struct wcow_build *b, struct wcow_stage_state *s,
                               const struct wcow_layer_step *of, unsigned step,
                               const struct wcow_digest *stamp, struct wcow_layer_made *ret,
                               struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_tree_free_p) struct wcow_tree *tree = NULL;
    int r = wcow_build_sync_names(b, s, step, err);
    if (r < 0)
        return r;
    const struct wcow_chain below = wcow_layers_chain(&s->layers);
    r = wcow_build_step_tree(b, s, of, &below, step, &tree, err);
    if (r < 0)
        return r;
    *ret = (struct wcow_layer_made){.is_empty = !wcow_tree_has_changes(tree)};
    if (ret->is_empty)
        return WCOW_OK;
    ret->is_cached = was_seen(b, s, tree);
    r = add_unwritten(s, of, stamp, err);
    return r < 0 ? r : wcow_build_push_tree(s, WCOW_TAKE_PTR(tree), err);
}

/* Where the step took the same files before, its tree can wait until somebody looks into it. */
static int make_unwritten(struct wcow_build *b, struct wcow_stage_state *s,
                          const struct wcow_layer_step *of, unsigned step,
                          struct wcow_layer_made *ret, struct wcow_error *err)
{
    static const struct wcow_step_key none;
    struct wcow_step_key was;
    struct wcow_digest stamp = {0};
    struct wcow_digest files = {0};
    struct wcow_error why = {0};
    int r = wcow_build_stamp(b, s, of, step, &stamp, &files, &why);
    if (r == 1 && !s->skips_cache && wcow_build_stamped(b, &stamp, &was, NULL) == 1) {
        *ret = (struct wcow_layer_made){.is_cached = true};
        return add_unwritten(s, of, &stamp, err);
    }
    r = make_unwritten_tree(b, s, of, step, &stamp, ret, err);
    if (r == WCOW_OK && !ret->is_empty && wcow_build_files_are(b, of, &files))
        wcow_build_remember_stamp(b, &stamp, &none);
    return r;
}

static int make_step(struct wcow_build *b, struct wcow_stage_state *s,
                     const struct wcow_layer_step *of, unsigned step, struct wcow_step_note *note,
                     struct wcow_layer_made *ret, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_tree_free_p) struct wcow_tree *tree = NULL;
    int r = wcow_build_free_tree(b, s, of, step, &tree, err);
    if (r == 0) {
        r = wcow_build_sync_names(b, s, step, err);
        const struct wcow_chain below = wcow_layers_chain(&s->layers);
        if (r == WCOW_OK)
            r = wcow_build_step_tree(b, s, of, &below, step, &tree, err);
    }
    if (r >= 0)
        r = wcow_build_add_layer(b, s, of, WCOW_TAKE_PTR(tree), step, note, err);
    if (r < 0)
        return r;
    *ret = (struct wcow_layer_made){.is_cached = r == 1, .is_empty = note->layer.size_bytes == 0};
    return WCOW_OK;
}

/* What was made is found by its inputs the next time. That it changed nothing, too. Files were
 * listed for the key, and again to be copied: where they changed since the first time, the layer
 * may have what the key does not say. */
static void remember_step(struct wcow_build *b, struct wcow_stage_state *s,
                          const struct wcow_layer_step *of, unsigned step,
                          struct wcow_input_key *key, struct wcow_step_note *note)
{
    bool is_empty = note->layer.size_bytes == 0;
    if (!wcow_build_files_are(b, of, &key->files)) {
        key->key = (struct wcow_step_key){0};
        return;
    }
    bool has_key =
        key->key.shape.text[0] && wcow_build_input_key_made(b, s, of, step, key, NULL) == WCOW_OK;
    const struct wcow_step_key *known = has_key ? &key->key : &note->content;
    if (known->key.text[0])
        wcow_build_remember_stamp(b, &key->stamp, known);
    if (!has_key)
        return;
    if (is_empty && (wcow_digest_of("", 0, &note->layer.digest, NULL) < 0 ||
                     wcow_digest_of("", 0, &note->layer.diff_id, NULL) < 0))
        return;
    wcow_build_remember_layer(b, &key->key.shape, &key->key.key, &note->layer);
}

/* By what stat says of its inputs, then by what they are: 1 found, 0 not. */
static int find_by_inputs(struct wcow_build *b, struct wcow_stage_state *s,
                          const struct wcow_layer_step *of, unsigned step,
                          struct wcow_input_key *key, struct wcow_step_note *note,
                          struct wcow_error *err)
{
    int r = wcow_build_stamped_key(b, s, of, step, key, err);
    if (r == 1)
        r = find_step(b, s, of, key, note, err);
    if (r != 0)
        return r;
    key->key = (struct wcow_step_key){0};
    r = wcow_build_input_shape(b, s, of, step, key, err);
    if (r == WCOW_OK)
        r = find_step(b, s, of, key, note, err);
    if (r == 1)
        wcow_build_remember_stamp(b, &key->stamp, &key->key);
    return r;
}

static int find_or_make(struct wcow_build *b, struct wcow_stage_state *s,
                        const struct wcow_layer_step *of, unsigned step,
                        struct wcow_layer_made *ret, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_input_key_done) struct wcow_input_key key = {0};
    struct wcow_step_note note = {0};
    bool is_unwritten = s->n_unwritten > 0 || (!b->imports && is_source_only(b, s));
    if (is_unwritten)
        return make_unwritten(b, s, of, step, ret, err);
    int r = find_by_inputs(b, s, of, step, &key, &note, err);
    if (r < 0)
        return r;
    if (r == 0)
        wcow_build_input_key_wait(&key);
    if (r == 0 && is_source_only(b, s))
        return make_unwritten(b, s, of, step, ret, err);
    *ret = (struct wcow_layer_made){.is_cached = r == 1, .is_empty = r && !note.layer.size_bytes};
    if (r == 0) {
        r = make_step(b, s, of, step, &note, ret, err);
        if (r < 0)
            return r;
        remember_step(b, s, of, step, &key, &note);
    }
    note.input = key.key;
    return wcow_build_note_step(s, &note, err);
}

int wcow_build_files_step(struct wcow_build *b, struct wcow_stage_state *s,
                          const struct wcow_instruction *ins, unsigned step,
                          struct wcow_layer_made *ret, struct wcow_error *err)
{
    const struct wcow_layer_step *of = NULL;
    wcow_autofree char *workdir = NULL;
    int r = take_step(s, ins, &of, err);
    if (r == WCOW_OK && ins->kind == WCOW_INS_WORKDIR)
        r = wcow_winpath_workdir(of->workdir, ins->text, &workdir, err);
    if (r == WCOW_OK)
        r = find_or_make(b, s, of, step, ret, err);
    return r < 0 || !workdir
               ? r
               : wcow_image_config_set_string(s->config, WCOW_CONFIG_WORKING_DIR, workdir, err);
}
