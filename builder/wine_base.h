/* SPDX-License-Identifier: Apache-2.0 */
/** @file wine_base.h
 *  The parts of a base image's registry that a command may look at: its environment, its version,
 *  App Paths, Uninstall. The hives of a real base have tens of MB, so what was read of them is kept
 *  as a registry file of Wine's, a few KB, for the RUNs to come. */
#ifndef WCOW_BUILDER_WINE_BASE_H
#define WCOW_BUILDER_WINE_BASE_H

#include "builder/run.h"
#include "builder/wine_reg.h"

/** @param set what Wine calls ControlSet001
 *  @param cache the folder; a file in it that cannot be used or written is none */
WCOW_NODISCARD int wcow_wine_base_read(const struct wcow_execution *execution, const char *set,
                                       const char *cache, struct wcow_reg *into,
                                       struct wcow_error *err);

#endif
