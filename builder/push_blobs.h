/* SPDX-License-Identifier: Apache-2.0 */
/** @file push_blobs.h
 *  Layers into a registry, several at a time. One that the registry has, or that can be mounted
 *  there from another repository, is not sent, and need not be in containerd for that. */
#ifndef WCOW_BUILDER_PUSH_BLOBS_H
#define WCOW_BUILDER_PUSH_BLOBS_H

#include "builder/backend.h"

/** @param mount_from  repositories of the same registry that may hold them, besides those where the
 *                     layers are known to be; NULL: none
 *  Foreign layers are passed over: whoever pulls gets them from their URLs. */
WCOW_NODISCARD int wcow_blobs_push(struct wcow_backend *b, const struct wcow_reference *ref,
                                   const struct wcow_descriptor *descs, size_t n,
                                   const struct wcow_str_list *mount_from, unsigned step,
                                   struct wcow_error *err);

#endif
