/* SPDX-License-Identifier: Apache-2.0 */
#include "store/layer_index_schema.h"

#include <string.h>

const char wcow_index_tables_sql[] =
    "CREATE TABLE layer("
    " id INTEGER PRIMARY KEY CHECK (id = 1),"
    " diff_id TEXT NOT NULL,"
    " tar_bytes INTEGER NOT NULL,"
    " entries INTEGER NOT NULL);"
    "CREATE TABLE origin("
    " id INTEGER PRIMARY KEY CHECK (id = 1),"
    " blob TEXT NOT NULL,"
    " bytes INTEGER NOT NULL,"
    " compression TEXT NOT NULL);"
    "CREATE TABLE dirs(id INTEGER PRIMARY KEY, key TEXT NOT NULL);"
    "CREATE TABLE descriptors(id INTEGER PRIMARY KEY, sddl TEXT, raw BLOB NOT NULL);"
    "CREATE TABLE entries("
    " id INTEGER PRIMARY KEY,"
    " type INTEGER NOT NULL,"
    " name TEXT NOT NULL,"
    " dir INTEGER NOT NULL REFERENCES dirs(id),"
    " leaf TEXT NOT NULL,"
    " link TEXT,"
    " size INTEGER NOT NULL,"
    " attributes INTEGER NOT NULL,"
    " records INTEGER NOT NULL,"
    " mtime INTEGER NOT NULL,"
    " atime INTEGER NOT NULL,"
    " ctime INTEGER NOT NULL,"
    " creation INTEGER NOT NULL,"
    " descriptor INTEGER REFERENCES descriptors(id),"
    " host_path TEXT,"
    " data BLOB,"
    " segment INTEGER NOT NULL,"
    " eas INTEGER NOT NULL);"
    "CREATE TABLE eas("
    " entry INTEGER NOT NULL REFERENCES entries(id),"
    " seq INTEGER NOT NULL,"
    " name TEXT NOT NULL,"
    " value BLOB NOT NULL,"
    " PRIMARY KEY (entry, seq)) WITHOUT ROWID;"
    "CREATE TABLE headers("
    " seq INTEGER PRIMARY KEY,"
    " codec TEXT NOT NULL,"
    " raw_len INTEGER NOT NULL,"
    " data BLOB NOT NULL);"
    "CREATE VIEW files AS SELECT"
    " e.id,"
    " CASE e.type WHEN 1 THEN 'file' WHEN 2 THEN 'dir' WHEN 3 THEN 'reparse' WHEN 4 THEN 'hardlink'"
    "  WHEN 5 THEN 'stream' WHEN 6 THEN 'whiteout' WHEN 7 THEN 'opaque' END AS type,"
    " e.name, e.link, e.size, printf('0x%x', e.attributes) AS attributes,"
    " datetime(e.mtime / 10000000 - 11644473600, 'unixepoch') AS modified,"
    " datetime(e.creation / 10000000 - 11644473600, 'unixepoch') AS created,"
    " datetime(e.atime / 10000000 - 11644473600, 'unixepoch') AS accessed,"
    " datetime(e.ctime / 10000000 - 11644473600, 'unixepoch') AS changed,"
    " d.sddl, coalesce(e.host_path, e.name) AS host_path, e.eas"
    " FROM entries e LEFT JOIN descriptors d ON d.id = e.descriptor"
    " WHERE e.segment >= 0 ORDER BY e.id;";

const char wcow_index_indexes_sql[] =
    "CREATE UNIQUE INDEX dirs_key ON dirs(key); CREATE INDEX entries_key ON entries(dir, leaf);";

static int code_of_sqlite(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_NOMEM:
        return WCOW_E_NOMEM;
    case SQLITE_FULL:
    case SQLITE_TOOBIG:
        return WCOW_E_LIMIT;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_ERROR:
    case SQLITE_MISMATCH:
    case SQLITE_CONSTRAINT:
        return WCOW_E_CORRUPT;
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_READONLY:
        return WCOW_E_DENIED;
    default:
        return WCOW_E_IO;
    }
}

int wcow_index_sql_error(sqlite3 *db, int rc, const char *what, struct wcow_error *err)
{
    int code = code_of_sqlite(rc);
    return WCOW_FAIL(err, code, "layer index (layer.db): %s: %s", what,
                     db ? sqlite3_errmsg(db) : sqlite3_errstr(rc));
}

int wcow_index_exec(sqlite3 *db, const char *sql, const char *what, struct wcow_error *err)
{
    int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? WCOW_OK : wcow_index_sql_error(db, rc, what, err);
}

int wcow_index_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret, struct wcow_error *err)
{
    int rc = sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, ret, NULL);
    return rc == SQLITE_OK ? WCOW_OK : wcow_index_sql_error(db, rc, "prepare a statement", err);
}

struct wcow_index_key wcow_index_split(const char *key)
{
    const char *slash = strrchr(key, '/');
    const char *leaf = slash ? slash + 1 : key;
    return (struct wcow_index_key){
        .dir = {.data = (const uint8_t *)key, .len = slash ? (size_t)(slash - key) : 0},
        .leaf = {.data = (const uint8_t *)leaf, .len = strlen(leaf)}};
}
