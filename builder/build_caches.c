/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/build_caches.h"

#include <stdlib.h>

#include "base/base64.h"
#include "builder/cache_export.h"
#include "builder/cache_import.h"
#include "containerd/content.h"

/* ---- the options ---- */

int wcow_build_check_caches(struct wcow_build *b, struct wcow_error *err)
{
    const struct wcow_str_list *from = &b->options->cache_from;
    const struct wcow_str_list *to = &b->options->cache_to;
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < from->count; i++) {
        WCOW_CLEANUP(wcow_cache_place_done) struct wcow_cache_place place = {0};
        r = wcow_cache_from_parse(from->items[i], &place, err);
    }
    for (size_t i = 0; r == WCOW_OK && i < to->count; i++) {
        WCOW_CLEANUP(wcow_cache_place_done) struct wcow_cache_place place = {0};
        r = wcow_cache_to_parse(to->items[i], &place, err);
    }
    return r;
}

/* ---- in ---- */

static int import(struct wcow_build *b, const char *text, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_cache_place_done) struct wcow_cache_place place = {0};
    struct wcow_error why = {0};
    wcow_autobuf title = {0};
    int r = wcow_cache_from_parse(text, &place, err);
    if (r == WCOW_OK)
        r = wcow_buf_addf(&title, err, "importing cache manifest from %s", place.text);
    if (r < 0)
        return r;
    unsigned step = wcow_progress_start(b->progress, (const char *)title.data);
    r = wcow_cache_import(b->imports, b->backend, &place, &why);
    wcow_progress_end(b->progress, step, wcow_progress_end_of(r, false), r < 0 ? why.msg : NULL);
    if (r != WCOW_E_CANCELLED && r != WCOW_E_NOMEM)
        return WCOW_OK;
    if (err)
        *err = why;
    return r;
}

int wcow_build_import_caches(struct wcow_build *b, struct wcow_error *err)
{
    const struct wcow_str_list *from = &b->options->cache_from;
    if (from->count == 0)
        return WCOW_OK;
    int r = wcow_cache_imports_new(&b->imports, err);
    for (size_t i = 0; r == WCOW_OK && i < from->count; i++)
        r = import(b, from->items[i], err);
    return r;
}

/* ---- what the steps came to ---- */

/* A step that was found by its inputs is known by its content, too, where it was made here. */
static void add_content_key(struct wcow_build *b, struct wcow_cache_step *step)
{
    if (b->cache && !step->content.key.text[0] && step->layer.size_bytes)
        (void)!wcow_build_cache_other_key(b->cache, &step->layer.digest, &step->input.key,
                                          &step->input.shape, &step->content.key,
                                          &step->content.shape, NULL);
}

static bool is_in_result(const struct wcow_build *b, const struct wcow_stage_state *s)
{
    const struct wcow_stage_state *at = &s->variant->stages[b->target];
    while (at && at != s)
        at = at->from;
    return at != NULL;
}

/* @p last gets the number of each stage's last step. */
static int collect_stage(struct wcow_build *b, const struct wcow_stage_state *s, ssize_t *last,
                         struct wcow_cache_steps *ret, struct wcow_error *err)
{
    ssize_t below = s->from ? last[s->from->index] : -1;
    bool in_result = is_in_result(b, s);
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < s->n_notes; i++) {
        const struct wcow_step_note *note = &s->notes[i];
        struct wcow_cache_step step = {.input = note->input,
                                       .content = note->content,
                                       .layer = note->layer,
                                       .media_type = WCOW_MEDIA_OCI_LAYER_GZIP,
                                       .below = below,
                                       .in_result = in_result};
        add_content_key(b, &step);
        below = (ssize_t)ret->n;
        r = wcow_cache_steps_add(ret, &step, err);
    }
    for (size_t i = 0; r == WCOW_OK && i < s->n_facts; i++)
        r = wcow_cache_steps_add_text(ret, &s->facts[i], err);
    last[s->index] = below;
    return r;
}

static int collect(struct wcow_build *b, struct wcow_cache_steps *ret, struct wcow_error *err)
{
    size_t n = b->file->stage_count;
    wcow_autofree ssize_t *last = calloc(n ? n : 1, sizeof(*last));
    int r = last ? WCOW_OK : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for the cache");
    for (size_t v = 0; v < b->n_variants; v++) {
        for (size_t i = 0; r == WCOW_OK && i < n; i++) {
            const struct wcow_stage_state *s = &b->variants[v].stages[i];
            if (s->progress == WCOW_STAGE_DONE)
                r = collect_stage(b, s, last, ret, err);
        }
    }
    return r;
}

/* ---- inline ---- */

static int wants_inline(const struct wcow_build *b, bool *ret, struct wcow_error *err)
{
    const struct wcow_str_list *to = &b->options->cache_to;
    int r = WCOW_OK;
    *ret = false;
    for (size_t i = 0; r == WCOW_OK && i < to->count; i++) {
        WCOW_CLEANUP(wcow_cache_place_done) struct wcow_cache_place place = {0};
        r = wcow_cache_to_parse(to->items[i], &place, err);
        *ret |= place.type == WCOW_CACHE_INLINE;
    }
    return r;
}

