/* SPDX-License-Identifier: Apache-2.0 */
/** @file verify.h
 *  Would Windows import this layer, and as it was meant? All of layer/check.h, and what only those
 *  who make layers care for: links and times that builders on Linux are known to write wrongly, and
 *  what a base layer has to hold. docs/tools.md explains each rule. */
#ifndef WCOW_LAYER_VERIFY_H
#define WCOW_LAYER_VERIFY_H

#include "layer/check.h"

/** The FILETIME (30 August 1754) that a time without a record becomes where Go's zero time
 *  overflows on its way to Windows. */
#define WCOW_FILETIME_OF_GO_ZERO UINT64_C(48491090211286549)

/** One breach; borrowed for the call. */
struct wcow_finding {
    const char *rule; /**< "missing-parent"; the names are stable */
    enum wcow_severity severity;
    const char *name; /**< of the entry; "" for the layer as a whole */
    const char *text; /**< a sentence */
};

/** Return < 0 to stop. */
typedef int (*wcow_finding_fn)(void *arg, const struct wcow_finding *finding,
                               struct wcow_error *err);

struct wcow_verify_options {
    bool is_base;
    const struct wcow_chain *parents; /**< nearest first; NULL: not known */
    wcow_finding_fn report;
    void *arg;
};

struct wcow_verify;

/** @param options copied; what it points to must outlive the verification */
WCOW_NODISCARD int wcow_verify_new(const struct wcow_verify_options *options,
                                   struct wcow_verify **ret, struct wcow_error *err);
/** The next entry of the layer. WCOW_E_NOMEM, report's error, or the parents'. */
WCOW_NODISCARD int wcow_verify_add(struct wcow_verify *verify, const struct wcow_entry *entry,
                                   struct wcow_error *err);
/** After the last entry. */
WCOW_NODISCARD int wcow_verify_finish(struct wcow_verify *verify, struct wcow_error *err);
void wcow_verify_free(struct wcow_verify *verify);
WCOW_DEFINE_CLEANUP(struct wcow_verify, wcow_verify_free)

/** Whether a link's target has the "Files/" in front that belongs to names in a tar only: builders
 *  that prefix every link name do that. @return what follows it, or NULL */
const char *wcow_verify_prefixed_target(const struct wcow_entry *entry);

#endif
