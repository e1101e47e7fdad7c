/* SPDX-License-Identifier: Apache-2.0 */
/** @file hive.h
 *  Writes registry hives ("regf"): those of a diff layer (Hives/System_Delta and the like: only
 * what changed, with layered keys), and ordinary ones. Source: Maxim Suhanov, "Windows registry
 * file format specification". Names are WTF-8; key paths are separated by backslashes. One thread.
 */
#ifndef WCOW_LAYER_HIVE_H
#define WCOW_LAYER_HIVE_H

#include "base/bytes.h"

struct wcow_hive;
struct wcow_hive_key;

enum wcow_hive_kind {
    WCOW_HIVE_DELTA, /**< regf 1.6 with layered keys, as in Hives/ */
    WCOW_HIVE_PLAIN, /**< regf 1.5, as NTUSER.DAT */
};

/** What a key of a delta does to the key of the same name below. */
enum wcow_hive_layer {
    WCOW_HIVE_MERGE = 0,           /**< adds to it */
    WCOW_HIVE_TOMBSTONE = 1,       /**< deletes it; has no subkeys and no values */
    WCOW_HIVE_SUPERSEDE_LOCAL = 2, /**< takes its place, not its subkeys' */
    WCOW_HIVE_SUPERSEDE_TREE = 3,  /**< takes its place and that of all below it */
};

/** Types of values, [MS-RRP] 2.2.9 and winnt.h. */
enum {
    WCOW_REG_NONE = 0,
    WCOW_REG_SZ = 1,
    WCOW_REG_EXPAND_SZ = 2,
    WCOW_REG_BINARY = 3,
    WCOW_REG_DWORD = 4,
    WCOW_REG_MULTI_SZ = 7,
    WCOW_REG_QWORD = 11,
};

/** @param name      of the file, kept in the header ("System_Delta"); its last 31 units
 *  @param filetime  of every key, and of the hive */
WCOW_NODISCARD int wcow_hive_new(enum wcow_hive_kind kind, const char *name, uint64_t filetime,
                                 struct wcow_hive **ret, struct wcow_error *err);
void wcow_hive_free(struct wcow_hive *hive);
WCOW_DEFINE_CLEANUP(struct wcow_hive, wcow_hive_free)

/** The key of @p path ("ControlSet001\Control"; "" is the root), made where it is not there; all
 *  made merge. @param ret lives as long as the hive. WCOW_E_INVALID (a bad name), WCOW_E_LIMIT */
WCOW_NODISCARD int wcow_hive_key(struct wcow_hive *hive, const char *path,
                                 struct wcow_hive_key **ret, struct wcow_error *err);
/** Set what the key does to those below. Only in a delta: WCOW_E_PRECONDITION. A key that has
 *  something cannot become a tombstone: WCOW_E_INVALID. */
WCOW_NODISCARD int wcow_hive_set_layer(struct wcow_hive *hive, struct wcow_hive_key *key,
                                       enum wcow_hive_layer layer, struct wcow_error *err);

/** Set a value; "" is the default one. One of the same name is replaced. */
WCOW_NODISCARD int wcow_hive_set_value(struct wcow_hive_key *key, const char *name, uint32_t type,
                                       const void *data, size_t len, struct wcow_error *err);
/** The same with @p text as UTF-16LE and its NUL. */
WCOW_NODISCARD int wcow_hive_set_string(struct wcow_hive_key *key, const char *name, uint32_t type,
                                        const char *text, struct wcow_error *err);
/** Delete the value of that name in the layers below. */
WCOW_NODISCARD int wcow_hive_delete_value(struct wcow_hive_key *key, const char *name,
                                          struct wcow_error *err);

/** The file's bytes, appended. The same calls give the same bytes. */
WCOW_NODISCARD int wcow_hive_write(const struct wcow_hive *hive, struct wcow_buf *out,
                                   struct wcow_error *err);

/** The names of the five hives of a diff layer, in the order in which a tar has them. */
extern const char *const wcow_hive_delta_names[5];
/** A delta that changes nothing, appended. @param name one of the above */
WCOW_NODISCARD int wcow_hive_empty_delta(const char *name, uint64_t filetime, struct wcow_buf *out,
                                         struct wcow_error *err);

#endif
