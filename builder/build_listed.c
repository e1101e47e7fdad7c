/* SPDX-License-Identifier: Apache-2.0 */
/* Layers that are known by their names: listed by reading their blobs through, once for all builds.
 * The bytes of the few files that a build copies are taken out of the blobs, too: nothing is
 * unpacked for them. */
#include "builder/build_internal.h"
#include "builder/listing.h"

/* To unpack an image takes several times as long as to read it through. A build that has read it so
 * often unpacks it when it wants files again. */
enum { MAX_PASSES = 3 };

/* ---- bytes ---- */

/* A layer whose bytes are asked for: of an image, or of the stage's own. */
struct listed {
    struct wcow_build *build;
    struct wcow_local_image *image; /* NULL: of the stage */
    const struct wcow_stage_state *stage;
};

/* Whether steps one after the other have read so much of the image that they will go on. */
static bool is_read_often(const struct listed *l)
{
    uint64_t total_bytes = 0;
    for (size_t i = 0; i < l->image->manifest.layer_count; i++)
        total_bytes += l->image->manifest.layers[i].size_bytes;
    (void)pthread_mutex_lock(&l->build->lock);
    bool is = l->image->taken_bytes / MAX_PASSES >= total_bytes;
    (void)pthread_mutex_unlock(&l->build->lock);
    return is;
}

/* Where the image happens to be unpacked its blobs need not even be here. */
static int unpacked_folder(void *ctx, size_t number, unsigned step, const char **ret,
                           struct wcow_error *err)
{
    const struct listed *l = ctx;
    int r = wcow_image_is_unpacked(l->build->backend, l->image, err);
    if (r == 1 || (r == 0 && is_read_often(l))) {
        r = wcow_build_unpack_image(l->build, l->image, step, err);
        if (r == WCOW_OK)
            *ret = l->image->folders.items[number];
        r = r < 0 ? r : 1;
    }
    return r < 0 ? wcow_error_wrap(r, err, "image %s", l->image->name) : r;
}

static int take_files(const struct listed *l, const struct wcow_descriptor *blob,
                      const char *diff_id, unsigned step, struct wcow_taken *taken,
                      struct wcow_error *err)
{
    struct wcow_backend *b = l->build->backend;
    wcow_autobuf id = {0};
    int r = wcow_blob_fetch(b, blob, step, err);
    if (r == WCOW_OK)
        r = wcow_buf_addf(&id, err, "reading %s", blob->digest.text);
    if (r < 0)
        return r;
    wcow_progress_status(b->progress, step, (const char *)id.data, 0, 0, false);
    r = wcow_taken_read(taken, b, blob, diff_id, err);
    if (r == WCOW_OK)
        wcow_progress_status(b->progress, step, (const char *)id.data, 0, 0, true);
    return r;
}

static int take_of_image(void *ctx, size_t number, unsigned step, struct wcow_taken *taken,
                         struct wcow_error *err)
{
    const struct listed *l = ctx;
    const struct wcow_descriptor *blob = &l->image->manifest.layers[number];
    int r =
        take_files(l, blob, wcow_image_config_diff_id(l->image->config, number), step, taken, err);
    (void)pthread_mutex_lock(&l->build->lock);
    l->image->taken_bytes += blob->size_bytes;
    (void)pthread_mutex_unlock(&l->build->lock);
    return r < 0 ? wcow_error_wrap(r, err, "image %s", l->image->name) : WCOW_OK;
}

static int take_of_stage(void *ctx, size_t number, unsigned step, struct wcow_taken *taken,
                         struct wcow_error *err)
{
    const struct listed *l = ctx;
    int r = take_files(l, &l->stage->descs[number],
                       wcow_image_config_diff_id(l->stage->config, number), step, taken, err);
    return r < 0 ? wcow_error_wrap(r, err, "what ADD fetched") : WCOW_OK;
}

/* The keeper of layer @p number, but for the number. */
static int new_keeper(struct wcow_build *b, struct wcow_stage_state *s,
                      struct wcow_local_image *image, unsigned step, struct wcow_layer_keeper *ret,
                      struct wcow_error *err)
{
    struct listed *l = wcow_arena_alloc(&s->arena, sizeof(*l));
    if (!l)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a stage's layers");
    *l = (struct listed){.build = b, .image = image, .stage = s};
    *ret = (struct wcow_layer_keeper){.folder = image ? unpacked_folder : NULL,
                                      .take = image ? take_of_image : take_of_stage,
                                      .ctx = l,
                                      .step = step};
    return WCOW_OK;
}

/* ---- an image ---- */

/* The layer's listing: 1, or 0 where the caller is to make it, alone while it has the hold. */
static int open_listing(struct wcow_build *b, const char *root, const char *diff_id,
                        struct wcow_key_hold *hold, struct wcow_layer_source **ret,
                        struct wcow_error *err)
{
    wcow_autobuf key = {0};
    int r = wcow_buf_addf(&key, err, "list %s", diff_id);
    if (r == WCOW_OK)
        r = wcow_key_lock_hold(&b->backend->busy, (const char *)key.data, b->options->cancel, hold,
                               err);
    return r < 0 ? r : wcow_listing_open(root, diff_id, ret, err);
}

