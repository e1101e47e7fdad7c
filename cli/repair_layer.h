/* SPDX-License-Identifier: Apache-2.0 */
/** @file repair_layer.h
 *  One layer's tar mended and written, each change told on standard error: for `wcow repair`. */
#ifndef WCOW_CLI_REPAIR_LAYER_H
#define WCOW_CLI_REPAIR_LAYER_H

#include "base/digest.h"
#include "cli/layer_tar.h"
#include "layer/view.h"

struct wcow_mending {
    const char *output;      /**< a file, or "-" */
    const char *compression; /**< or NULL: by the name of output */
    bool dry_run;            /**< write nothing */
    bool quiet;              /**< do not tell each change */
    bool is_silent;          /**< nor what is left */
    bool is_base;
    bool is_diff;                     /**< neither: what it looks like */
    const struct wcow_chain *parents; /**< or NULL: not known */
    const char *place;                /**< in front of what is told, such as "layer 2: "; or NULL */
    /* results */
    uint64_t n_mended;
    uint64_t n_left; /**< errors and warnings that remain */
    struct wcow_digest diff_id;
};

/** Mend @p tar. The counts of @p m are set on success. */
WCOW_NODISCARD int wcow_mend_layer(struct wcow_mending *m, struct wcow_layer_tar *tar,
                                   struct wcow_error *err);

#endif
