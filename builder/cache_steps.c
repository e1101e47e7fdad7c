/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/cache_steps.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void wcow_cache_steps_done(struct wcow_cache_steps *steps)
{
    free(steps->items);
    free(steps->texts);
    *steps = (struct wcow_cache_steps){0};
}

int wcow_cache_steps_add(struct wcow_cache_steps *steps, const struct wcow_cache_step *step,
                         struct wcow_error *err)
{
    struct wcow_cache_step *grown = reallocarray(steps->items, steps->n + 1, sizeof(*grown));
    if (!grown)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for the cache");
    steps->items = grown;
    grown[steps->n++] = *step;
    return WCOW_OK;
}

int wcow_cache_steps_add_text(struct wcow_cache_steps *steps, const struct wcow_cache_text *text,
                              struct wcow_error *err)
{
    for (size_t i = 0; i < steps->n_texts; i++) {
        if (strcmp(steps->texts[i].key.text, text->key.text) == 0)
            return WCOW_OK;
    }
    struct wcow_cache_text *grown = reallocarray(steps->texts, steps->n_texts + 1, sizeof(*grown));
    if (!grown)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for the cache");
    steps->texts = grown;
    grown[steps->n_texts++] = *text;
    return WCOW_OK;
}

/* ---- the config ---- */

/* Where a step has come to in the config. */
struct place {
    int layer;      /* its own, or the nearest below; WCOW_CACHE_NONE: none */
    ssize_t record; /* -1: not there */
};

struct making {
    const struct wcow_cache_steps *steps;
    struct wcow_cache_config *config;
    struct place *places; /* of each step */
};

static int find_layer(const struct wcow_cache_config *config, const struct wcow_digest *blob,
                      int parent)
{
    for (size_t i = 0; i < config->n_layers; i++) {
        if (config->layers[i].parent == parent &&
            strcmp(config->layers[i].blob.text, blob->text) == 0)
            return (int)i;
    }
    return WCOW_CACHE_NONE;
}

static int add_layer(struct making *m, const struct wcow_cache_step *step, int parent, int *ret,
                     struct wcow_error *err)
{
    *ret = find_layer(m->config, &step->layer.digest, parent);
    if (*ret != WCOW_CACHE_NONE)
        return WCOW_OK;
    struct wcow_cache_layer layer = {.blob = step->layer.digest,
                                     .parent = parent,
                                     .diff_id = step->layer.diff_id,
                                     .size_bytes = step->layer.size_bytes,
                                     .created_s = step->layer.created_s};
    (void)snprintf(layer.media_type, sizeof(layer.media_type), "%s", step->media_type);
    *ret = (int)m->config->n_layers;
    return wcow_cache_config_add_layer(m->config, &layer, err);
}

/* One of the step's keys. The same key may come from several stages. */
static int add_record(struct making *m, const struct wcow_cache_step *step,
                      const struct wcow_step_key *key, int layer, ssize_t below, ssize_t *ret,
                      struct wcow_error *err)
{
    size_t link = (size_t)below;
    *ret = -1;
    if (!key->key.text[0])
        return WCOW_OK;
    for (size_t i = 0; i < m->config->n_records; i++) {
        if (strcmp(m->config->records[i].digest.text, key->key.text) == 0) {
            *ret = (ssize_t)i;
            return WCOW_OK;
        }
    }
    const struct wcow_cache_record record = {.digest = key->key,
                                             .links = &link,
                                             .n_links = below >= 0,
                                             .layer = layer,
                                             .created_s = step->layer.created_s,
                                             .shape = key->shape,
                                             .tar_bytes = step->layer.tar_bytes,
                                             .is_empty = step->layer.size_bytes == 0};
    size_t index = 0;
    int r = wcow_cache_config_add_record(m->config, &record, &index, err);
    *ret = (ssize_t)index;
    return r;
}

