/* SPDX-License-Identifier: Apache-2.0 */
/** @file tar_output.h
 *  A tar that a verb writes: to a file, which gets its name only when it is whole, or to standard
 *  output; compressed as its name says; hashed on the way. One thread. */
#ifndef WCOW_CLI_TAR_OUTPUT_H
#define WCOW_CLI_TAR_OUTPUT_H

#include "base/digest.h"
#include "base/stream.h"
#include "layer/entry.h"

struct wcow_tar_output;

/** @param path "-": standard output; NULL: nowhere, to see what would be written
 *  @param compression "gzip", "zstd", "none", or NULL: by the name's end (.gz, .tgz, .zst, .tzst)
 *  WCOW_E_INVALID for another compression or a terminal; WCOW_E_NOT_FOUND, WCOW_E_DENIED */
WCOW_NODISCARD int wcow_tar_output_new(const char *path, const char *compression,
                                       struct wcow_tar_output **ret, struct wcow_error *err);
/** Without finish(): nothing is left of the file. */
void wcow_tar_output_free(struct wcow_tar_output *out);
WCOW_DEFINE_CLEANUP(struct wcow_tar_output, wcow_tar_output_free)

/** Takes bytes of the tar as they are. */
struct wcow_sink wcow_tar_output_sink(struct wcow_tar_output *out);
/** An entry's headers; then as many bytes as it says to the sink, then the padding. */
WCOW_NODISCARD int wcow_tar_output_header(struct wcow_tar_output *out,
                                          const struct wcow_entry *entry, struct wcow_error *err);
WCOW_NODISCARD int wcow_tar_output_pad(struct wcow_tar_output *out, uint64_t size_bytes,
                                       struct wcow_error *err);
/** The two blocks that end a tar. */
WCOW_NODISCARD int wcow_tar_output_end(struct wcow_tar_output *out, struct wcow_error *err);
/** Make it visible. @param ret_diff_id of the tar, uncompressed */
WCOW_NODISCARD int wcow_tar_output_finish(struct wcow_tar_output *out,
                                          struct wcow_digest *ret_diff_id, uint64_t *ret_bytes,
                                          struct wcow_error *err);

#endif
