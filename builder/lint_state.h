/* SPDX-License-Identifier: Apache-2.0 */
/** @file lint_state.h
 *  What the rules share while a Dockerfile is checked. */
#ifndef WCOW_BUILDER_LINT_STATE_H
#define WCOW_BUILDER_LINT_STATE_H

#include "builder/lint.h"

struct wcow_lint {
    const struct wcow_build_file *file;
    const struct wcow_lint_input *input;
    struct wcow_lint_config config;
    struct wcow_lint_report *report;
    size_t cap;
    int failed; /* the first error of a rule: out of memory */
    struct wcow_error *err;
};

/** Add a warning about @p node unless the config or a comment above the node skips the rule.
 *  @return the warning, until the next one is added; NULL where it is skipped */
struct wcow_lint_warning *wcow_lint_warn(struct wcow_lint *lint, enum wcow_lint_rule rule,
                                         const struct wcow_node *node, const char *fmt, ...)
    WCOW_PRINTF(4, 5);

/** The rules that follow variables through the stages: UndefinedVar, UndefinedArgInFrom,
 *  InvalidDefaultArgInFrom, WorkdirRelativePath, the two about --platform, and those about
 *  EXPOSE. */
void wcow_lint_variables(struct wcow_lint *lint);

#endif
