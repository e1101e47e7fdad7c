/* SPDX-License-Identifier: Apache-2.0 */
/** @file place.h
 *  Where a verb looks: wcowd's root, containerd's socket and the namespace, from options, then the
 *  environment that ctr and nerdctl read too, then defaults. */
#ifndef WCOW_CLI_PLACE_H
#define WCOW_CLI_PLACE_H

#include "cli/options.h"

struct wcow_place {
    const char *root;
    const char *address;
    const char *ns;
};

/** Fill in what no option has set. */
void wcow_place_fill(struct wcow_place *place);

#define WCOW_PLACE_ROOT(p)                                                                         \
    {                                                                                              \
        0, "root", "DIR", "wcowd's root folder (/var/lib/wcow, $WCOW_ROOT)", WCOW_OPTION_STRING,   \
            &(p)->root                                                                             \
    }
#define WCOW_PLACE_NAMESPACE(p)                                                                    \
    {                                                                                              \
        'n', "namespace", "NAME", "containerd namespace (default, $CONTAINERD_NAMESPACE)",         \
            WCOW_OPTION_STRING, &(p)->ns                                                           \
    }
#define WCOW_PLACE_ADDRESS(p)                                                                      \
    {                                                                                              \
        'a', "address", "SOCKET", "containerd's socket ($CONTAINERD_ADDRESS)", WCOW_OPTION_STRING, \
            &(p)->address                                                                          \
    }

#endif
