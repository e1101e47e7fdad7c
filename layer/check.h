/* SPDX-License-Identifier: Apache-2.0 */
/** @file check.h
 *  What entries of one layer must be to each other so that Windows imports it, and so that no path
 *  leads through a link: checked as the entries stream by. Memory does not depend on their number:
 *  the names of more than a hundred thousand go on in a temporary file (base/path_tree.h). Rules of
 *  single entries (layer/rules.h) are checked as well. */
#ifndef WCOW_LAYER_CHECK_H
#define WCOW_LAYER_CHECK_H

#include "layer/rules.h"
#include "layer/view.h"

enum wcow_severity {
    WCOW_SEVERITY_NONE,    /**< do not report */
    WCOW_SEVERITY_NOTE,    /**< imports, but not as its writer meant */
    WCOW_SEVERITY_WARNING, /**< Windows would refuse it, wcow takes it */
    WCOW_SEVERITY_ERROR,   /**< hostile, or without a meaning: wcow refuses it too */
};

/** One breach. Borrowed for the call. */
struct wcow_violation {
    enum wcow_rule rule;
    enum wcow_severity severity;
    const char *name; /**< of the entry; "" for the layer as a whole */
    const char *text; /**< a sentence */
};

/** Return < 0 to stop: wcow_check_add() then returns that. */
typedef int (*wcow_violation_fn)(void *arg, const struct wcow_violation *violation,
                                 struct wcow_error *err);

struct wcow_check_options {
    bool is_base;                     /**< the layer has no parents */
    const struct wcow_chain *parents; /**< where hard links and parent directories may be as well,
                                           nearest first; NULL: not known, they are then believed */
    /** Treat a directory that is missing before what is in it as an error, unless it is a root.
     *  Importers fail on it, but some builders on Linux write such layers. */
    bool need_parents;
    bool entries_are_checked; /**< each for itself (layer/rules.h), as the tar reader does */
    const int *scratch;       /**< a descriptor of the folder for a temporary file; NULL: TMPDIR */
    wcow_violation_fn report; /**< NULL: the first violation of severity ERROR is the error */
    void *arg;
};

struct wcow_check;

/** @param options copied; what it points to must outlive the check */
WCOW_NODISCARD int wcow_check_new(const struct wcow_check_options *options, struct wcow_check **ret,
                                  struct wcow_error *err);
/** The next entry of the layer. WCOW_E_INVALID as options say, WCOW_E_NOMEM, or the parents' error.
 */
WCOW_NODISCARD int wcow_check_add(struct wcow_check *check, const struct wcow_entry *entry,
                                  struct wcow_error *err);
/** After the last entry: what the layer as a whole lacks. */
WCOW_NODISCARD int wcow_check_finish(struct wcow_check *check, struct wcow_error *err);
void wcow_check_free(struct wcow_check *check);
WCOW_DEFINE_CLEANUP(struct wcow_check, wcow_check_free)

enum wcow_severity wcow_rule_severity(enum wcow_rule rule);
/** "note", "warning", "error". */
const char *wcow_severity_name(enum wcow_severity severity);

#endif
