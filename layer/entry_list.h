/* SPDX-License-Identifier: Apache-2.0 */
/** @file entry_list.h
 *  The entries of one layer in memory, in the tar's order and by name, with where each one's data
 *  stands: for tools that look into a tar more than once. Names are compared, never used as paths,
 *  so entries that break layer/rules.h may be in it. Memory: a few hundred bytes an entry. */
#ifndef WCOW_LAYER_ENTRY_LIST_H
#define WCOW_LAYER_ENTRY_LIST_H

#include "layer/view.h"

struct wcow_entry_list;

/** An entry of the list; everything belongs to the list. */
struct wcow_listed {
    struct wcow_entry entry;
    char *key;       /**< wcow_entry_key(): of a stream that of its file */
    uint64_t offset; /**< of its data, as the caller gave it */
    size_t ordinal;  /**< in the tar's order, from 0 */
};

WCOW_NODISCARD int wcow_entry_list_new(struct wcow_entry_list **ret, struct wcow_error *err);
void wcow_entry_list_free(struct wcow_entry_list *list);
WCOW_DEFINE_CLEANUP(struct wcow_entry_list, wcow_entry_list_free)

/** Append a copy of @p entry. A name that is no WTF-8 is kept but found by no look-up. */
WCOW_NODISCARD int wcow_entry_list_add(struct wcow_entry_list *list, const struct wcow_entry *entry,
                                       uint64_t offset, struct wcow_error *err);
/** Call once, after the last entry and before the look-ups. */
WCOW_NODISCARD int wcow_entry_list_seal(struct wcow_entry_list *list, struct wcow_error *err);

/** Directories of which only the content stands in the layer are in the list's view from now on, as
 *  unpacking would make them, but not where the layers below show the directory through this one:
 *  then that one's metadata counts. Call it behind seal(); again where there are other layers
 * below.
 *  @param chain the list's own view first, then the layers below it */
WCOW_NODISCARD int wcow_entry_list_imply(struct wcow_entry_list *list,
                                         const struct wcow_chain *chain, struct wcow_error *err);

size_t wcow_entry_list_count(const struct wcow_entry_list *list);
/** By ordinal. */
const struct wcow_listed *wcow_entry_list_at(const struct wcow_entry_list *list, size_t ordinal);
/** The entry of @p key that is no stream, or NULL. Of several the one that is no whiteout counts,
 *  then the first. */
const struct wcow_listed *wcow_entry_list_find(const struct wcow_entry_list *list, const char *key);
/** Whether anything stands below directory @p key, however deep. */
bool wcow_entry_list_has_below(const struct wcow_entry_list *list, const char *key);
/** The stream @p ordinal_in_file (0, 1, …) of the file of @p key, or NULL. */
const struct wcow_listed *wcow_entry_list_stream(const struct wcow_entry_list *list,
                                                 const char *key, size_t ordinal_in_file);

/** The sealed list as a layer of a chain; borrows it. */
struct wcow_layer_view wcow_entry_list_view(struct wcow_entry_list *list);

#endif
