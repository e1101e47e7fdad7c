/* SPDX-License-Identifier: Apache-2.0 */
/** @file wal.h
 *  Care of sqlite's write-ahead log, so that a commit is one sync that changes no file's size;
 *  only for store/. Sources: sqlite.org/wal.html, and its description of the file format.
 *
 *  The log's space is written once and kept. A log within it needs only its data synced; one that
 *  grows needs the file system's journal too, together with everything else waiting there. Copying
 *  it back into the database is left to a thread of its own; the writer does only what came in
 *  meanwhile, which is little, and so starts the log from its beginning again. */
#ifndef WCOW_STORE_WAL_H
#define WCOW_STORE_WAL_H

#include <pthread.h>
#include <stdbool.h>

#include "store/db_internal.h"

enum wcow_wal_state { WCOW_WAL_RESTS, WCOW_WAL_WANTED, WCOW_WAL_COPIED };

struct wcow_wal {
    struct wcow_db *writer; /**< borrowed */
    const char *db_path;    /**< borrowed */
    int pages;              /**< in the log; for the one who writes, as is the next */
    int start_at;           /**< when the log has so many pages */

    pthread_mutex_t mutex;
    pthread_cond_t wake;
    enum wcow_wal_state state;
    bool stopping;
    pthread_t thread;
    bool has_thread;
};

/** @param wal must not move until wcow_wal_stop(), which is due whatever the result */
WCOW_NODISCARD int wcow_wal_start(struct wcow_wal *wal, struct wcow_db *writer, const char *db_path,
                                  struct wcow_error *err);
/** Whether there is something to tend, which may take a while. */
bool wcow_wal_is_due(const struct wcow_wal *wal);
/** Between two transactions, on the writer's thread. */
void wcow_wal_tend(struct wcow_wal *wal);
void wcow_wal_stop(struct wcow_wal *wal);

#endif
