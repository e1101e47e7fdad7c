/* SPDX-License-Identifier: Apache-2.0 */
/** @file wine_registry.h
 *  The registry of a RUN under Wine: what the layers say of it is put into Wine's prefix before,
 * and what the command changed comes out as a layer's hives: Hives/System_Delta, Software_Delta and
 *  DefaultUser_Delta (layered keys), and the user's NTUSER.DAT (all of it). */
#ifndef WCOW_BUILDER_WINE_REGISTRY_H
#define WCOW_BUILDER_WINE_REGISTRY_H

#include "builder/wine_run.h"

struct wcow_reg;

enum { WCOW_WINE_REG_FILES = 3 };

/** Zero-initialise; release with wcow_wine_registry_done(). */
struct wcow_wine_registry {
    const struct wcow_wine_run *run;
    const struct wcow_execution *execution;
    const char *user;
    struct wcow_reg *before[WCOW_WINE_REG_FILES]; /**< system.reg, user.reg, userdef.reg */
};
void wcow_wine_registry_done(struct wcow_wine_registry *registry);

/** Fill the run's prefix. */
WCOW_NODISCARD int wcow_wine_registry_begin(const struct wcow_wine_run *run,
                                            const struct wcow_execution *execution,
                                            const char *user, struct wcow_wine_registry *ret,
                                            struct wcow_error *err);
/** Write the hives of what changed below @p fd, the folder of the snapshot; none where nothing
 *  did. */
WCOW_NODISCARD int wcow_wine_registry_end(const struct wcow_wine_registry *registry, int fd,
                                          struct wcow_error *err);

#endif
