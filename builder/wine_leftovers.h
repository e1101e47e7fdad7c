/* SPDX-License-Identifier: Apache-2.0 */
/** @file wine_leftovers.h
 *  The upper folder of the overlay that a command under Wine worked in, made into what the command
 *  did to the image: nothing of Wine's own files, renamed directories as they are, and what
 *  Windows could not hold refused by name. */
#ifndef WCOW_BUILDER_WINE_LEFTOVERS_H
#define WCOW_BUILDER_WINE_LEFTOVERS_H

#include "differ/chain.h"
#include "image/strings.h"

struct wcow_wine_leftovers {
    int fd;                               /**< of the snapshot's folder, which has Files */
    const struct wcow_layer_chain *below; /**< the parents */
    const char *template_folder;          /**< holds Wine's files, in the image's casing */
    const struct wcow_str_list *places;   /**< made by wcow_wine_make_place() */
};

/** WCOW_E_UNSUPPORTED names what cannot be in a layer. */
WCOW_NODISCARD int wcow_wine_filter(const struct wcow_wine_leftovers *leftovers,
                                    struct wcow_error *err);

/** Make @p path ("Files/Users/x/Temp") in the folder where the layers do not have it, so that
 *  something can be mounted there or used.
 *  @param ret as the layers spell it; caller frees */
WCOW_NODISCARD int wcow_wine_make_place(const struct wcow_chain *chain, int fd, const char *path,
                                        bool is_dir, char **ret, struct wcow_error *err);

#endif
