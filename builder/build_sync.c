/* SPDX-License-Identifier: Apache-2.0 */
/* The layers of a stage, of which most builds need no more than descriptors: opened when a step
 * looks at what lies below it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "builder/build_internal.h"
#include "builder/layer_hives.h"
#include "builder/listing.h"
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

/* ---- the base ---- */

/* The layer's listing: 1, or 0 where the caller is to make it, alone while it has the hold. */
static int find_listing(struct wcow_build *b, const char *root, const char *diff_id,
                        struct wcow_key_hold *hold, char **ret, struct wcow_error *err)
{
    wcow_autobuf key = {0};
    int r = wcow_buf_addf(&key, err, "list %s", diff_id);
    if (r == WCOW_OK)
        r = wcow_key_lock_hold(&b->backend->busy, (const char *)key.data, b->options->cancel, hold,
                               err);
    if (r < 0)
        return r;
    *ret = wcow_listing_find(root, diff_id);
    return *ret != NULL;
}

static int list_layer(struct wcow_build *b, struct wcow_local_image *image, size_t i,
                      const char *root, unsigned step, char **ret, struct wcow_error *err)
{
    const char *diff_id = wcow_image_config_diff_id(image->config, i);
    WCOW_CLEANUP(wcow_key_hold_done) struct wcow_key_hold hold = {0};
    int r = find_listing(b, root, diff_id, &hold, ret, err);
    if (r != 0)
        return r < 0 ? r : WCOW_OK;
    r = wcow_image_complete(b->backend, image, step, err);
    if (r == WCOW_OK)
        r = wcow_blob_fetch(b->backend, &image->manifest.layers[i], step, err);
    return r < 0
               ? r
               : wcow_listing_make(b->backend, root, &image->manifest.layers[i], diff_id, ret, err);
}

/* A base of which there are the names alone. */
struct listed {
    struct wcow_build *build;
    struct wcow_local_image *image;
};

static int unpacked_folder(void *ctx, size_t number, unsigned step, const char **ret,
                           struct wcow_error *err)
{
    const struct listed *l = ctx;
    int r = wcow_build_unpack_image(l->build, l->image, step, err);
    if (r == WCOW_OK)
        *ret = l->image->folders.items[number];
    return r < 0 ? wcow_error_wrap(r, err, "image %s", l->image->name) : WCOW_OK;
}

/* Its files are there when somebody reads one. */
static int set_unpacker(struct wcow_build *b, struct wcow_stage_state *s, unsigned step,
                        struct wcow_error *err)
{
    struct listed *l = wcow_arena_alloc(&s->arena, sizeof(*l));
    if (!l)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a stage's layers");
    *l = (struct listed){.build = b, .image = s->base};
    for (size_t i = 0; i < s->layers.n; i++)
        s->layers.sources[i]->unpacker = (struct wcow_layer_unpacker){
            .folder = unpacked_folder, .ctx = l, .number = i, .step = step};
    return WCOW_OK;
}

/* Whether each layer of the base is listed already. */
static bool has_listings(const struct wcow_local_image *image, const char *root)
{
    bool has = true;
    for (size_t i = 0; has && i < image->manifest.layer_count; i++) {
        wcow_autofree char *folder =
            wcow_listing_find(root, wcow_image_config_diff_id(image->config, i));
        has = folder != NULL;
    }
    return has;
}

static int open_listings(struct wcow_build *b, struct wcow_stage_state *s, const char *root,
                         unsigned step, struct wcow_error *err)
{
    wcow_auto_str_list folders = {0};
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < s->base->manifest.layer_count; i++) {
        wcow_autofree char *folder = NULL;
        r = list_layer(b, s->base, i, root, step, &folder, err);
        if (r == WCOW_OK)
            r = wcow_str_list_add(&folders, folder, err);
    }
    if (r == WCOW_OK)
        r = wcow_layer_sources_open(&s->sources, &folders, &s->layers, err);
    return r < 0 ? r : set_unpacker(b, s, step, err);
}

/* What the base's layers hold, as it is listed, or where they are not unpacked anyway: 1, or 0
 * where this cannot be had and they must be. */
static int list_base(struct wcow_build *b, struct wcow_stage_state *s, unsigned step,
                     struct wcow_error *err)
{
    wcow_autofree char *root = NULL;
    struct wcow_error why = {0};
    if (!b->options->cache_file || !wcow_image_config_is_windows(s->base->config))
        return 0;
    int r = wcow_listings_path(b->options->cache_file, &root, err);
    if (r == WCOW_OK && !has_listings(s->base, root))
        r = wcow_image_is_unpacked(b->backend, s->base, err);
    if (r != 0)
        return r < 0 ? r : 0;
    r = open_listings(b, s, root, step, &why);
    if (r == WCOW_OK)
        return 1;
    if (r == WCOW_E_UNSUPPORTED)
        return 0;
    if (err)
        *err = why;
    return r;
}

/* ---- what ADD fetched ---- */

