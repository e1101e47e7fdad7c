/* SPDX-License-Identifier: Apache-2.0 */
/** @file host_link.h
 *  Hard links within a layer and into its parents. Private to differ/. */
#ifndef WCOW_DIFFER_HOST_LINK_H
#define WCOW_DIFFER_HOST_LINK_H

#include "differ/chain.h"

struct wcow_link_request {
    int from_fd;           /**< the target's directory in this layer, or -1: not there */
    const char *from_leaf; /**< its name there, as far as known */
    int to_fd;
    const char *to_leaf;
    const char *key; /**< the target's */
    const struct wcow_layer_chain *parents;
};

/** Make it: to a name in this layer, else in the nearest parent that has it (a committed layer
 * never changes, so that it may share the file); a copy where the file system cannot link.
 *  WCOW_E_NOT_FOUND where no layer has the target. */
WCOW_NODISCARD int wcow_host_link(const struct wcow_link_request *request, struct wcow_error *err);

#endif
