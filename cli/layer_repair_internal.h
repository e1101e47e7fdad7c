/* SPDX-License-Identifier: Apache-2.0 */
/** @file layer_repair_internal.h
 *  Private to layer_repair*.c. */
#ifndef WCOW_CLI_LAYER_REPAIR_INTERNAL_H
#define WCOW_CLI_LAYER_REPAIR_INTERNAL_H

#include "cli/layer_repair.h"
#include "layer/entry_list.h"
#include "layer/memlayer.h"

struct wcow_repair {
    struct wcow_repair_options options;
    struct wcow_entry_list *list;
    struct wcow_memlayer *made;  /* directories and whiteouts put in front of what needs them */
    bool *moved;                 /* by ordinal: has been put already */
    size_t at;                   /* ordinal of the entry at hand */
    char *opaque_dir;            /* whose whiteouts are to be written before the next entry */
    struct wcow_entry *deferred; /* hard links in front of their targets */
    size_t n_deferred;
    struct wcow_buf peer_sd; /* the descriptor that BuildKit gives to every directory */
    uint64_t last_time;      /* of an entry with one: what is made takes it */
};

/** Say what was done to @p name. */
WCOW_NODISCARD int wcow_repair_tell(const struct wcow_repair *repair, const char *rule,
                                    const char *name, struct wcow_error *err, const char *fmt, ...)
    WCOW_PRINTF(5, 6);

/** The top directory's spelling and separators. @param repair NULL: silently */
WCOW_NODISCARD int wcow_repair_name(const struct wcow_repair *repair, struct wcow_entry *entry,
                                    struct wcow_error *err);
/** Link targets, attributes, times, descriptors of one entry. */
WCOW_NODISCARD int wcow_repair_fields(const struct wcow_repair *repair, struct wcow_entry *entry,
                                      struct wcow_error *err);

/** What @p path is in this layer or its parents: its type, 0 where it is nowhere, or an error. */
WCOW_NODISCARD int wcow_repair_type_of(const struct wcow_repair *repair, const char *path,
                                       struct wcow_error *err);

#endif