/* A layer of the stage's own of which there are the names alone. */
struct listed_own {
    struct wcow_build *build;
    const struct wcow_stage_state *stage;
    bool is_unpacked;
    char folder[4096];
};

static int unpack_own(const struct listed_own *l, size_t number, unsigned step,
                      struct wcow_str_list *ret, struct wcow_error *err)
{
    struct wcow_build *b = l->build;
    struct wcow_local_image image = wcow_build_image_of(l->stage);
    image.manifest.layer_count = number + 1;
    int r = l->stage->base ? wcow_image_complete(b->backend, l->stage->base, step, err) : WCOW_OK;
    if (r == WCOW_OK)
        r = wcow_image_unpack_layers(b->backend, &image, step, err);
    return r < 0 ? r : wcow_image_folders(b->backend, &image, number, ret, err);
}

static int own_folder(void *ctx, size_t number, unsigned step, const char **ret,
                      struct wcow_error *err)
{
    struct listed_own *l = ctx;
    wcow_auto_str_list folders = {0};
    WCOW_CLEANUP(wcow_key_hold_done) struct wcow_key_hold hold = {0};
    wcow_autobuf key = {0};
    int r = wcow_buf_addf(&key, err, "own folder %s",
                          wcow_image_config_diff_id(l->stage->config, number));
    if (r == WCOW_OK)
        r = wcow_key_lock_hold(&l->build->backend->busy, (const char *)key.data,
                               l->build->options->cancel, &hold, err);
    if (r == WCOW_OK && !l->is_unpacked) {
        r = unpack_own(l, number, step, &folders, err);
        const char *folder = r == WCOW_OK && folders.count ? folders.items[folders.count - 1] : "";
        if (r == WCOW_OK && (!*folder || strlen(folder) >= sizeof(l->folder)))
            r = WCOW_FAIL(err, WCOW_E_LIMIT, "the folder \"%.100s\" has too long a name", folder);
        (void)snprintf(l->folder, sizeof(l->folder), "%s", folder);
        l->is_unpacked = r == WCOW_OK;
    }
    if (r == WCOW_OK)
        *ret = l->folder;
    return r < 0 ? wcow_error_wrap(r, err, "what ADD fetched") : WCOW_OK;
}

/* The folder that lists the stage's layer @p number. */
static int list_own(struct wcow_build *b, const struct wcow_stage_state *s, size_t number,
                    unsigned step, char **ret, struct wcow_error *err)
{
    const char *diff_id = wcow_image_config_diff_id(s->config, number);
    wcow_autofree char *root = NULL;
    WCOW_CLEANUP(wcow_key_hold_done) struct wcow_key_hold hold = {0};
    int r = wcow_listings_path(b->options->cache_file, &root, err);
    if (r == WCOW_OK)
        r = find_listing(b, root, diff_id, &hold, ret, err);
    if (r != 0)
        return r < 0 ? r : WCOW_OK;
    r = wcow_blob_fetch(b->backend, &s->descs[number], step, err);
    return r < 0 ? r : wcow_listing_make(b->backend, root, &s->descs[number], diff_id, ret, err);
}

/* The next layer by its blob: what it was made of may be gone, or another by now. */
static int open_fetched(struct wcow_build *b, struct wcow_stage_state *s, unsigned step,
                        struct wcow_error *err)
{
    const size_t number = s->layers.n;
    wcow_auto_str_list folders = {0};
    wcow_autofree char *folder = NULL;
    struct listed_own *l = wcow_arena_alloc(&s->arena, sizeof(*l));
    if (!l)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a stage's layers");
    l->build = b;
    l->stage = s;
    l->is_unpacked = false;
    int r = list_own(b, s, number, step, &folder, err);
    if (r == WCOW_OK)
        r = wcow_str_list_add(&folders, folder, err);
    if (r == WCOW_OK)
        r = wcow_layer_sources_open(&s->sources, &folders, &s->layers, err);
    if (r == WCOW_OK)
        s->layers.sources[number]->unpacker = (struct wcow_layer_unpacker){
            .folder = own_folder, .ctx = l, .number = number, .step = step};
    return r;
}

static bool is_fetched(const struct wcow_build *b, const struct wcow_layer_step *of)
{
    return b->options->cache_file && of->ins.kind == WCOW_INS_ADD &&
           wcow_build_is_fetched(&of->ins.copy);
}

/* ---- all of them ---- */

/* A layer of the stage's own that is written. */
static int open_own(struct wcow_build *b, struct wcow_stage_state *s,
                    const struct wcow_layer_step *of, unsigned step, struct wcow_error *err)
{
    if (!of)
        return open_run(b, s, step, err);
    return is_fetched(b, of) ? open_fetched(b, s, step, err) : replay(b, s, of, true, step, err);
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
    int r = 1;
    if (s->layers.n < s->n_descs - s->n_own)
        r = list_base(b, s, step, err);
    if (r == 0)
        r = wcow_build_open_image(b, s, s->base, step, &s->layers, err);
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