/* @p layer is the number of the step's own layer, WCOW_CACHE_NONE where it made none. */
static int add_records(struct making *m, size_t i, int layer, struct wcow_error *err)
{
    const struct wcow_cache_step *step = &m->steps->items[i];
    ssize_t below = step->below >= 0 ? m->places[step->below].record : -1;
    ssize_t content = -1;
    int r = add_record(m, step, &step->input, layer, below, &m->places[i].record, err);
    if (r == WCOW_OK)
        r = add_record(m, step, &step->content, layer, -1, &content, err);
    if (m->places[i].record < 0)
        m->places[i].record = content;
    return r;
}

static int add_step(struct making *m, size_t i, struct wcow_error *err)
{
    const struct wcow_cache_step *step = &m->steps->items[i];
    int below = step->below >= 0 ? m->places[step->below].layer : WCOW_CACHE_NONE;
    int own = WCOW_CACHE_NONE;
    int r = WCOW_OK;
    if (step->layer.size_bytes)
        r = add_layer(m, step, below, &own, err);
    m->places[i].layer = own != WCOW_CACHE_NONE ? own : below;
    return r < 0 ? r : add_records(m, i, own, err);
}

static int add_texts(const struct wcow_cache_steps *steps, struct wcow_cache_config *config,
                     struct wcow_error *err)
{
    int r = WCOW_OK;
    for (size_t i = 0; r == WCOW_OK && i < steps->n_texts; i++) {
        wcow_autofree char *text = strdup(steps->texts[i].text);
        const struct wcow_cache_record record = {
            .digest = steps->texts[i].key, .layer = WCOW_CACHE_NONE, .text = text};
        r = text ? wcow_cache_config_add_record(config, &record, NULL, err)
                 : WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for the cache");
    }
    return r;
}

static int start(struct making *m, struct wcow_error *err)
{
    m->places = calloc(m->steps->n ? m->steps->n : 1, sizeof(*m->places));
    if (!m->places)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for the cache");
    for (size_t i = 0; i < m->steps->n; i++)
        m->places[i] = (struct place){.layer = WCOW_CACHE_NONE, .record = -1};
    return WCOW_OK;
}

/* Ends the making, which went well so far or gave the error @p r. */
static int finish(struct making *m, int r, struct wcow_cache_config *ret, struct wcow_error *err)
{
    free(m->places);
    if (r == WCOW_OK)
        r = add_texts(m->steps, m->config, err);
    if (r < 0)
        wcow_cache_config_done(m->config);
    else
        *ret = *m->config;
    return r;
}

int wcow_cache_steps_config(const struct wcow_cache_steps *steps, bool all,
                            struct wcow_cache_config *ret, struct wcow_error *err)
{
    struct wcow_cache_config config = {0};
    struct making m = {.steps = steps, .config = &config};
    int r = start(&m, err);
    for (size_t i = 0; r == WCOW_OK && i < steps->n; i++) {
        if (all || steps->items[i].in_result)
            r = add_step(&m, i, err);
    }
    return finish(&m, r, ret, err);
}

static int find_desc(const struct wcow_descriptor *layers, size_t n, const struct wcow_digest *blob)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(layers[i].digest.text, blob->text) == 0)
            return (int)i;
    }
    return WCOW_CACHE_NONE;
}

int wcow_cache_steps_inline(const struct wcow_cache_steps *steps,
                            const struct wcow_descriptor *layers, size_t n_layers,
                            struct wcow_cache_config *ret, struct wcow_error *err)
{
    struct wcow_cache_config config = {0};
    struct making m = {.steps = steps, .config = &config};
    int r = start(&m, err);
    for (size_t i = 0; r == WCOW_OK && i < steps->n; i++) {
        const struct wcow_cache_step *step = &steps->items[i];
        int layer = find_desc(layers, n_layers, &step->layer.digest);
        bool is_empty = step->layer.size_bytes == 0;
        if (step->in_result && (is_empty || layer != WCOW_CACHE_NONE))
            r = add_records(&m, i, is_empty ? WCOW_CACHE_NONE : layer, err);
    }
    return finish(&m, r, ret, err);
}
