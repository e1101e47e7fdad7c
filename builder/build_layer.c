/* SPDX-License-Identifier: Apache-2.0 */
/* A tree into a layer of the stage: found by what it holds, or written. */

#include "builder/build_internal.h"
#include "builder/layer_blob.h"
#include "builder/layer_hives.h"
#include "layer/filetime.h"

struct wcow_layer_write wcow_build_layer_options(const struct wcow_build *b)
{
    return (struct wcow_layer_write){.has_epoch = b->has_epoch,
                                     .epoch = wcow_filetime_of_unix(b->epoch_s, 0),
                                     .now = wcow_filetime_of_unix(b->now_s, 0),
                                     .cancel = b->options->cancel};
}

/* 1 found, 0 not. The note's key is made wherever there may be such a layer. */
static int look_up(struct wcow_build *b, const struct wcow_stage_state *s, struct wcow_tree *tree,
                   const struct wcow_layer_write *options, struct wcow_step_note *note,
                   struct wcow_error *err)
{
    /* Without a layer of this shape there is no need to read the files twice. */
    int r = wcow_build_knows_shape(b, s, &note->content.shape, err);
    if (r <= 0)
        return r;
    r = wcow_layer_key(tree, options, &note->content.key, err);
    return r < 0 ? r : wcow_build_cached_layer(b, s, &note->content.key, &note->layer, err);
}

/* ---- the layer ---- */

static int write_layer(struct wcow_build *b, struct wcow_tree *tree,
                       const struct wcow_layer_write *options, struct wcow_step_note *note,
                       struct wcow_error *err)
{
    const struct wcow_progress_bytes *shown = options->progress_ctx;
    int r = wcow_layer_blob_write(b->backend, tree, options, &note->layer, &note->content.key, err);
    if (r < 0)
        return r;
    note->layer.created_s = b->now_s;
    if (shown->told > 0)
        wcow_progress_status(b->progress, shown->number, shown->id, note->layer.tar_bytes, 0, true);
    /* Without a key the layer is made again the next time. */
    if (note->content.key.text[0])
        wcow_build_remember_layer(b, &note->content.shape, &note->content.key, &note->layer);
    else
        note->content = (struct wcow_step_key){0};
    return WCOW_OK;
}

/* 1 found, 0 written. */
static int find_or_write(struct wcow_build *b, const struct wcow_stage_state *s,
                         struct wcow_tree *tree, unsigned step, struct wcow_step_note *note,
                         struct wcow_error *err)
{
    struct wcow_progress_bytes shown = {
        .progress = b->progress, .number = step, .id = "writing layer"};
    struct wcow_layer_write options = wcow_build_layer_options(b);
    WCOW_CLEANUP(wcow_key_hold_done) struct wcow_key_hold hold = {0};
    options.progress = wcow_progress_bytes_grown;
    options.progress_ctx = &shown;
    int r = wcow_layer_shape(tree, &options, &note->content.shape, err);
    /* The same step of another platform waits until this one is known. */
    if (r == WCOW_OK)
        r = wcow_key_lock_hold(&b->backend->busy, note->content.shape.text, b->options->cancel,
                               &hold, err);
    if (r < 0)
        return r;
    r = look_up(b, s, tree, &options, note, err);
    return r == 0 ? write_layer(b, tree, &options, note, err) : r;
}

/* The tree serves the steps to come, where those below it are there, too. Takes the tree. */
static int keep_tree(struct wcow_stage_state *s, struct wcow_tree *tree, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_tree_free_p) struct wcow_tree *owned = tree;
    return s->layers.n + 1 != s->n_descs ? WCOW_OK
                                         : wcow_build_push_tree(s, WCOW_TAKE_PTR(owned), err);
}

int wcow_build_add_layer(struct wcow_build *b, struct wcow_stage_state *s,
                         const struct wcow_layer_step *of, struct wcow_tree *tree, unsigned step,
                         struct wcow_step_note *note, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_tree_free_p) struct wcow_tree *owned = tree;
    bool is_base = s->n_descs == 0;
    note->layer = (struct wcow_cached_layer){0};
    if (!is_base && !wcow_tree_has_changes(tree))
        return 0;
    int r = is_base ? WCOW_OK : wcow_layer_add_hives(tree, wcow_filetime_of_unix(b->now_s, 0), err);
    if (r < 0)
        return r;
    int found = find_or_write(b, s, tree, step, note, err);
    r = found < 0 ? found : wcow_build_add_desc(s, of, &note->layer, err);
    if (r < 0)
        return r;
    s->created_s = b->has_epoch ? b->epoch_s : note->layer.created_s;
    r = keep_tree(s, WCOW_TAKE_PTR(owned), err);
    return r < 0 ? r : found;
}
