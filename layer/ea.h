/* SPDX-License-Identifier: Apache-2.0 */
/** @file ea.h
 *  Lists of extended attributes as Windows has them: FILE_FULL_EA_INFORMATION, [MS-FSCC] 2.4.16;
 *  {u32 next, u8 flags, u8 name length, u16 value length, name, NUL, value}, padded to 4 bytes. */
#ifndef WCOW_LAYER_EA_H
#define WCOW_LAYER_EA_H

#include "layer/entry.h"

/** The longest list that a file may have: NTFS keeps its size in 16 bits. */
enum { WCOW_EA_LIST_MAX_BYTES = 65535 };

/** Add the attributes of a list to @p entry; their flags are lost, as in layers. The padding of the
 *  last one may be missing. WCOW_E_INVALID names the fault; @p entry then has some of them. */
WCOW_NODISCARD int wcow_ea_decode(const void *data, size_t len, struct wcow_entry *entry,
                                  struct wcow_error *err);

/** The attributes of @p entry as a list, appended. WCOW_E_INVALID (a name or value too long). */
WCOW_NODISCARD int wcow_ea_encode(const struct wcow_entry *entry, struct wcow_buf *out,
                                  struct wcow_error *err);

#endif
