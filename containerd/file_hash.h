/* SPDX-License-Identifier: Apache-2.0 */
/** @file file_hash.h
 *  The digest of a file, worked out on a thread of its own that steps back for those that use the
 *  file's bytes meanwhile: hashing is then done where a processor would have been idle. */
#ifndef WCOW_CONTAINERD_FILE_HASH_H
#define WCOW_CONTAINERD_FILE_HASH_H

#include "base/digest.h"

struct wcow_file_hash;

/** @param fd  borrowed until the hash is freed; its position is neither used nor changed
 *  @return WCOW_OK; WCOW_E_NOMEM, WCOW_E_LIMIT (no thread to be had) */
WCOW_NODISCARD int wcow_file_hash_new(int fd, struct wcow_file_hash **ret, struct wcow_error *err);
/** Waits for the end of the file. Call once. WCOW_E_IO where it could not be read. */
WCOW_NODISCARD int wcow_file_hash_digest(struct wcow_file_hash *hash, struct wcow_digest *ret,
                                         struct wcow_error *err);
/** Without wcow_file_hash_digest() before: stops on the way. NULL allowed. */
void wcow_file_hash_free(struct wcow_file_hash *hash);

#endif
