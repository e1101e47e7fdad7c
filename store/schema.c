/* SPDX-License-Identifier: Apache-2.0 */
/* The schema of metadata.db and the steps from each version to the next. docs/store.md explains the
 * tables to those who query them. */
#include "store/db_internal.h"

/* "wcow" as PRAGMA application_id, so that a foreign file is told from ours. */
enum { APPLICATION_ID = 0x77636f77 };

/* steps[v] leads from schema version v to v + 1. Never change one that was released; add another.
 */
static const char *const steps[] = {
    "CREATE TABLE snapshots ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  key TEXT NOT NULL UNIQUE CHECK (key <> ''),"
    "  namespace TEXT NOT NULL,"
    "  parent_id INTEGER REFERENCES snapshots (id) ON DELETE RESTRICT,"
    "  ancestors TEXT NOT NULL DEFAULT '',"
    "  kind TEXT NOT NULL CHECK (kind IN ('active', 'view', 'committed')),"
    "  mount_type TEXT NOT NULL CHECK (mount_type IN ('windows-layer', 'overlay')),"
    "  created_at INTEGER NOT NULL,"
    "  updated_at INTEGER NOT NULL,"
    "  size_bytes INTEGER NOT NULL DEFAULT 0 CHECK (size_bytes >= 0),"
    "  inodes INTEGER NOT NULL DEFAULT 0 CHECK (inodes >= 0)"
    ") STRICT;"
    "CREATE INDEX snapshots_by_parent ON snapshots (parent_id);"
    "CREATE TABLE labels ("
    "  snapshot_id INTEGER NOT NULL REFERENCES snapshots (id) ON DELETE CASCADE,"
    "  key TEXT NOT NULL,"
    "  value TEXT NOT NULL CHECK (value <> ''),"
    "  PRIMARY KEY (snapshot_id, key)"
    ") STRICT, WITHOUT ROWID;",

    "CREATE TABLE owner ("
    "  id INTEGER PRIMARY KEY CHECK (id = 1),"
    "  path TEXT NOT NULL,"
    "  device INTEGER NOT NULL,"
    "  inode INTEGER NOT NULL,"
    "  since INTEGER NOT NULL"
    ") STRICT;",
};
enum { LATEST = (int)(sizeof(steps) / sizeof(steps[0])) };

static int pragma(struct wcow_db *db, const char *sql, int *ret, struct wcow_error *err)
{
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v2(db->handle, sql, -1, &stmt, NULL) != SQLITE_OK)
        return wcow_db_fail(db, "read its header", err);
    int r = wcow_db_step(db, stmt, err);
    if (r > 0)
        *ret = sqlite3_column_int(stmt, 0);
    (void)sqlite3_finalize(stmt);
    return r < 0 ? r : WCOW_OK;
}

static int version_of(struct wcow_db *db, int *ret, struct wcow_error *err)
{
    int id = 0;
    int version = 0;
    int n_tables = 0;
    int r = pragma(db, "PRAGMA application_id", &id, err);
    if (r == WCOW_OK)
        r = pragma(db, "PRAGMA user_version", &version, err);
    if (r == WCOW_OK)
        r = pragma(db, "SELECT count(*) FROM sqlite_schema", &n_tables, err);
    if (r < 0)
        return r;
    if (id != APPLICATION_ID && (id != 0 || version != 0 || n_tables != 0))
        return WCOW_FAIL(err, WCOW_E_CORRUPT,
                         "metadata.db is an sqlite database, but none of wcow's (application_id "
                         "%#x): give wcowd another --root, or move the file away",
                         (unsigned)id);
    if (version > LATEST)
        return WCOW_FAIL(err, WCOW_E_UNSUPPORTED,
                         "metadata.db has schema %d and this program knows schemas up to %d: run "
                         "the newer wcow that wrote it, or use another --root",
                         version, LATEST);
    *ret = version;
    return WCOW_OK;
}

int wcow_db_check_schema(struct wcow_db *db, struct wcow_error *err)
{
    int version = 0;
    int r = version_of(db, &version, err);
    if (r == WCOW_OK && version < LATEST)
        return WCOW_FAIL(
            err, WCOW_E_UNSUPPORTED,
            "metadata.db has schema %d, older than this program's %d: start wcowd once "
            "to migrate it",
            version, LATEST);
    return r;
}

static int apply_step(struct wcow_db *db, int version, struct wcow_error *err)
{
    char tail[96];
    (void)sqlite3_snprintf((int)sizeof(tail), tail,
                           "PRAGMA application_id = %d; PRAGMA user_version = %d", APPLICATION_ID,
                           version + 1);
    int r = wcow_db_script(db, steps[version], err);
    return r < 0 ? r : wcow_db_script(db, tail, err);
}

int wcow_db_touch(struct wcow_db *db, struct wcow_error *err)
{
    char sql[80];
    (void)sqlite3_snprintf((int)sizeof(sql), sql,
                           "BEGIN IMMEDIATE; PRAGMA application_id = %d; COMMIT", APPLICATION_ID);
    return wcow_db_script(db, sql, err);
}

int wcow_db_migrate(struct wcow_db *db, struct wcow_error *err)
{
    int version = 0;
    int r = version_of(db, &version, err);
    if (r < 0 || version == LATEST)
        return r;
    r = wcow_db_script(db, "BEGIN IMMEDIATE", err);
    for (int v = version; r == WCOW_OK && v < LATEST; v++)
        r = apply_step(db, v, err);
    if (r == WCOW_OK)
        r = wcow_db_script(db, "COMMIT", err);
    if (r < 0) {
        (void)sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
        return wcow_error_wrap(r, err, "migrate from schema %d to %d", version, LATEST);
    }
    return WCOW_OK;
}