static int list_layer(struct wcow_build *b, struct wcow_local_image *image, size_t i,
                      const char *root, unsigned step, struct wcow_layer_source **ret,
                      struct wcow_error *err)
{
    const char *diff_id = wcow_image_config_diff_id(image->config, i);
    WCOW_CLEANUP(wcow_key_hold_done) struct wcow_key_hold hold = {0};
    int r = open_listing(b, root, diff_id, &hold, ret, err);
    if (r != 0)
        return r < 0 ? r : WCOW_OK;
    r = wcow_image_complete(b->backend, image, step, err);
    if (r == WCOW_OK)
        r = wcow_blob_fetch(b->backend, &image->manifest.layers[i], step, err);
    return r < 0
               ? r
               : wcow_listing_make(b->backend, root, &image->manifest.layers[i], diff_id, ret, err);
}

/* Whether each layer of the image is listed already. */
static bool has_listings(const struct wcow_local_image *image, const char *root)
{
    bool has = true;
    for (size_t i = 0; has && i < image->manifest.layer_count; i++)
        has = wcow_listing_is_there(root, wcow_image_config_diff_id(image->config, i));
    return has;
}

/* Onto the stage's layers, with who has its bytes. */
static int push_listed(struct wcow_stage_state *s, struct wcow_layer_source *source,
                       const struct wcow_layer_keeper *keeper, struct wcow_layers *layers,
                       struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_layer_source_free_p) struct wcow_layer_source *owned = source;
    source->keeper = *keeper;
    source->keeper.number = layers->n;
    int r = wcow_layer_sources_add(&s->sources, source, err);
    return r < 0 ? r : wcow_layers_push(layers, WCOW_TAKE_PTR(owned), err);
}

/* All of them, or none. */
static int open_listings(struct wcow_build *b, struct wcow_stage_state *s,
                         struct wcow_local_image *image, const char *root, unsigned step,
                         struct wcow_layers *ret, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_layers_done) struct wcow_layers all = {0};
    struct wcow_layer_keeper keeper = {0};
    int r = new_keeper(b, s, image, step, &keeper, err);
    for (size_t i = 0; r == WCOW_OK && i < image->manifest.layer_count; i++) {
        struct wcow_layer_source *source = NULL;
        r = list_layer(b, image, i, root, step, &source, err);
        if (r == WCOW_OK && source)
            r = push_listed(s, source, &keeper, &all, err);
    }
    if (r < 0)
        return r;
    *ret = all;
    all = (struct wcow_layers){0};
    return WCOW_OK;
}

/* What the layers hold, as it is listed, or where they are not unpacked anyway: 1, or 0 where this
 * cannot be had and they must be. */
static int list_image(struct wcow_build *b, struct wcow_stage_state *s,
                      struct wcow_local_image *image, unsigned step, struct wcow_layers *ret,
                      struct wcow_error *err)
{
    wcow_autofree char *root = NULL;
    struct wcow_error why = {0};
    if (!b->options->cache_file || !wcow_image_config_is_windows(image->config))
        return 0;
    int r = wcow_listings_path(b->options->cache_file, &root, err);
    if (r == WCOW_OK && !has_listings(image, root))
        r = wcow_image_is_unpacked(b->backend, image, err);
    if (r != 0)
        return r < 0 ? r : 0;
    r = open_listings(b, s, image, root, step, ret, &why);
    if (r == WCOW_OK)
        return 1;
    if (r == WCOW_E_UNSUPPORTED)
        return 0;
    if (err)
        *err = why;
    return r;
}

int wcow_build_open_names(struct wcow_build *b, struct wcow_stage_state *s,
                          struct wcow_local_image *image, unsigned step, struct wcow_layers *ret,
                          struct wcow_error *err)
{
    int r = list_image(b, s, image, step, ret, err);
    if (r == 0)
        r = wcow_build_open_image(b, s, image, step, ret, err);
    return r < 0 ? r : WCOW_OK;
}

/* ---- what ADD fetched ---- */

/* The listing of the stage's layer @p number. */
static int list_own(struct wcow_build *b, const struct wcow_stage_state *s, size_t number,
                    unsigned step, struct wcow_layer_source **ret, struct wcow_error *err)
{
    const char *diff_id = wcow_image_config_diff_id(s->config, number);
    wcow_autofree char *root = NULL;
    WCOW_CLEANUP(wcow_key_hold_done) struct wcow_key_hold hold = {0};
    int r = wcow_listings_path(b->options->cache_file, &root, err);
    if (r == WCOW_OK)
        r = open_listing(b, root, diff_id, &hold, ret, err);
    if (r != 0)
        return r < 0 ? r : WCOW_OK;
    r = wcow_blob_fetch(b->backend, &s->descs[number], step, err);
    return r < 0 ? r : wcow_listing_make(b->backend, root, &s->descs[number], diff_id, ret, err);
}

int wcow_build_open_fetched(struct wcow_build *b, struct wcow_stage_state *s, unsigned step,
                            struct wcow_error *err)
{
    const size_t number = s->layers.n;
    struct wcow_layer_source *source = NULL;
    struct wcow_layer_keeper keeper = {0};
    int r = new_keeper(b, s, NULL, step, &keeper, err);
    if (r == WCOW_OK)
        r = list_own(b, s, number, step, &source, err);
    return r < 0 || !source ? r : push_listed(s, source, &keeper, &s->layers, err);
}
