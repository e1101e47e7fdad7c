/* SPDX-License-Identifier: Apache-2.0 */
/** @file unpack.h
 *  The entries of a layer tar onto the disk and into the index; the part of Apply that runs on one
 *  thread, which others may help. */
#ifndef WCOW_DIFFER_UNPACK_H
#define WCOW_DIFFER_UNPACK_H

#include "differ/host_tree.h"
#include "layer/tar_reader.h"

/** Below a layer's folder: the data of alternate streams that are too large for the index. */
#define WCOW_STREAMS_DIR "Streams"
enum { WCOW_INLINE_MAX = 64 << 10 };

struct wcow_unpacker;

/** @param layer_fd, parents borrowed. @param need_parents refuse what stands before its directory
 */
WCOW_NODISCARD int wcow_unpacker_new(int layer_fd, const struct wcow_layer_chain *parents,
                                     bool need_parents, struct wcow_unpacker **ret,
                                     struct wcow_error *err);
/** Read @p tar to its very end. What was made stays on an error: the caller clears the folder.
 *  @param limits not with skip_rules */
WCOW_NODISCARD int wcow_unpack_tar(struct wcow_unpacker *u, const struct wcow_source *tar,
                                   const struct wcow_tar_limits *limits, struct wcow_error *err);
/** Do a piece of what wcow_unpack_tar() leaves to whoever has nothing else to do, on any thread;
 * false where there is nothing. */
bool wcow_unpacker_help(struct wcow_unpacker *u);
/** Have @p call told where help is wanted, by the thread that unpacks. */
void wcow_unpacker_on_many(struct wcow_unpacker *u, void (*call)(void *ctx), void *ctx);
/** Make the index visible. @param info diff_id and tar_bytes are the caller's, n_entries is set */
WCOW_NODISCARD int wcow_unpacker_finish(struct wcow_unpacker *u, struct wcow_layer_info *info,
                                        bool sync, struct wcow_error *err);
/** Without finish: the unfinished index goes. */
void wcow_unpacker_free(struct wcow_unpacker *u);
WCOW_DEFINE_CLEANUP(struct wcow_unpacker, wcow_unpacker_free)

#endif