static int inline_text(struct wcow_build *b, const struct wcow_stage_state *s, struct wcow_buf *ret,
                       struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_cache_steps_done) struct wcow_cache_steps steps = {0};
    WCOW_CLEANUP(wcow_cache_config_done) struct wcow_cache_config config = {0};
    wcow_autobuf records = {0};
    int r = collect(b, &steps, err);
    if (r == WCOW_OK)
        r = wcow_cache_steps_inline(&steps, s->descs, s->n_descs, &config, err);
    if (r == WCOW_OK)
        r = wcow_cache_config_write_records(&config, &records, err);
    return r < 0 ? r : wcow_base64_encode(records.data, records.len, ret, err);
}

int wcow_build_inline_cache(struct wcow_build *b, struct wcow_stage_state *s,
                            struct wcow_error *err)
{
    bool is_wanted = false;
    wcow_autobuf text = {0};
    int r = wants_inline(b, &is_wanted, err);
    if (r == WCOW_OK && is_wanted)
        r = inline_text(b, s, &text, err);
    return r < 0 ? r
                 : wcow_image_config_set_inline_cache(
                       s->config, text.len ? (const char *)text.data : NULL, err);
}

/* ---- out ---- */

static int write_cache(struct wcow_build *b, const struct wcow_cache_place *place, unsigned step,
                       struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_cache_steps_done) struct wcow_cache_steps steps = {0};
    WCOW_CLEANUP(wcow_cache_config_done) struct wcow_cache_config config = {0};
    struct wcow_digest digest;
    wcow_autobuf text = {0};
    int r = collect(b, &steps, err);
    if (r == WCOW_OK)
        r = wcow_cache_steps_config(&steps, place->is_max, &config, err);
    if (r < 0)
        return r;
    if (config.n_layers == 0) {
        wcow_progress_status(b->progress, step, "skipping cache export for empty result", 0, 0,
                             true);
        return WCOW_OK;
    }
    r = wcow_cache_export(b->backend, place, &config, step, &digest, err);
    if (r == WCOW_OK && wcow_buf_addf(&text, NULL, "writing cache manifest %s", digest.text) == 0)
        wcow_progress_status(b->progress, step, (const char *)text.data, 0, 0, true);
    return r;
}

static int export_one(struct wcow_build *b, const char *text, struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_cache_place_done) struct wcow_cache_place place = {0};
    struct wcow_error why = {0};
    int r = wcow_cache_to_parse(text, &place, err);
    if (r < 0 || place.type == WCOW_CACHE_INLINE)
        return r;
    const char *title = place.type == WCOW_CACHE_LOCAL ? "exporting cache to client directory"
                                                       : "exporting cache to registry";
    unsigned step = wcow_progress_start(b->progress, title);
    r = write_cache(b, &place, step, &why);
    wcow_progress_end(b->progress, step, wcow_progress_end_of(r, false), r < 0 ? why.msg : NULL);
    if (place.ignores_errors && r != WCOW_E_CANCELLED)
        return WCOW_OK;
    if (r < 0 && err)
        *err = why;
    return r;
}

/* Whether its blob is here, or it has none. */
static bool is_here(struct wcow_build *b, const struct wcow_cached_layer *layer)
{
    struct wcow_content_info info = {0};
    if (layer->size_bytes == 0)
        return true;
    int r = wcow_content_info(&b->backend->ctx, layer->digest.text, &info, NULL);
    wcow_content_info_done(&info);
    return r == WCOW_OK;
}

static void remember_key(void *arg, const struct wcow_digest *key,
                         const struct wcow_imported *imported)
{
    if (imported->shape.text[0])
        wcow_build_remember_layer(arg, &imported->shape, key, &imported->layer);
}

/* By all keys that lead to a layer, where the build used it. */
static void remember_imported(struct wcow_build *b, const struct wcow_stage_state *s)
{
    for (size_t i = 0; i < s->n_notes; i++) {
        const struct wcow_step_note *note = &s->notes[i];
        const struct wcow_imported *imported =
            note->input.key.text[0] ? wcow_cache_imported(b->imports, &note->input.key) : NULL;
        if (!imported && note->content.key.text[0])
            imported = wcow_cache_imported(b->imports, &note->content.key);
        if (imported && !imported->text && is_here(b, &imported->layer))
            wcow_cache_imported_each(b->imports, &imported->layer.digest, remember_key, b);
    }
}

int wcow_build_export_caches(struct wcow_build *b, struct wcow_error *err)
{
    const struct wcow_str_list *to = &b->options->cache_to;
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < to->count; i++)
        r = export_one(b, to->items[i], err);
    for (size_t v = 0; b->imports && b->cache && v < b->n_variants; v++) {
        for (size_t i = 0; i < b->file->stage_count; i++)
            remember_imported(b, &b->variants[v].stages[i]);
    }
    return r;
}
