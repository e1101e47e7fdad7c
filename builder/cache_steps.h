/* SPDX-License-Identifier: Apache-2.0 */
/** @file cache_steps.h
 *  What the steps of a build came to, as something that other builders can use: the cache config
 *  and its layers. */
#ifndef WCOW_BUILDER_CACHE_STEPS_H
#define WCOW_BUILDER_CACHE_STEPS_H

#include <sys/types.h>

#include "image/cache_config.h"
#include "image/descriptor.h"
#include "store/cache.h"

/** Two keys lead to a step: that of its inputs, and that of what it would put into the layer. */
struct wcow_step_key {
    struct wcow_digest key; /**< text "": none */
    struct wcow_digest shape;
};

struct wcow_cache_step {
    struct wcow_step_key input;
    struct wcow_step_key content;
    struct wcow_cached_layer layer; /**< size_bytes 0: the step changed nothing */
    const char *media_type;         /**< borrowed, of the layer */
    ssize_t below;                  /**< number of the step before it in its image; -1: none */
    bool in_result;                 /**< its layer is one of an image that is built */
};

/** A fact that is no step: the text that a key stands for. Borrowed. */
struct wcow_cache_text {
    struct wcow_digest key;
    const char *text;
};

struct wcow_cache_steps {
    struct wcow_cache_step *items;
    size_t n;
    struct wcow_cache_text *texts;
    size_t n_texts;
};
void wcow_cache_steps_done(struct wcow_cache_steps *steps);
WCOW_NODISCARD int wcow_cache_steps_add(struct wcow_cache_steps *steps,
                                        const struct wcow_cache_step *step, struct wcow_error *err);
WCOW_NODISCARD int wcow_cache_steps_add_text(struct wcow_cache_steps *steps,
                                             const struct wcow_cache_text *text,
                                             struct wcow_error *err);

/** All steps, or those of the result alone. @p ret must be zeroed. */
WCOW_NODISCARD int wcow_cache_steps_config(const struct wcow_cache_steps *steps, bool all,
                                           struct wcow_cache_config *ret, struct wcow_error *err);
/** The records for an image with these layers, bottom first: the steps that led to them. */
WCOW_NODISCARD int wcow_cache_steps_inline(const struct wcow_cache_steps *steps,
                                           const struct wcow_descriptor *layers, size_t n_layers,
                                           struct wcow_cache_config *ret, struct wcow_error *err);

#endif
