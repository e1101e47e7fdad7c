/* SPDX-License-Identifier: Apache-2.0 */
/* The layers of a stage, of which most builds need no more than descriptors: opened when a step
 * looks at what lies below it. */
#include <stdlib.h>

#include "builder/build_internal.h"
#include "builder/layer_hives.h"
#include "layer/filetime.h"

static int add_own(struct wcow_stage_state *s, const struct wcow_layer_step *of,
                   struct wcow_error *err)
{
    const struct wcow_layer_step **grown =
        reallocarray(s->own, s->n_own + 1, sizeof(struct wcow_layer_step *));
    if (!grown)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a stage's layers");
    s->own = grown;
    grown[s->n_own++] = of;
    return WCOW_OK;
}

int wcow_build_copy_own(struct wcow_stage_state *s, const struct wcow_stage_state *from,
                        struct wcow_error *err)
{
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < from->n_own; i++)
        r = add_own(s, from->own[i], err);
    return r;
}

int wcow_build_add_desc(struct wcow_stage_state *s, const struct wcow_layer_step *of,
                        const struct wcow_cached_layer *layer, struct wcow_error *err)
{
    struct wcow_descriptor *grown = reallocarray(s->descs, s->n_descs + 1, sizeof(*grown));
    if (!grown)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a stage's layers");
    s->descs = grown;
    grown[s->n_descs] = (struct wcow_descriptor){0};
    /* A manifest is of one family: a layer on Docker's ones is called as they are. */
    bool docker = s->base && wcow_media_is_docker(s->base->manifest.media_type);
    int r = wcow_descriptor_init(&grown[s->n_descs],
                                 docker ? WCOW_MEDIA_DOCKER_LAYER_GZIP : WCOW_MEDIA_OCI_LAYER_GZIP,
                                 layer->digest.text, layer->size_bytes, err);
    if (r == WCOW_OK) {
        s->n_descs++;
        r = add_own(s, of, err);
    }
    return r < 0 ? r : wcow_image_config_add_diff_id(s->config, layer->diff_id.text, err);
}

struct wcow_local_image wcow_build_image_of(const struct wcow_stage_state *s)
{
    return (struct wcow_local_image){.manifest = {.layers = s->descs, .layer_count = s->n_descs},
                                     .config = s->config};
}

/* ---- one layer ---- */

int wcow_build_push_tree(struct wcow_stage_state *s, struct wcow_tree *tree, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_tree_free_p) struct wcow_tree *owned = tree;
    WCOW_CLEANUP(wcow_layer_source_free_p) struct wcow_layer_source *source = NULL;
    wcow_tree_seal(tree);
    int r = wcow_layer_source_of_tree(owned, &source, err);
    if (r < 0)
        return r;
    owned = NULL;
    r = wcow_layer_sources_add(&s->sources, source, err);
    return r < 0 ? r : wcow_layers_push(&s->layers, WCOW_TAKE_PTR(source), err);
}

/* A step that was found in a cache has no tree: it is made again, without writing it. */
static int replay(struct wcow_build *b, struct wcow_stage_state *s,
                  const struct wcow_layer_step *of, bool is_written, unsigned step,
                  struct wcow_error *err)
{
    const struct wcow_chain below = wcow_layers_chain(&s->layers);
    WCOW_CLEANUP(wcow_tree_free_p) struct wcow_tree *tree = NULL;
    int r = is_written ? wcow_build_free_tree(b, s, of, step, &tree, err) : 0;
    if (r == 0)
        r = wcow_build_step_tree(b, s, of, &below, step, &tree, err);
    if (r >= 0 && is_written && s->layers.n > 0)
        r = wcow_layer_add_hives(tree, wcow_filetime_of_unix(b->now_s, 0), err);
    return r < 0 ? r : wcow_build_push_tree(s, WCOW_TAKE_PTR(tree), err);
}

/* What RUN left, at the top of the layers so far. */
static int open_run(struct wcow_build *b, struct wcow_stage_state *s, unsigned step,
                    struct wcow_error *err)
{
    struct wcow_local_image image = wcow_build_image_of(s);
    wcow_auto_str_list folders = {0};
    image.manifest.layer_count = s->layers.n + 1;
    int r = wcow_image_unpack_layers(b->backend, &image, step, err);
    if (r == WCOW_OK)
        r = wcow_image_folders(b->backend, &image, s->layers.n, &folders, err);
    if (r == WCOW_OK)
        r = wcow_layer_sources_open(&s->sources, &folders, &s->layers, err);
    return r < 0 ? wcow_error_wrap(r, err, "what RUN left") : WCOW_OK;
}

/* ---- all of them ---- */

static bool is_fetched(const struct wcow_build *b, const struct wcow_layer_step *of)
{
    return b->options->cache_file && of->ins.kind == WCOW_INS_ADD &&
           wcow_build_is_fetched(&of->ins.copy);
}

/* A layer of the stage's own that is written. */
static int open_own(struct wcow_build *b, struct wcow_stage_state *s,
                    const struct wcow_layer_step *of, unsigned step, struct wcow_error *err)
{
    if (!of)
        return open_run(b, s, step, err);
    return is_fetched(b, of) ? wcow_build_open_fetched(b, s, step, err)
                             : replay(b, s, of, true, step, err);
}

static int sync_own(struct wcow_build *b, struct wcow_stage_state *s, unsigned step,
                    struct wcow_error *err)
{
    size_t n_base = s->n_descs - s->n_own;
    int r = WCOW_OK;
    while (r == WCOW_OK && s->layers.n < s->n_descs) {
        const struct wcow_layer_step *of = s->own[s->layers.n - n_base];
        r = open_own(b, s, of, step, err);
    }
    while (r == WCOW_OK && s->layers.n < s->n_descs + s->n_unwritten)
        r = replay(b, s, s->unwritten[s->layers.n - s->n_descs].of, false, step, err);
    return r;
}

int wcow_build_sync_names(struct wcow_build *b, struct wcow_stage_state *s, unsigned step,
                          struct wcow_error *err)
{
    int r = WCOW_OK;
    if (s->layers.n < s->n_descs - s->n_own)
        r = wcow_build_open_names(b, s, s->base, step, &s->layers, err);
    return r < 0 ? r : sync_own(b, s, step, err);
}

int wcow_build_sync_layers(struct wcow_build *b, struct wcow_stage_state *s, unsigned step,
                           struct wcow_error *err)
{
    int r = WCOW_OK;
    if (s->layers.n < s->n_descs - s->n_own)
        r = wcow_build_open_image(b, s, s->base, step, &s->layers, err);
    return r < 0 ? r : sync_own(b, s, step, err);
}

int wcow_build_need_layers(struct wcow_build *b, struct wcow_stage_state *s, unsigned step,
                           struct wcow_error *err)
{
    int r = s->base ? wcow_image_complete(b->backend, s->base, step, err) : WCOW_OK;
    return r < 0 ? r : wcow_blobs_fetch(b->backend, s->descs, s->n_descs, step, err);
}
