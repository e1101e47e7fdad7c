/* SPDX-License-Identifier: Apache-2.0 */
/** @file export.h
 *  A layer that has an index as a tar again: the very bytes it came from, or, where it came from no
 *  tar, the canonical headers of layer/tar_writer.h. */
#ifndef WCOW_DIFFER_EXPORT_H
#define WCOW_DIFFER_EXPORT_H

#include <stdatomic.h>

#include "base/digest.h"
#include "base/stream.h"

/** @param folder_fd the layer's folder @param sink borrowed; takes the tar
 *  @param ret_diff_id of what was written @param ret_bytes its size
 *  @return WCOW_OK; WCOW_E_DATA_LOSS where the folder no longer holds what its index says (the file
 *          is named where it can be); WCOW_E_NOT_FOUND without an index; WCOW_E_CANCELLED */
WCOW_NODISCARD int wcow_export_layer(int folder_fd, const struct wcow_sink *sink,
                                     const atomic_bool *cancel, struct wcow_digest *ret_diff_id,
                                     uint64_t *ret_bytes, struct wcow_error *err);

#endif
