/* SPDX-License-Identifier: Apache-2.0 */
/* A tree into a layer of the stage: found in the step cache, or written. */
#include <stdlib.h>
#include <string.h>

#include "builder/build_internal.h"
#include "builder/identity.h"
#include "builder/layer_blob.h"
#include "builder/layer_hives.h"
#include "builder/rights.h"
#include "containerd/content.h"
#include "containerd/leases.h"
#include "layer/filetime.h"

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

int wcow_build_layer_tree(struct wcow_build *b, struct wcow_stage_state *s, const char *owner,
                          const struct wcow_chain *below, struct wcow_tree **ret,
                          struct wcow_error *err)
{
    wcow_autobuf user = {0};
    wcow_autobuf group = {0};
    struct wcow_tree_options options = {.below = below, .now = wcow_filetime_of_unix(b->now_s, 0)};
    int r = owner ? wcow_rights_chown(owner, &user, &group, err)
                  : wcow_identity_sid(wcow_image_config_string(s->config, WCOW_CONFIG_USER), &user,
                                      NULL, err);
    if (r == WCOW_OK)
        r = keep_sid(s, &user, &options.owner, err);
    if (r == WCOW_OK)
        r = keep_sid(s, &group, &options.group, err);
    return r < 0 ? r : wcow_tree_new(&options, ret, err);
}

/* ---- the cache ---- */

/* What the cache remembers holds only while containerd has the blob. */
static bool has_blob(struct wcow_build *b, const struct wcow_cached_layer *layer)
{
    struct wcow_content_info info = {0};
    int r = wcow_content_info(&b->backend->ctx, layer->digest.text, &info, NULL);
    bool has = r == WCOW_OK && info.size_bytes == layer->size_bytes;
    wcow_content_info_done(&info);
    return has;
}

/* ---- what this build has made ---- */

/* Another platform, or a stage that says the same, may have come to the layer already. Without the
 * step cache, and with --no-cache, this still holds. */
static bool is_made(struct wcow_build *b, const struct wcow_digest *shape,
                    const struct wcow_digest *key, struct wcow_cached_layer *ret)
{
    bool found = false;
    (void)pthread_mutex_lock(&b->lock);
    for (size_t i = 0; !found && i < b->n_made; i++) {
        const struct wcow_made *made = &b->made[i];
        found = key ? strcmp(made->key.text, key->text) == 0
                    : strcmp(made->shape.text, shape->text) == 0;
        if (found && ret)
            *ret = made->layer;
    }
    (void)pthread_mutex_unlock(&b->lock);
    return found;
}

static void note_made(struct wcow_build *b, const struct wcow_digest *shape,
                      const struct wcow_digest *key, const struct wcow_cached_layer *layer)
{
    (void)pthread_mutex_lock(&b->lock);
    struct wcow_made *grown = reallocarray(b->made, b->n_made + 1, sizeof(*grown));
    if (grown) { /* else it is made once more */
        b->made = grown;
        grown[b->n_made++] = (struct wcow_made){.shape = *shape, .key = *key, .layer = *layer};
    }
    (void)pthread_mutex_unlock(&b->lock);
}

static bool uses_cache(const struct wcow_build *b, const struct wcow_stage_state *s)
{
    return b->cache && !s->skips_cache;
}

/* 1 found, 0 not. @p ret_key is filled wherever it had to be made. */
static int look_up(struct wcow_build *b, const struct wcow_stage_state *s, struct wcow_tree *tree,
                   const struct wcow_layer_write *options, const struct wcow_digest *shape,
                   struct wcow_digest *ret_key, struct wcow_cached_layer *ret,
                   struct wcow_error *err)
{
    /* Without a layer of this shape there is no need to read the files twice. */
    int r = is_made(b, shape, NULL, NULL);
    if (r == 0 && uses_cache(b, s))
        r = wcow_build_cache_has_shape(b->cache, shape, err);
    if (r <= 0)
        return r;
    r = wcow_layer_key(tree, options, ret_key, err);
    return r < 0 ? r : wcow_build_cached_layer(b, s, ret_key, ret, err);
}

int wcow_build_cached_layer(struct wcow_build *b, const struct wcow_stage_state *s,
                            const struct wcow_digest *key, struct wcow_cached_layer *ret,
                            struct wcow_error *err)
{
    if (is_made(b, NULL, key, ret))
        return 1;
    if (!uses_cache(b, s))
        return 0;
    int r = wcow_build_cache_layer(b->cache, key, ret, err);
    if (r != 1)
        return r;
    /* The build's lease first: from then on the blob cannot go. */
    r = wcow_lease_add_resource(&b->backend->ctx, b->backend->lease, "content", ret->digest.text,
                                err);
    if (r == WCOW_E_NOT_FOUND || (r == WCOW_OK && !has_blob(b, ret))) {
        r = wcow_build_cache_forget_layer(b->cache, key, err);
        return r < 0 ? r : 0;
    }
    return r < 0 ? r : 1;
}

/* Remember a layer, and keep its blob from containerd's garbage collection. A build is as good
 * without: what fails here is only not found the next time. */
