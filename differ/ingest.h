/* SPDX-License-Identifier: Apache-2.0 */
/** @file ingest.h
 *  A blob that containerd writes for us, on its way to the disk while it is still growing.
 * containerd syncs it when it is committed; what was sent off before need not be waited for then.
 * Only the kernel is asked to begin, through a read-only descriptor: the store stays containerd's.
 */
#ifndef WCOW_DIFFER_INGEST_H
#define WCOW_DIFFER_INGEST_H

#include <stdint.h>

struct wcow_ingest {
    int fd; /**< -1: not found, and nothing happens */
    uint64_t seen_bytes;
    uint64_t started_bytes;
};

/** Find the file of ingest @p ref of namespace @p ns below containerd's @p content_root (or NULL).
 *  That it cannot be found is no error. */
void wcow_ingest_find(struct wcow_ingest *ingest, const char *content_root, const char *ns,
                      const char *ref);
/** So many bytes more were given to containerd. */
void wcow_ingest_grown(struct wcow_ingest *ingest, uint64_t bytes);
void wcow_ingest_done(struct wcow_ingest *ingest);

#endif
