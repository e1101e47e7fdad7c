/* SPDX-License-Identifier: Apache-2.0 */
/** @file tar_archive.h
 *  An ordinary tar, or a layer of a Linux image, into a layer to be: its whiteouts delete here as
 *  they do there (image-spec, layer.md). */
#ifndef WCOW_CLI_TAR_ARCHIVE_H
#define WCOW_CLI_TAR_ARCHIVE_H

#include "builder/copy.h"

/** Unpack @p file to where @p copying puts its sources; *ret_unpacked is false, and nothing was
 *  done, where it is no archive. @param is_base there is nothing that could be deleted
 *  @return as wcow_archive_unpack_fd(); WCOW_E_PRECONDITION names a whiteout that needs to know the
 *  layers below, or has none */
WCOW_NODISCARD int wcow_tar_archive(const char *file, const struct wcow_copying *copying,
                                    bool is_base, bool *ret_unpacked, struct wcow_error *err);

#endif
