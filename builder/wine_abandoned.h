/* SPDX-License-Identifier: Apache-2.0 */
/** @file wine_abandoned.h
 *  What a build leaves behind that was ended without a chance to clean up: a container, a lease and
 *  the snapshots below it, folders. Each run's folder says whose it is, and belongs to its process
 *  (base/owned_dir.h). */
#ifndef WCOW_BUILDER_WINE_ABANDONED_H
#define WCOW_BUILDER_WINE_ABANDONED_H

#include "builder/wine_run.h"

/** In the run's folder: which containerd has its container, and under which lease. */
WCOW_NODISCARD int wcow_wine_note_owner(const struct wcow_wine_run *run, struct wcow_error *err);

/** End and remove the runs in @p folder (a template's) whose process has gone, as far as this
 *  backend's containerd and namespace have them. */
void wcow_wine_sweep(const char *folder, struct wcow_backend *backend);

#endif
