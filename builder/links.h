/* SPDX-License-Identifier: Apache-2.0 */
/** @file links.h
 *  Where a symbolic link or a junction in a layer leads, as a name in the layer. */
#ifndef WCOW_BUILDER_LINKS_H
#define WCOW_BUILDER_LINKS_H

#include "base/error.h"

/** @param name    of the link, "Files/Documents and Settings"
 *  @param target  as the link has it: "C:\Users", "\Users", "..\x", "\??\C:\Users"
 *  @param ret     "Files/Users"; caller frees
 *  WCOW_E_INVALID where it leaves the C: drive. */
WCOW_NODISCARD int wcow_link_resolve(const char *name, const char *target, char **ret,
                                     struct wcow_error *err);

#endif