static void remember(struct wcow_build *b, struct wcow_tree *tree,
                     const struct wcow_layer_write *options, const struct wcow_digest *shape,
                     const struct wcow_cached_layer *layer)
{
    struct wcow_digest key;
    if (wcow_layer_key(tree, options, &key, NULL) == WCOW_OK)
        wcow_build_remember_layer(b, shape, &key, layer);
}

void wcow_build_remember_layer(struct wcow_build *b, const struct wcow_digest *shape,
                               const struct wcow_digest *key, const struct wcow_cached_layer *layer)
{
    wcow_autofree char *id = NULL;
    note_made(b, shape, key, layer);
    if (!b->cache)
        return;
    int r = wcow_lease_create(&b->backend->ctx, WCOW_BUILD_CACHE_LEASE, 0, NULL, &id, NULL);
    if (r != WCOW_OK && r != WCOW_E_EXISTS)
        return;
    if (wcow_lease_add_resource(&b->backend->ctx, WCOW_BUILD_CACHE_LEASE, "content",
                                layer->digest.text, NULL) == WCOW_OK)
        (void)!wcow_build_cache_remember_layer(b->cache, shape, key, layer, NULL);
}

/* ---- the layer ---- */

struct shown {
    struct wcow_build *build;
    unsigned step;
    uint64_t next; /* tell again from so many bytes on */
};

static void show_written(void *ctx, uint64_t done)
{
    struct shown *s = ctx;
    if (done < s->next)
        return;
    s->next = done + (1 << 20);
    wcow_progress_status(s->build->progress, s->step, "writing layer", done, 0, false);
}

static int write_layer(struct wcow_build *b, struct wcow_tree *tree,
                       const struct wcow_layer_write *options, const struct wcow_digest *shape,
                       struct wcow_cached_layer *ret, struct wcow_error *err)
{
    const struct shown *shown = options->progress_ctx;
    int r = wcow_layer_blob_write(b->backend, tree, options, ret, err);
    if (r < 0)
        return r;
    ret->created_s = b->now_s;
    if (shown->next > 1 << 20)
        wcow_progress_status(b->progress, shown->step, "writing layer", ret->tar_bytes, 0, true);
    remember(b, tree, options, shape, ret);
    return WCOW_OK;
}

static int find_or_write(struct wcow_build *b, const struct wcow_stage_state *s,
                         struct wcow_tree *tree, unsigned step, struct wcow_cached_layer *ret,
                         bool *ret_cached, struct wcow_error *err)
{
    struct shown shown = {.build = b, .step = step, .next = 1 << 20};
    const struct wcow_layer_write options = {.has_epoch = b->has_epoch,
                                             .epoch = wcow_filetime_of_unix(b->epoch_s, 0),
                                             .now = wcow_filetime_of_unix(b->now_s, 0),
                                             .cancel = b->options->cancel,
                                             .progress = show_written,
                                             .progress_ctx = &shown};
    WCOW_CLEANUP(wcow_key_hold_done) struct wcow_key_hold hold = {0};
    struct wcow_digest shape;
    struct wcow_digest key;
    int r = wcow_layer_shape(tree, &options, &shape, err);
    /* The same step of another platform waits until this one is known. */
    if (r == WCOW_OK)
        r = wcow_key_lock_hold(&b->backend->busy, shape.text, b->options->cancel, &hold, err);
    if (r < 0)
        return r;
    r = look_up(b, s, tree, &options, &shape, &key, ret, err);
    *ret_cached = r == 1;
    if (r != 0)
        return r < 0 ? r : WCOW_OK;
    return write_layer(b, tree, &options, &shape, ret, err);
}

int wcow_build_add_desc(struct wcow_stage_state *s, const struct wcow_cached_layer *layer,
                        struct wcow_error *err)
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
    if (r == WCOW_OK)
        s->n_descs++;
    return r < 0 ? r : wcow_image_config_add_diff_id(s->config, layer->diff_id.text, err);
}

int wcow_build_add_layer(struct wcow_build *b, struct wcow_stage_state *s, struct wcow_tree *tree,
                         unsigned step, struct wcow_layer_made *ret, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_tree_free_p) struct wcow_tree *owned = tree;
    struct wcow_cached_layer layer = {0};
    *ret = (struct wcow_layer_made){0};
    bool is_base = s->layers.n == 0;
    if (!is_base && !wcow_tree_has_changes(tree)) {
        ret->is_empty = true;
        return WCOW_OK;
    }
    int r = is_base ? WCOW_OK : wcow_layer_add_hives(tree, wcow_filetime_of_unix(b->now_s, 0), err);
    if (r == WCOW_OK)
        r = find_or_write(b, s, tree, step, &layer, &ret->is_cached, err);
    if (r == WCOW_OK)
        r = wcow_build_add_desc(s, &layer, err);
    if (r < 0)
        return r;
    s->created_s = b->has_epoch ? b->epoch_s : layer.created_s;
    wcow_tree_seal(tree);
    WCOW_CLEANUP(wcow_layer_source_free_p) struct wcow_layer_source *source = NULL;
    r = wcow_layer_source_of_tree(owned, &source, err);
    if (r < 0)
        return r;
    owned = NULL;
    r = wcow_layer_sources_add(&s->sources, source, err);
    if (r < 0)
        return r;
    return wcow_layers_push(&s->layers, WCOW_TAKE_PTR(source), err);
}
