/* SPDX-License-Identifier: Apache-2.0 */
/** @file limits.h
 *  What a layer may be at most, as told to wcowd: "bytes=200G,entries=5000000,ratio=500". */
#ifndef WCOW_CLI_LIMITS_H
#define WCOW_CLI_LIMITS_H

#include "layer/tar_reader.h"

struct wcow_layer_limits {
    struct wcow_tar_limits tar;
    uint32_t ratio; /**< of decompression */
};

/** Names: bytes (of the tar), file (bytes of one file), entries, depth, header (bytes), ratio.
 * Bytes may end in K, M, G or T. What is not named stays 0, the default. WCOW_E_INVALID names what
 * it does not understand. */
WCOW_NODISCARD int wcow_limits_parse(const char *text, struct wcow_layer_limits *ret,
                                     struct wcow_error *err);

#endif
