/* SPDX-License-Identifier: Apache-2.0 */
/** @file layer_repair.h
 *  Mends a layer that another builder wrote wrongly, entry by entry: the whole layer is learned
 *  first, then each entry is given again and comes out as it should be, with what was missing in
 *  front of it. What is done bears the names of the rules (layer/verify.h). One thread. */
#ifndef WCOW_CLI_LAYER_REPAIR_H
#define WCOW_CLI_LAYER_REPAIR_H

#include "layer/verify.h"

struct wcow_repair_options {
    bool is_base;
    const struct wcow_chain *parents; /**< nearest first; NULL: not known */
    /** Told what is done: rule and text; severity is WCOW_SEVERITY_NOTE. */
    wcow_finding_fn report;
    /** Takes an entry that is made, or moved, with its data, to be written before the one at hand.
     */
    int (*put)(void *arg, const struct wcow_entry *entry, struct wcow_bytes data,
               struct wcow_error *err);
    void *arg;
};

struct wcow_repair;

WCOW_NODISCARD int wcow_repair_new(const struct wcow_repair_options *options,
                                   struct wcow_repair **ret, struct wcow_error *err);
void wcow_repair_free(struct wcow_repair *repair);
WCOW_DEFINE_CLEANUP(struct wcow_repair, wcow_repair_free)

/** First each entry of the layer, in order. */
WCOW_NODISCARD int wcow_repair_learn(struct wcow_repair *repair, const struct wcow_entry *entry,
                                     struct wcow_error *err);
/** Then this, once. */
WCOW_NODISCARD int wcow_repair_learned(struct wcow_repair *repair, struct wcow_error *err);
/** Then each entry again; it is changed in place (and owned by the caller).
 *  @return 1: write it, with its data; 0: leave it out; or an error */
WCOW_NODISCARD int wcow_repair_fix(struct wcow_repair *repair, struct wcow_entry *entry,
                                   struct wcow_error *err);
/** After the last: puts what belongs at the end. */
WCOW_NODISCARD int wcow_repair_finish(struct wcow_repair *repair, struct wcow_error *err);

#endif
