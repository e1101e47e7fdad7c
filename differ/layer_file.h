/* SPDX-License-Identifier: Apache-2.0 */
/** @file layer_file.h
 *  One file's bytes, or one stream's, out of a chain of layer folders, by its path there. */
#ifndef WCOW_DIFFER_LAYER_FILE_H
#define WCOW_DIFFER_LAYER_FILE_H

#include "base/stream.h"
#include "differ/chain.h"

struct wcow_layer_file;

/** @param chain nearest first; must outlive the file
 *  @param path "Files/Windows/notepad.exe", any casing, or "Files/a.txt:stream", also of a
 *              directory. Hard links are followed, reparse points are not.
 *  @return WCOW_OK, WCOW_E_NOT_FOUND, WCOW_E_INVALID (a directory or a link), WCOW_E_DATA_LOSS
 * where the folder lacks what the index has */
WCOW_NODISCARD int wcow_layer_file_open(const struct wcow_layer_chain *chain, const char *path,
                                        struct wcow_layer_file **ret, struct wcow_error *err);
/** What the layers say of it; for a hard link, of its first name. Borrowed. */
const struct wcow_entry *wcow_layer_file_entry(const struct wcow_layer_file *file);
/** Its bytes, once. */
struct wcow_source wcow_layer_file_source(struct wcow_layer_file *file);
void wcow_layer_file_close(struct wcow_layer_file *file);
WCOW_DEFINE_CLEANUP(struct wcow_layer_file, wcow_layer_file_close)

#endif
