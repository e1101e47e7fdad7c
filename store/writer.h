/* SPDX-License-Identifier: Apache-2.0 */
/** @file writer.h
 *  The thread that owns the connection that writes, and the queue before it; only for store/. */
#ifndef WCOW_STORE_WRITER_H
#define WCOW_STORE_WRITER_H

#include "store/db_internal.h"

struct wcow_writer;

/** @param db      taken over: *db is NULL afterwards
 *  @param db_path of the same file, for the connection that checkpoints */
WCOW_NODISCARD int wcow_writer_new(struct wcow_db **db, const char *db_path,
                                   struct wcow_writer **ret, struct wcow_error *err);
void wcow_writer_submit(struct wcow_writer *w, struct wcow_store_op *op);
/** Between the two, what this thread submits waits for the end. */
void wcow_writer_begin_round(struct wcow_writer *w);
/** Goes on with what was submitted: on the writer's thread, or here and now where @p alone and
 *  nothing else waits. */
void wcow_writer_end_round(struct wcow_writer *w, bool alone);
/** For a look-up within a round, whose thread it stays on: the connection, where it rests and one
 *  caller is at work; it need not read again what it wrote itself. NULL: use a reader.
 *  wcow_writer_give_back() is to follow. */
struct wcow_db *wcow_writer_borrow(struct wcow_writer *w);
/** Ends what the look-up has left open. */
void wcow_writer_give_back(struct wcow_writer *w);
/** From now on @p wake is called when ops of rounds are done, which wait for
 *  wcow_writer_answer_round(); NULL: the writer's thread answers them. */
void wcow_writer_wake_rounds(struct wcow_writer *w, void (*wake)(void *arg), void *arg);
/** On the thread of rounds; wcow_writer_after_round() is to follow. */
void wcow_writer_answer_round(struct wcow_writer *w);
/** What the round's answers need not wait for. */
void wcow_writer_after_round(struct wcow_writer *w);
struct wcow_store_stats wcow_writer_stats(struct wcow_writer *w);
/** Answers what was submitted and ends the threads; the connection stays open. NULL allowed. */
void wcow_writer_stop(struct wcow_writer *w);
/** Stops first if need be. NULL allowed. */
void wcow_writer_free(struct wcow_writer *w);
WCOW_DEFINE_CLEANUP(struct wcow_writer, wcow_writer_free)

#endif
