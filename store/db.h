/* SPDX-License-Identifier: Apache-2.0 */
/** @file db.h
 *  metadata.db: the database of one root folder (docs/store.md has its schema).
 *
 *  One thread at a time writes, mostly the writer's own. It takes all operations that wait, runs
 *  each in a savepoint of one transaction, commits (WAL, synchronous=FULL: on disk when COMMIT
 *  returns), and only then answers each. Readers have connections of their own and never wait for
 *  it; a lone caller's round looks up on the one that writes, where that rests, and the look-ups of
 *  a round of several share a transaction. */
#ifndef WCOW_STORE_DB_H
#define WCOW_STORE_DB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"

/** An open root; every function may be called from any thread. */
struct wcow_store;
/** One connection, lent to the function that runs on it; store/snapshots.h is used on it. */
struct wcow_db;

/** Work on a connection. */
typedef int (*wcow_store_fn)(struct wcow_db *db, void *arg, struct wcow_error *err);

/** A write. Embed it in the caller's own request: submitting allocates nothing and cannot fail.
 *  Zero-initialise, set what is public, keep it alive until `done` was called. */
struct wcow_store_op {
    wcow_store_fn run;       /**< as the one who writes; an error rolls back this op alone */
    void (*undo)(void *arg); /**< after a good run whose COMMIT failed: take back what was done
                                  outside the database. May be NULL */
    /** After COMMIT, with the op's code, on whatever thread: must be short, and must not wait for
     *  another write. May free the op, where there is no `after`. */
    void (*done)(void *arg, int code, const struct wcow_error *err);
    /** What nobody need wait for, once the answers are on their way. May be NULL, may free the op.
     */
    void (*after)(void *arg);
    void *arg;
    /* private */
    struct wcow_store_op *next;
    bool in_round; /* submitted within one */
    int code;
    struct wcow_error err;
};

enum { WCOW_STORE_BATCH_SIZES = 8 };

/** Counted since the store was opened. */
struct wcow_store_stats {
    uint64_t transactions;                    /**< batches committed or failed */
    uint64_t operations;                      /**< ops answered */
    uint64_t largest_batch;                   /**< most ops in one transaction */
    uint64_t by_size[WCOW_STORE_BATCH_SIZES]; /**< transactions of at most 1, 2, 4, ... 64 ops, and
                                                 of more: each counted once */
};

/** Open, or create (folder 0700), @p root's metadata.db for writing; older schemas are migrated.
 *  @return WCOW_OK, WCOW_E_EXISTS (another wcowd has the root), WCOW_E_CORRUPT,
 *          WCOW_E_UNSUPPORTED (newer schema), WCOW_E_DENIED, WCOW_E_LIMIT (disk full), WCOW_E_IO */
WCOW_NODISCARD int wcow_store_open(const char *root, struct wcow_store **ret,
                                   struct wcow_error *err);
/** For looking only, beside a running wcowd or without one; WCOW_E_NOT_FOUND without a database.
 *  Writes are refused with WCOW_E_DENIED. */
WCOW_NODISCARD int wcow_store_open_readonly(const char *root, struct wcow_store **ret,
                                            struct wcow_error *err);
/** Answers what was submitted, then closes. NULL allowed. */
void wcow_store_close(struct wcow_store *store);
WCOW_DEFINE_CLEANUP(struct wcow_store, wcow_store_close)

/** The root folder as an absolute path without links, valid as long as the store. */
const char *wcow_store_root(const struct wcow_store *store);

void wcow_store_submit(struct wcow_store *store, struct wcow_store_op *op);
/** For a thread that takes several requests at once: what it submits between the two waits for the
 *  end of the round and shares a transaction.
 *  @param several its look-ups share one too, and see the store as the first of them found it */
void wcow_store_begin_round(struct wcow_store *store, bool several);
/** @param alone nobody else is at work: a single op is run on this thread, before the return,
 * unless the disk is slow */
void wcow_store_end_round(struct wcow_store *store, bool alone);
/** From now on @p wake is called, on any thread, when ops of rounds are done; their thread then
 *  answers them by wcow_store_answer_round(). NULL, as at first: the writer's thread answers. After
 *  the return the former one is not called any more. */
void wcow_store_wake_rounds(struct wcow_store *store, void (*wake)(void *arg), void *arg);
/** On the thread of rounds, outside of one; wcow_store_after_round() is to follow. */
void wcow_store_answer_round(struct wcow_store *store);
/** On the same thread, when what the round has answered is on its way. */
void wcow_store_after_round(struct wcow_store *store);
/** Submit and wait. Not from `done`, nor within a round. */
WCOW_NODISCARD int wcow_store_write(struct wcow_store *store, wcow_store_fn run, void *arg,
                                    struct wcow_error *err);
/** Run @p fn within one read transaction, on the calling thread; it must not read again. */
WCOW_NODISCARD int wcow_store_read(struct wcow_store *store, wcow_store_fn fn, void *arg,
                                   struct wcow_error *err);
/** What this thread looks up next is as of then, within a round too; not from a look-up. */
void wcow_store_look_anew(struct wcow_store *store);
struct wcow_store_stats wcow_store_stats(struct wcow_store *store);

#endif
