/* SPDX-License-Identifier: Apache-2.0 */
/** @file names.h
 *  Names as NTFS and the Win32 name space have them: case folding by the upcase table, and what a
 *  name inside a layer may be. Names are '/'-separated UTF-8 or WTF-8. */
#ifndef WCOW_LAYER_NAMES_H
#define WCOW_LAYER_NAMES_H

#include <stdbool.h>

#include "base/bytes.h"

/** The search key of a path: each UTF-16 unit through NTFS's upcase table. Two names collide on
 * NTFS exactly where their keys are equal. @param ret NUL-terminated, caller frees. */
WCOW_NODISCARD int wcow_name_key(const char *path, char **ret, struct wcow_error *err);

/** Prefix of the base name of a whiteout. */
#define WCOW_WHITEOUT_PREFIX ".wh."

/** Whether Windows takes @p component as a file name inside a container layer.
 *  WCOW_E_INVALID names the rule: empty, "." or "..", a reserved device name, a character that
 *  Windows refuses, a trailing dot or space, more than 255 UTF-16 units; or what an importer would
 *  take for something else: ".wh.NAME", which deletes NAME, and "NAME.$wcidirs$". */
WCOW_NODISCARD int wcow_name_check_component(const char *component, size_t len,
                                             struct wcow_error *err);

#endif
