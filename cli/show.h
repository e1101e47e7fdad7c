/* SPDX-License-Identifier: Apache-2.0 */
/** @file show.h
 *  Entries of layers as text: for lists, differences and JSON. */
#ifndef WCOW_CLI_SHOW_H
#define WCOW_CLI_SHOW_H

#include <stdio.h>

#include "layer/entry.h"

/** What kind of thing it is: "file", "directory", "symlink", "junction", "hardlink", "stream",
 *  "whiteout", "opaque". */
const char *wcow_show_type(const struct wcow_entry *entry);

enum { WCOW_SHOW_MODE_MAX = 16 };
/** "d-HS--": the kind (- d l j h s w o), then R H S A, or '-' where it is not set; "+" where
 * there are other attributes besides (they are in JSON). */
void wcow_show_mode(const struct wcow_entry *entry, char ret[WCOW_SHOW_MODE_MAX]);

/** The owner's account, or its SID, or "-", appended. */
WCOW_NODISCARD int wcow_show_owner(const struct wcow_entry *entry, struct wcow_buf *out,
                                   struct wcow_error *err);
/** The descriptor in SDDL, or "-", appended; of a bad one what is wrong, in parentheses. */
WCOW_NODISCARD int wcow_show_sddl(const struct wcow_entry *entry, struct wcow_buf *out,
                                  struct wcow_error *err);

enum { WCOW_SHOW_TIME_MAX = 48 };
/** "2024-03-12 10:33:45"; @p exact: "2024-03-12T10:33:45.1234567Z". FILETIME's whole range. */
void wcow_show_time(uint64_t filetime, bool exact, char ret[WCOW_SHOW_TIME_MAX]);

/** Everything about an entry as one JSON object, appended. @p extra is put in front of the closing
 *  brace as it is (",\"layer\":1"), or NULL. */
WCOW_NODISCARD int wcow_show_json(const struct wcow_entry *entry, const char *extra,
                                  struct wcow_buf *out, struct wcow_error *err);

/** Send what was printed on its way. WCOW_E_IO where standard output did not take all of it. */
WCOW_NODISCARD int wcow_show_flush(struct wcow_error *err);

#endif
