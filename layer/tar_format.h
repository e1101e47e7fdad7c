/* SPDX-License-Identifier: Apache-2.0 */
/** @file tar_format.h
 *  Where the fields of a tar header block stand (POSIX.1-1988 ustar; GNU tar's manual, "Basic Tar
 *  Format"). Private to the tar reader and writer. */
#ifndef WCOW_LAYER_TAR_FORMAT_H
#define WCOW_LAYER_TAR_FORMAT_H

#include <stddef.h>

struct wcow_tar_field {
    size_t at;
    size_t len;
};

#define WCOW_TAR_FIELD(offset, length) ((struct wcow_tar_field){.at = (offset), .len = (length)})

#define WCOW_TAR_NAME     WCOW_TAR_FIELD(0, 100)
#define WCOW_TAR_MODE     WCOW_TAR_FIELD(100, 8)
#define WCOW_TAR_UID      WCOW_TAR_FIELD(108, 8)
#define WCOW_TAR_GID      WCOW_TAR_FIELD(116, 8)
#define WCOW_TAR_SIZE     WCOW_TAR_FIELD(124, 12)
#define WCOW_TAR_MTIME    WCOW_TAR_FIELD(136, 12)
#define WCOW_TAR_CHECKSUM WCOW_TAR_FIELD(148, 8)
#define WCOW_TAR_TYPE     WCOW_TAR_FIELD(156, 1)
#define WCOW_TAR_LINK     WCOW_TAR_FIELD(157, 100)
#define WCOW_TAR_MAGIC    WCOW_TAR_FIELD(257, 8)
#define WCOW_TAR_DEVMAJOR WCOW_TAR_FIELD(329, 8)
#define WCOW_TAR_DEVMINOR WCOW_TAR_FIELD(337, 8)
#define WCOW_TAR_PREFIX   WCOW_TAR_FIELD(345, 155)
/* GNU's header uses the room of the prefix otherwise, and so does star's. */
#define WCOW_TAR_GNU_ATIME    WCOW_TAR_FIELD(345, 12)
#define WCOW_TAR_GNU_CTIME    WCOW_TAR_FIELD(357, 12)
#define WCOW_TAR_STAR_PREFIX  WCOW_TAR_FIELD(345, 131)
#define WCOW_TAR_STAR_ATIME   WCOW_TAR_FIELD(476, 12)
#define WCOW_TAR_STAR_CTIME   WCOW_TAR_FIELD(488, 12)
#define WCOW_TAR_STAR_TRAILER WCOW_TAR_FIELD(508, 4)

/* Magic and version, eight bytes. */
#define WCOW_TAR_MAGIC_USTAR "ustar\00000"
#define WCOW_TAR_MAGIC_GNU   "ustar  \0"

#endif
