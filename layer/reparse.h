/* SPDX-License-Identifier: Apache-2.0 */
/** @file reparse.h
 *  Reparse points of symbolic links and mount points ([MS-FSCC] 2.1.2.4 and 2.1.2.5) from and to
 * the target that a layer's tar has, as go-winio maps them; and where such a link leads within a
 * layer. Targets are WTF-8 with backslashes. */
#ifndef WCOW_LAYER_REPARSE_H
#define WCOW_LAYER_REPARSE_H

#include "base/bytes.h"

#define WCOW_REPARSE_MOUNT_POINT UINT32_C(0xa0000003)
#define WCOW_REPARSE_SYMLINK     UINT32_C(0xa000000c)

/** The most that Windows keeps, header included. */
enum { WCOW_REPARSE_MAX_BYTES = 16384 };

/** The link's tag and target: its print name, or where that is empty (junctions that PowerShell
 *  made) the substitute name as people write it.
 *  @param ret_target caller frees
 *  @return WCOW_OK; WCOW_E_UNSUPPORTED for other tags; WCOW_E_INVALID */
WCOW_NODISCARD int wcow_reparse_decode(const void *data, size_t len, uint32_t *ret_tag,
                                       char **ret_target, struct wcow_error *err);

/** Reparse data for a target as in a tar, appended. WCOW_E_INVALID, WCOW_E_LIMIT. */
WCOW_NODISCARD int wcow_reparse_encode(uint32_t tag, const char *target, struct wcow_buf *out,
                                       struct wcow_error *err);

/** Where the link @p name ("Files/Documents and Settings") with @p target ("C:\Users") leads, as a
 *  relative POSIX link ("Users").
 *  @param ret caller frees; NULL where it leads out of the layer's C: drive or to no path
 *  @return WCOW_OK or WCOW_E_NOMEM */
WCOW_NODISCARD int wcow_reparse_posix_target(const char *name, const char *target, char **ret,
                                             struct wcow_error *err);

#endif
