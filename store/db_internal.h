/* SPDX-License-Identifier: Apache-2.0 */
/** @file db_internal.h
 *  One sqlite connection with its prepared statements; only for store/. */
#ifndef WCOW_STORE_DB_INTERNAL_H
#define WCOW_STORE_DB_INTERNAL_H

#include <sqlite3.h>
#include <stddef.h>

#include "store/db.h"

enum { WCOW_DB_STATEMENTS = 64 }; /**< more distinct statements than a connection ever has */

struct wcow_db {
    sqlite3 *handle;
    struct wcow_db *next; /**< in the pool of readers */
    struct {
        const char *sql; /**< compared by address */
        sqlite3_stmt *stmt;
    } cached[WCOW_DB_STATEMENTS];
};

/** A copier only checkpoints. */
enum wcow_db_mode { WCOW_DB_WRITER, WCOW_DB_READER, WCOW_DB_COPIER };

WCOW_NODISCARD int wcow_db_open(const char *path, enum wcow_db_mode mode, struct wcow_db **ret,
                                struct wcow_error *err);
void wcow_db_close(struct wcow_db *db);
WCOW_DEFINE_CLEANUP(struct wcow_db, wcow_db_close)

/** The prepared form of @p sql, which must be a constant with static storage: it is the key. */
WCOW_NODISCARD int wcow_db_stmt(struct wcow_db *db, const char *sql, sqlite3_stmt **ret,
                                struct wcow_error *err);
/** Reset and unbind; for WCOW_CLEANUP. */
void wcow_db_reset_p(sqlite3_stmt **stmt);
#define wcow_autoreset WCOW_CLEANUP(wcow_db_reset_p) sqlite3_stmt

/** @return 1 a row, 0 the end, or an error */
WCOW_NODISCARD int wcow_db_step(struct wcow_db *db, sqlite3_stmt *stmt, struct wcow_error *err);
/** Step a statement that gives no rows. */
WCOW_NODISCARD int wcow_db_exec(struct wcow_db *db, const char *constant_sql,
                                struct wcow_error *err);
/** Any script, not cached. */
WCOW_NODISCARD int wcow_db_script(struct wcow_db *db, const char *sql, struct wcow_error *err);
/** Whether to wait, 5 s at most, for another program that has locked the database; so at first. */
void wcow_db_wait_when_busy(struct wcow_db *db, bool wait);
/** A transaction that writes a page and changes nothing. */
WCOW_NODISCARD int wcow_db_touch(struct wcow_db *db, struct wcow_error *err);
/** Damage to metadata.db is no caller's mistake, as damage to what a caller brings is:
 *  WCOW_E_INTERNAL instead of WCOW_E_CORRUPT. @return the code */
int wcow_db_blame(int code, struct wcow_error *err);
/** sqlite's last error as one of ours; @p what was being done. */
int wcow_db_fail(struct wcow_db *db, const char *what, struct wcow_error *err);

/** Create or migrate the schema (one transaction), or check it for a reader.
 *  WCOW_E_UNSUPPORTED for a newer one, WCOW_E_CORRUPT for a file that is none of ours. */
WCOW_NODISCARD int wcow_db_migrate(struct wcow_db *db, struct wcow_error *err);
WCOW_NODISCARD int wcow_db_check_schema(struct wcow_db *db, struct wcow_error *err);

#endif
