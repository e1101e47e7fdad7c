/* SPDX-License-Identifier: Apache-2.0 */
/** @file wine_hives.h
 *  Between the hives of layers and Wine's registry files, numbered as in wine_registry.h: 0 HKLM
 *  (system.reg), 1 HKCU (user.reg), 2 HKU\.Default (userdef.reg). */
#ifndef WCOW_BUILDER_WINE_HIVES_H
#define WCOW_BUILDER_WINE_HIVES_H

#include "builder/run.h"
#include "builder/wine_reg.h"
#include "layer/hive.h"

enum { WCOW_WINE_DELTAS = 5 };

/** What the layers say, into Wine's registry: the base's PATH, version, App Paths and Uninstall;
 *  all of the deltas; the user's NTUSER.DAT.
 *  @param cache a folder that keeps what was read of a base */
WCOW_NODISCARD int wcow_wine_hives_read(const struct wcow_execution *execution, const char *user,
                                        const char *cache, struct wcow_reg *const registry[3],
                                        struct wcow_error *err);

/** What a command changed. Zero-initialise. */
struct wcow_wine_changes {
    const struct wcow_execution *execution;
    const char *user;
    struct wcow_hive *deltas[WCOW_WINE_DELTAS]; /**< as wcow_hive_delta_names; NULL: unchanged */
    struct wcow_reg *profile;                   /**< the whole NTUSER.DAT; NULL: unchanged */
    size_t which;                               /**< of the registry being compared */
};
WCOW_NODISCARD int wcow_wine_changes_init(struct wcow_wine_changes *changes,
                                          const struct wcow_execution *execution, const char *user,
                                          struct wcow_error *err);
WCOW_NODISCARD int wcow_wine_changes_add(struct wcow_wine_changes *changes, size_t which,
                                         struct wcow_reg *before, struct wcow_reg *after,
                                         struct wcow_error *err);
/** Hives/ and NTUSER.DAT below the folder; nothing where nothing changed. */
WCOW_NODISCARD int wcow_wine_changes_write(const struct wcow_wine_changes *changes, int fd,
                                           struct wcow_error *err);
void wcow_wine_changes_done(struct wcow_wine_changes *changes);

/** A hive of the layers by its path, from the nearest layer that has it: 1 and *ret_fd, or 0. */
WCOW_NODISCARD int wcow_wine_open_hive(const struct wcow_layer_chain *below, const char *path,
                                       int *ret_fd, struct wcow_error *err);
/** A key of a hive, with all below it or its values alone, into a registry as @p to. */
WCOW_NODISCARD int wcow_wine_load_part(int fd, const char *key, const char *to, bool values_only,
                                       struct wcow_reg *into, struct wcow_error *err);
/** All of an ordinary hive into a registry. */
WCOW_NODISCARD int wcow_wine_load_hive(int fd, struct wcow_reg *into, struct wcow_error *err);

#endif
