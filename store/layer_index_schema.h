/* SPDX-License-Identifier: Apache-2.0 */
/** @file layer_index_schema.h
 *  Tables of layer.db and the small sqlite helpers that its writer and reader share.
 *  docs/layer-format.md explains the schema. Private to store/layer_index*.c. */
#ifndef WCOW_STORE_LAYER_INDEX_SCHEMA_H
#define WCOW_STORE_LAYER_INDEX_SCHEMA_H

#include <sqlite3.h>

#include "base/bytes.h"
#include "base/error.h"

enum {
    WCOW_INDEX_VERSION = 1,              /**< PRAGMA user_version */
    WCOW_INDEX_APPLICATION = 0x77636c78, /**< PRAGMA application_id: "wclx" */
    WCOW_INDEX_MAX_INLINE = 64 << 20,    /**< bytes of one inlined stream or file */
    WCOW_INDEX_STREAM_TYPE = 5,          /**< WCOW_ENTRY_STREAM, as the SQL has it */
    WCOW_INDEX_WHITEOUT_TYPE = 6,        /**< WCOW_ENTRY_WHITEOUT */
};

#define WCOW_INDEX_NAME "layer.db"
#define WCOW_INDEX_TMP  "layer.db.tmp"

/** Columns of `entries` in the order in which both sides use them. */
#define WCOW_INDEX_COLUMNS                                                                         \
    "id, type, name, dir, leaf, link, size, attributes, records, mtime, atime, ctime, creation, "  \
    "descriptor, host_path, data, segment, eas"
enum wcow_index_column {
    WCOW_COL_ID,
    WCOW_COL_TYPE,
    WCOW_COL_NAME,
    WCOW_COL_DIR,
    WCOW_COL_LEAF,
    WCOW_COL_LINK,
    WCOW_COL_SIZE,
    WCOW_COL_ATTRIBUTES,
    WCOW_COL_RECORDS,
    WCOW_COL_MTIME,
    WCOW_COL_ATIME,
    WCOW_COL_CTIME,
    WCOW_COL_CREATION,
    WCOW_COL_DESCRIPTOR,
    WCOW_COL_HOST_PATH,
    WCOW_COL_DATA,
    WCOW_COL_SEGMENT,
    WCOW_COL_EAS,
};

extern const char wcow_index_tables_sql[];  /**< tables and views */
extern const char wcow_index_indexes_sql[]; /**< made last, when all rows are in */

/** What sqlite says of a failed call, with @p what was being done. */
int wcow_index_sql_error(sqlite3 *db, int rc, const char *what, struct wcow_error *err);
WCOW_NODISCARD int wcow_index_exec(sqlite3 *db, const char *sql, const char *what,
                                   struct wcow_error *err);
WCOW_NODISCARD int wcow_index_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret,
                                      struct wcow_error *err);

/** A key split at its last '/': the directory ("" at the top) and the leaf. */
struct wcow_index_key {
    struct wcow_bytes dir;
    struct wcow_bytes leaf;
};
struct wcow_index_key wcow_index_split(const char *key);

static inline void wcow_index_close_db(sqlite3 **db)
{
    if (*db)
        (void)sqlite3_close_v2(*db);
    *db = NULL;
}

static inline void wcow_index_reset_stmt(sqlite3_stmt **stmt)
{
    if (*stmt) {
        (void)sqlite3_reset(*stmt);
        (void)sqlite3_clear_bindings(*stmt);
    }
}
/** A borrowed prepared statement, reset when the scope ends. */
#define wcow_autoreset WCOW_CLEANUP(wcow_index_reset_stmt) sqlite3_stmt

#endif
