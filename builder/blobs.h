/* SPDX-License-Identifier: Apache-2.0 */
/** @file blobs.h
 *  Layers that a build knows of and may never need the bytes of: where each can be had, and fetched
 *  into containerd's content store when somebody does need them. Threads may share it. */
#ifndef WCOW_BUILDER_BLOBS_H
#define WCOW_BUILDER_BLOBS_H

#include "image/descriptor.h"
#include "image/reference.h"

struct wcow_backend;
struct wcow_blobs;

WCOW_NODISCARD int wcow_blobs_new(struct wcow_blobs **ret, struct wcow_error *err);
void wcow_blobs_free(struct wcow_blobs *blobs);
WCOW_DEFINE_CLEANUP(struct wcow_blobs, wcow_blobs_free)

/** The blob is in the repository of @p ref. Several places may be named; all are copied. */
WCOW_NODISCARD int wcow_blobs_add_remote(struct wcow_blobs *blobs,
                                         const struct wcow_descriptor *desc,
                                         const struct wcow_reference *ref, struct wcow_error *err);
/** The blob is a file of the OCI layout @p folder. */
WCOW_NODISCARD int wcow_blobs_add_folder(struct wcow_blobs *blobs,
                                         const struct wcow_descriptor *desc, const char *folder,
                                         struct wcow_error *err);

/** Append the repositories of registry @p host that hold the blob: whence it can be mounted. */
WCOW_NODISCARD int wcow_blobs_repositories(struct wcow_blobs *blobs, const char *digest,
                                           const char *host, struct wcow_str_list *ret,
                                           struct wcow_error *err);

/** Have the blob in containerd's content store, held by the build's lease: nothing is done where it
 *  is there. Threads that want one blob wait for one transfer.
 *  WCOW_E_NOT_FOUND where it is not there and no place is known. */
WCOW_NODISCARD int wcow_blob_fetch(struct wcow_backend *b, const struct wcow_descriptor *desc,
                                   unsigned step, struct wcow_error *err);
/** The same for many, several at a time. Foreign layers too. */
WCOW_NODISCARD int wcow_blobs_fetch(struct wcow_backend *b, const struct wcow_descriptor *descs,
                                    size_t n, unsigned step, struct wcow_error *err);

#endif
