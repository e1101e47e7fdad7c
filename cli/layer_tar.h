/* SPDX-License-Identifier: Apache-2.0 */
/** @file layer_tar.h
 *  A layer's tar in a file (plain, gzip or zstd) or on standard input, read as often as need be. */
#ifndef WCOW_CLI_LAYER_TAR_H
#define WCOW_CLI_LAYER_TAR_H

#include "base/digest.h"
#include "base/stream.h"
#include "layer/entry_list.h"
#include "layer/tar_reader.h"

struct wcow_layer_tar;

/** @param path a file, or "-": standard input, which is kept in an unnamed temporary file
 *  WCOW_E_NOT_FOUND, WCOW_E_DENIED, WCOW_E_INVALID (a directory) */
WCOW_NODISCARD int wcow_layer_tar_open(const char *path, struct wcow_layer_tar **ret,
                                       struct wcow_error *err);
/** An unnamed temporary file for a tar that is made; takes what is written to the sink. */
WCOW_NODISCARD int wcow_layer_tar_new(const char *name, struct wcow_layer_tar **ret,
                                      struct wcow_sink *ret_sink, struct wcow_error *err);
/** Everything was written: it may be compressed. */
WCOW_NODISCARD int wcow_layer_tar_written(struct wcow_layer_tar *tar, struct wcow_error *err);
void wcow_layer_tar_free(struct wcow_layer_tar *tar);
WCOW_DEFINE_CLEANUP(struct wcow_layer_tar, wcow_layer_tar_free)

/** As people call it. */
const char *wcow_layer_tar_name(const struct wcow_layer_tar *tar);

/** Each entry in order, read from the start; @p reader gives its data and its segment. Entries that
 *  break the rules of names are given too. @p fn returns < 0 to stop. */
typedef int (*wcow_layer_tar_fn)(void *arg, struct wcow_tar_reader *reader,
                                 const struct wcow_entry *entry, struct wcow_error *err);
WCOW_NODISCARD int wcow_layer_tar_each(struct wcow_layer_tar *tar, wcow_layer_tar_fn fn, void *arg,
                                       struct wcow_error *err);

/** The file as it is, compressed or not. Used up before the next call. */
WCOW_NODISCARD int wcow_layer_tar_raw(struct wcow_layer_tar *tar, struct wcow_source *ret,
                                      struct wcow_error *err);
/** The digest of the tar, decompressed, to its very end. */
WCOW_NODISCARD int wcow_layer_tar_diff_id(struct wcow_layer_tar *tar, struct wcow_digest *ret,
                                          struct wcow_error *err);

/** Its entries; offsets are for wcow_layer_tar_data(). */
WCOW_NODISCARD int wcow_layer_tar_list(struct wcow_layer_tar *tar, struct wcow_entry_list **ret,
                                       struct wcow_error *err);

/** @p size bytes from @p offset of the (decompressed) tar, as a source; a compressed tar is
 *  decompressed into a temporary file first. The source is used up before the next call.
 *  WCOW_E_CORRUPT where the file became shorter. */
WCOW_NODISCARD int wcow_layer_tar_data(struct wcow_layer_tar *tar, uint64_t offset, uint64_t size,
                                       struct wcow_source *ret, struct wcow_error *err);

#endif
