/* SPDX-License-Identifier: Apache-2.0 */
/** @file wine_install.h
 *  `wcow executor install wine`: the template that every RUN uses (wine_template.h), made once by
 *  running Wine's own set-up in the same kind of container. */
#ifndef WCOW_BUILDER_WINE_INSTALL_H
#define WCOW_BUILDER_WINE_INSTALL_H

#include "builder/backend.h"

struct wcow_wine_install {
    const char *root;     /**< wcowd's */
    const char *usr;      /**< "/usr", or that of a private root with another Wine in it */
    const char *programs; /**< folder of wcow-wine-init and wcow-launch.exe */
    unsigned step;
};

/** Replaces an older one. WCOW_E_NOT_FOUND names the program or package that is missing. */
WCOW_NODISCARD int wcow_wine_install(struct wcow_backend *backend,
                                     const struct wcow_wine_install *options,
                                     struct wcow_error *err);

#endif
