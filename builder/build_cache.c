/* SPDX-License-Identifier: Apache-2.0 */
/* What steps came to before: in this build, in the step cache, in the caches of --cache-from. */
#include <stdlib.h>
#include <string.h>

#include "builder/build_internal.h"
#include "builder/cache_import.h"
#include "containerd/content.h"
#include "containerd/leases.h"

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
        found = (key && strcmp(made->key.text, key->text) == 0) ||
                (shape && strcmp(made->shape.text, shape->text) == 0);
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

/* A step that changes nothing has no blob; its digests are those of no bytes. */
static bool is_nothing(const struct wcow_cached_layer *layer)
{
    return layer->size_bytes == 0;
}

int wcow_build_knows_shape(struct wcow_build *b, const struct wcow_stage_state *s,
                           const struct wcow_digest *shape, struct wcow_error *err)
{
    if (is_made(b, shape, NULL, NULL))
        return 1;
    if (b->imports && !s->skips_cache && wcow_cache_imported_shape(b->imports, shape))
        return 1;
    return uses_cache(b, s) ? wcow_build_cache_has_shape(b->cache, shape, err) : 0;
}

/* In the step cache. */
static int find_here(struct wcow_build *b, const struct wcow_digest *key,
                     struct wcow_cached_layer *ret, struct wcow_error *err)
{
    int r = wcow_build_cache_layer(b->cache, key, ret, err);
    if (r != 1 || is_nothing(ret))
        return r;
    if (wcow_backend_keeps(b->backend, ret->digest.text))
        return 1;
    /* The build's lease first: from then on the blob cannot go. */
    r = wcow_lease_add_resource(&b->backend->ctx, b->backend->lease, "content", ret->digest.text,
                                err);
    if (r == WCOW_E_NOT_FOUND || (r == WCOW_OK && !has_blob(b, ret))) {
        r = wcow_build_cache_forget_layer(b->cache, key, err);
        return r < 0 ? r : 0;
    }
    if (r < 0)
        return r;
    wcow_backend_note_kept(b->backend, ret->digest.text);
    return 1;
}

int wcow_build_cached_layer(struct wcow_build *b, const struct wcow_stage_state *s,
                            const struct wcow_digest *key, struct wcow_cached_layer *ret,
                            struct wcow_error *err)
{
    if (is_made(b, NULL, key, ret))
        return 1;
    int r = uses_cache(b, s) ? find_here(b, key, ret, err) : 0;
    if (r != 0 || !b->imports || s->skips_cache)
        return r;
    /* Its blob is where the cache is: it is fetched when it is needed. */
    const struct wcow_imported *imported = wcow_cache_imported(b->imports, key);
    if (!imported || imported->text)
        return 0;
    *ret = imported->layer;
    return 1;
}

/* Whether the lease of the cache has the blob, by this build. */
static bool is_leased(struct wcow_build *b, const struct wcow_digest *blob)
{
    bool is = false;
    (void)pthread_mutex_lock(&b->lock);
    for (size_t i = 0; !is && i < b->n_made; i++)
        is = b->made[i].is_leased && strcmp(b->made[i].layer.digest.text, blob->text) == 0;
    (void)pthread_mutex_unlock(&b->lock);
    return is;
}

static void note_leased(struct wcow_build *b, const struct wcow_digest *blob)
{
    (void)pthread_mutex_lock(&b->lock);
    for (size_t i = 0; i < b->n_made; i++)
        b->made[i].is_leased |= strcmp(b->made[i].layer.digest.text, blob->text) == 0;
    (void)pthread_mutex_unlock(&b->lock);
}

/* One blob is remembered by several keys, but needs the lease once. */
static int keep_blob(struct wcow_build *b, const struct wcow_cached_layer *layer)
{
    wcow_autofree char *id = NULL;
    const struct wcow_containerd_ctx *ctx = &b->backend->ctx;
    if (is_nothing(layer) || is_leased(b, &layer->digest))
        return WCOW_OK;
    int r = wcow_lease_create(ctx, WCOW_BUILD_CACHE_LEASE, 0, NULL, &id, NULL);
    if (r == WCOW_OK || r == WCOW_E_EXISTS)
        r = wcow_lease_add_resource(ctx, WCOW_BUILD_CACHE_LEASE, "content", layer->digest.text,
                                    NULL);
    if (r == WCOW_OK)
        note_leased(b, &layer->digest);
    return r;
}

/* Remember a layer, and keep its blob from containerd's garbage collection. A build is as good
 * without: what fails here is only not found the next time. */
void wcow_build_remember_layer(struct wcow_build *b, const struct wcow_digest *shape,
                               const struct wcow_digest *key, const struct wcow_cached_layer *layer)
{
    note_made(b, shape, key, layer);
    if (b->cache && keep_blob(b, layer) == WCOW_OK)
        (void)!wcow_build_cache_remember_layer(b->cache, shape, key, layer, NULL);
}

int wcow_build_note_step(struct wcow_stage_state *s, const struct wcow_step_note *note,
                         struct wcow_error *err)
{
    struct wcow_step_note *grown = reallocarray(s->notes, s->n_notes + 1, sizeof(*grown));
    if (!grown)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a stage");
    s->notes = grown;
    grown[s->n_notes++] = *note;
    return WCOW_OK;
}

/* ---- facts ---- */

static int note_fact(struct wcow_stage_state *s, const struct wcow_digest *key, const char *text,
                     struct wcow_error *err)
{
    struct wcow_cache_text *grown = reallocarray(s->facts, s->n_facts + 1, sizeof(*grown));
    const char *copy = wcow_arena_strdup(&s->arena, text);
    if (grown)
        s->facts = grown;
    if (!grown || !copy)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for a stage");
    grown[s->n_facts++] = (struct wcow_cache_text){.key = *key, .text = copy};
    return WCOW_OK;
}

int wcow_build_fact(struct wcow_build *b, struct wcow_stage_state *s, const struct wcow_digest *key,
                    const char **ret, struct wcow_error *err)
{
    wcow_autofree char *here = NULL;
    const struct wcow_imported *imported = b->imports ? wcow_cache_imported(b->imports, key) : NULL;
    const char *text = imported ? imported->text : NULL;
    int r = b->cache && !text ? wcow_build_cache_text(b->cache, key, &here, err) : 0;
    if (r < 0 || (!text && !here))
        return r;
    r = note_fact(s, key, text ? text : here, err);
    if (r < 0)
        return r;
    *ret = s->facts[s->n_facts - 1].text;
    return 1;
}

int wcow_build_remember_fact(struct wcow_build *b, struct wcow_stage_state *s,
                             const struct wcow_digest *key, const char *text,
                             struct wcow_error *err)
{
    if (b->cache)
        (void)!wcow_build_cache_remember_text(b->cache, key, text, NULL);
    return note_fact(s, key, text, err);
}
