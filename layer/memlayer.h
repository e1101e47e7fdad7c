/* SPDX-License-Identifier: Apache-2.0 */
/** @file memlayer.h
 *  A layer held in memory: entries by key. For what `wcow repair` has made so far, and for layers
 *  of tests. One thread at a time. */
#ifndef WCOW_LAYER_MEMLAYER_H
#define WCOW_LAYER_MEMLAYER_H

#include "layer/view.h"

struct wcow_memlayer;

WCOW_NODISCARD int wcow_memlayer_new(struct wcow_memlayer **ret, struct wcow_error *err);
void wcow_memlayer_free(struct wcow_memlayer *layer);
WCOW_DEFINE_CLEANUP(struct wcow_memlayer, wcow_memlayer_free)

/** Add a copy of @p entry, in place of one with the same key. A stream stands by its own name,
 *  and is no part of a chain. */
WCOW_NODISCARD int wcow_memlayer_put(struct wcow_memlayer *layer, const struct wcow_entry *entry,
                                     struct wcow_error *err);
/** The entry of @p key, borrowed until the next change; NULL where there is none. */
const struct wcow_entry *wcow_memlayer_get(const struct wcow_memlayer *layer, const char *key);
size_t wcow_memlayer_count(const struct wcow_memlayer *layer);

/** As a layer of a chain; borrows @p layer. */
struct wcow_layer_view wcow_memlayer_view(struct wcow_memlayer *layer);

#endif
