/* SPDX-License-Identifier: Apache-2.0 */
#include "store/readers.h"

enum { IDLE_READERS = 4 };

/* What this thread shares. */
static _Thread_local struct {
    struct wcow_readers *readers; /* NULL: nothing */
    struct wcow_db *db;           /* once somebody has read */
} shared;

void wcow_readers_init(struct wcow_readers *readers)
{
    *readers = (struct wcow_readers){0};
    (void)pthread_mutex_init(&readers->mutex, NULL);
}

void wcow_readers_done(struct wcow_readers *readers)
{
    while (readers->idle) {
        struct wcow_db *db = readers->idle;
        readers->idle = db->next;
        wcow_db_close(db);
    }
    (void)pthread_mutex_destroy(&readers->mutex);
}

static int take(struct wcow_readers *readers, struct wcow_db **ret, struct wcow_error *err)
{
    (void)pthread_mutex_lock(&readers->mutex);
    struct wcow_db *db = readers->idle;
    if (db) {
        readers->idle = db->next;
        readers->n_idle--;
    }
    (void)pthread_mutex_unlock(&readers->mutex);
    if (!db)
        return wcow_db_open(readers->db_path, WCOW_DB_READER, ret, err);
    *ret = db;
    return WCOW_OK;
}

static bool in_transaction(struct wcow_db *db)
{
    return sqlite3_get_autocommit(db->handle) == 0;
}

/* One whose transaction cannot be ended is of no use. */
static void give_back(struct wcow_readers *readers, struct wcow_db *db)
{
    (void)pthread_mutex_lock(&readers->mutex);
    bool keep = readers->n_idle < IDLE_READERS && !in_transaction(db);
    if (keep) {
        db->next = readers->idle;
        readers->idle = db;
        readers->n_idle++;
    }
    (void)pthread_mutex_unlock(&readers->mutex);
    if (!keep)
        wcow_db_close(db);
}

static void end_transaction(struct wcow_db *db)
{
    struct wcow_error ignored = {0};
    if (in_transaction(db))
        (void)!wcow_db_exec(db, "COMMIT", &ignored);
}

/* In the transaction that is open, or in a new one, which stays open. */
static int begin_and_read(struct wcow_db *db, wcow_store_fn fn, void *arg, struct wcow_error *err)
{
    int r = in_transaction(db) ? WCOW_OK : wcow_db_exec(db, "BEGIN", err);
    return r < 0 ? r : wcow_db_blame(fn(db, arg, err), err);
}

int wcow_read_on(struct wcow_db *db, wcow_store_fn fn, void *arg, struct wcow_error *err)
{
    int r = begin_and_read(db, fn, arg, err);
    end_transaction(db);
    return r;
}

static int read_shared(wcow_store_fn fn, void *arg, struct wcow_error *err)
{
    int r = shared.db ? WCOW_OK : take(shared.readers, &shared.db, err);
    return r < 0 ? r : begin_and_read(shared.db, fn, arg, err);
}

int wcow_readers_read(struct wcow_readers *readers, wcow_store_fn fn, void *arg,
                      struct wcow_error *err)
{
    if (wcow_readers_shares(readers))
        return read_shared(fn, arg, err);
    struct wcow_db *db = NULL;
    int r = take(readers, &db, err);
    if (r < 0)
        return r;
    r = wcow_read_on(db, fn, arg, err);
    give_back(readers, db);
    return r;
}

void wcow_readers_share(struct wcow_readers *readers)
{
    shared.readers = readers;
}

bool wcow_readers_shares(const struct wcow_readers *readers)
{
    return shared.readers == readers;
}

void wcow_readers_renew(struct wcow_readers *readers)
{
    if (!wcow_readers_shares(readers) || !shared.db)
        return;
    struct wcow_db *db = shared.db;
    shared.db = NULL;
    end_transaction(db);
    give_back(readers, db);
}

void wcow_readers_unshare(struct wcow_readers *readers)
{
    wcow_readers_renew(readers);
    if (wcow_readers_shares(readers))
        shared.readers = NULL;
}
