/* SPDX-License-Identifier: Apache-2.0 */
/** @file readers.h
 *  The connections that look things up, at rest until somebody does; only for store/. */
#ifndef WCOW_STORE_READERS_H
#define WCOW_STORE_READERS_H

#include <pthread.h>

#include "store/db_internal.h"

/** Any thread may use it, but for sharing, which is a thread's own. */
struct wcow_readers {
    const char *db_path;   /**< borrowed; set before anybody reads */
    pthread_mutex_t mutex; /**< guards what follows */
    struct wcow_db *idle;
    unsigned n_idle;
};

void wcow_readers_init(struct wcow_readers *readers);
/** When nobody reads any more. */
void wcow_readers_done(struct wcow_readers *readers);
/** Run @p fn within a read transaction, on the calling thread. */
WCOW_NODISCARD int wcow_readers_read(struct wcow_readers *readers, wcow_store_fn fn, void *arg,
                                     struct wcow_error *err);

/** What this thread reads until wcow_readers_unshare() shares one transaction, which the first
 *  look-up begins: each takes and gives sqlite's locks on files, and reads the log's index. */
void wcow_readers_share(struct wcow_readers *readers);
bool wcow_readers_shares(const struct wcow_readers *readers);
/** What this thread reads next is as of then; it shares what follows. */
void wcow_readers_renew(struct wcow_readers *readers);
void wcow_readers_unshare(struct wcow_readers *readers);

/** Run @p fn within a read transaction of @p db, whoever lent it.
 *  @return fn's code; afterwards a transaction that could not be ended may still be open */
WCOW_NODISCARD int wcow_read_on(struct wcow_db *db, wcow_store_fn fn, void *arg,
                                struct wcow_error *err);

#endif
