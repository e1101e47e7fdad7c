/* SPDX-License-Identifier: Apache-2.0 */
#include "store/owner.h"

#include <stdio.h>
#include <time.h>

#include "store/db_internal.h"

static const char get_row[] = "SELECT path, device, inode FROM owner";
static const char set_row[] =
    "INSERT INTO owner (id, path, device, inode, since) VALUES (1, ?1, ?2, ?3, ?4) "
    "ON CONFLICT (id) DO UPDATE SET path = excluded.path, device = excluded.device, "
    "inode = excluded.inode, since = excluded.since";
static const char delete_row[] = "DELETE FROM owner";

int wcow_owner_get(struct wcow_db *db, struct wcow_owner *ret, struct wcow_error *err)
{
    wcow_autoreset *stmt = NULL;
    int r = wcow_db_stmt(db, get_row, &stmt, err);
    if (r == WCOW_OK)
        r = wcow_db_step(db, stmt, err);
    if (r < 0)
        return r;
    if (r == 0)
        return WCOW_FAIL(err, WCOW_E_NOT_FOUND, "no containerd is recorded as the owner");
    (void)snprintf(ret->path, sizeof(ret->path), "%s", (const char *)sqlite3_column_text(stmt, 0));
    ret->device = (uint64_t)sqlite3_column_int64(stmt, 1);
    ret->inode = (uint64_t)sqlite3_column_int64(stmt, 2);
    return WCOW_OK;
}

int wcow_owner_set(struct wcow_db *db, const struct wcow_owner *owner, struct wcow_error *err)
{
    wcow_autoreset *stmt = NULL;
    int r = wcow_db_stmt(db, set_row, &stmt, err);
    if (r < 0)
        return r;
    (void)sqlite3_bind_text(stmt, 1, owner->path, -1, SQLITE_STATIC);
    (void)sqlite3_bind_int64(stmt, 2, (int64_t)owner->device);
    (void)sqlite3_bind_int64(stmt, 3, (int64_t)owner->inode);
    (void)sqlite3_bind_int64(stmt, 4, (int64_t)time(NULL) * 1000000000);
    return wcow_db_step(db, stmt, err);
}

int wcow_owner_forget(struct wcow_db *db, struct wcow_error *err)
{
    return wcow_db_exec(db, delete_row, err);
}
