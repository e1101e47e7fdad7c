/* SPDX-License-Identifier: Apache-2.0 */
/** @file winpath.h
 *  Paths as a Dockerfile for Windows writes them (`C:\app`, `C:/app`, `\app`, `app`, `C:app`) to
 * what the image config and the layer hold. Only drive C: exists in an image. Text is WTF-8. */
#ifndef WCOW_BUILDER_WINPATH_H
#define WCOW_BUILDER_WINPATH_H

#include <stdbool.h>

#include "base/error.h"

enum { WCOW_WINPATH_MAX_BYTES = 32767 };

/** Check and cut the drive: `C:\a\..\b\` gives "/b" ("/b/" with @p keep_slash), `C:foo` and `foo`
 * give "foo", '\' becomes '/'; "" and "." give ".". ".." never leads above the root.
 *  @param ret  for the caller to free
 *  @return WCOW_E_INVALID with one of the messages: "no relative path specified" (`C:`), "UNC paths
 * are not supported" (`\\x`, `//x`), "not on the system drive (C:)" (`D:\x`), and for names that
 *          Windows cannot hold (control characters, `<>:"|?*`) */
WCOW_NODISCARD int wcow_winpath_normalise(const char *path, bool keep_slash, char **ret,
                                          struct wcow_error *err);
/** As above, but `*?` and `[` are allowed: a source of COPY --from, which may hold a glob. */
WCOW_NODISCARD int wcow_winpath_normalise_source(const char *path, char **ret,
                                                 struct wcow_error *err);
/** WORKDIR's new value as the config stores it, "C:\app\bin": @p path relative to @p workdir (as
 * this function gave it; "" or NULL stands for C:\). */
WCOW_NODISCARD int wcow_winpath_workdir(const char *workdir, const char *path, char **ret,
                                        struct wcow_error *err);
/** COPY's destination, or a WORKDIR, in the layer: "Files/app/bin" ("Files" for the root).
 *  @param ret_is_dir  whether it was written as a directory (trailing slash, ".", ".." or the
 * root); NULL allowed */
WCOW_NODISCARD int wcow_winpath_to_layer(const char *workdir, const char *path, char **ret,
                                         bool *ret_is_dir, struct wcow_error *err);

#endif
