/* SPDX-License-Identifier: Apache-2.0 */
/** @file run.h
 *  What can execute RUN: a runtime that starts Windows programs on a stage's layers. */
#ifndef WCOW_BUILDER_RUN_H
#define WCOW_BUILDER_RUN_H

#include "base/error.h"

/** One RUN. */
struct wcow_execution {
    const char *command_line; /**< as Windows starts it */
    const char *workdir;      /**< "C:\app" */
    const char *const *env;   /**< "NAME=value", ended by NULL */
    const char *user;
    const char *snapshot; /**< key of the active snapshot that the command changes */
};

struct wcow_executor {
    const char *name;
    int (*run)(void *ctx, const struct wcow_execution *execution, struct wcow_error *err);
    void *ctx;
};

/** The executor of this name for this machine, NULL name: the one that is there.
 *  WCOW_E_UNSUPPORTED says which there are and what each needs. */
WCOW_NODISCARD int wcow_executor_find(const char *name, const struct wcow_executor **ret,
                                      struct wcow_error *err);

#endif
