/* SPDX-License-Identifier: Apache-2.0 */
/** @file tar_block.h
 *  One 512-byte tar header block taken apart: v7, ustar, star and GNU, as Go's archive/tar reads
 *  them. Private to the tar reader. */
#ifndef WCOW_LAYER_TAR_BLOCK_H
#define WCOW_LAYER_TAR_BLOCK_H

#include "base/bytes.h"

/** Enough for prefix, '/', name and NUL. */
enum { WCOW_TAR_SHORT_NAME = 155 + 1 + 100 + 1 };

struct wcow_tar_block {
    char name[WCOW_TAR_SHORT_NAME];
    char link[101];
    char typeflag;
    uint64_t size; /* 0 also where it is negative, which Go allows what has no data */
    int64_t mtime;
    bool has_atime; /* star and old GNU headers have room for it */
    bool has_ctime;
    int64_t atime;
    int64_t ctime;
};

/** Whether all 512 bytes are zero. */
bool wcow_tar_block_is_zero(const uint8_t *block);
/** A field of a header that is a number no less than 0, octal or base 256. */
bool wcow_tar_number(const uint8_t *field, size_t len, uint64_t *ret);
/** WCOW_E_CORRUPT: a bad checksum or number, also of a field that no layer has a use for. */
WCOW_NODISCARD int wcow_tar_block_parse(const uint8_t *block, struct wcow_tar_block *ret,
                                        struct wcow_error *err);

#endif
