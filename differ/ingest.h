/* SPDX-License-Identifier: Apache-2.0 */
/** @file ingest.h
 *  The file of a blob that containerd is being given. Our bytes go straight into it where it can be
 *  opened, instead of through messages: see docs/decisions/0015-blobs-into-the-ingest.md. And it is
 *  on its way to the disk while it is still growing: what was sent off before need not be waited
 * for when containerd syncs it. */
#ifndef WCOW_DIFFER_INGEST_H
#define WCOW_DIFFER_INGEST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/stream.h"

struct wcow_ingest {
    int fd;       /**< -1: not found, and nothing happens */
    bool is_ours; /**< empty and writable: bytes may go straight into it */
    uint64_t seen_bytes;
    uint64_t started_bytes;
};

/** Find the file of ingest @p ref of namespace @p ns below containerd's @p content_root (or NULL).
 *  That it cannot be found is no error. */
void wcow_ingest_find(struct wcow_ingest *ingest, const char *content_root, const char *ns,
                      const char *ref);
/** Writes to the file, which must be ours. Borrows @p ingest. */
struct wcow_sink wcow_ingest_sink(struct wcow_ingest *ingest);
/** So many bytes more were given to containerd. */
void wcow_ingest_grown(struct wcow_ingest *ingest, uint64_t bytes);
void wcow_ingest_done(struct wcow_ingest *ingest);

#endif
