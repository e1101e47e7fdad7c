/* SPDX-License-Identifier: Apache-2.0 */
/** @file wine_template.h
 *  What `wcow executor install wine` leaves below <root>/executors/wine, and every RUN uses:
 *
 *    executor.json      version of Wine, where its programs are
 *    root/              the container's root folder: links into /usr, a few files of etc
 *    bin/               wcow-wine-init and wcow-launch.exe
 *    windows/           Wine's C:\Windows as it names things
 *    cased/ID/          the same files under the names that one base image gives them
 *    cased/ID.reg       what of that base's registry a command sees (wine_base.h)
 *    prefix/            the registry as it stands after a command that does nothing
 *    runs/              one folder for each RUN under way */
#ifndef WCOW_BUILDER_WINE_TEMPLATE_H
#define WCOW_BUILDER_WINE_TEMPLATE_H

#include "layer/view.h"

/** Zero-initialise; release with wcow_wine_template_done(). */
struct wcow_wine_template {
    char *folder;
    char *version; /**< "8.0~repack-4" */
    char *usr;     /**< shown to the container as /usr */
    char *wine;    /**< in the container, "/usr/lib/wine/wine64" */
    char *wineserver;
};
void wcow_wine_template_done(struct wcow_wine_template *t);

/** WCOW_E_UNSUPPORTED where nothing is installed, and how to do so. */
WCOW_NODISCARD int wcow_wine_template_load(const char *folder, struct wcow_wine_template *ret,
                                           struct wcow_error *err);
WCOW_NODISCARD int wcow_wine_template_save(const struct wcow_wine_template *t,
                                           struct wcow_error *err);

/** The folder that holds Wine's files under the casing of an image's layers, made where it is
 *  missing (hard links, a fraction of a second).
 *  @param id of those layers, a digest @param ret caller frees */
WCOW_NODISCARD int wcow_wine_template_cased(const struct wcow_wine_template *t, const char *id,
                                            const struct wcow_chain *chain, char **ret,
                                            struct wcow_error *err);

#endif
