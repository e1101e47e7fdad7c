/* SPDX-License-Identifier: Apache-2.0 */
/* Group commit: whatever waits becomes one transaction and one sync, and is answered after it. Who
 * holds the turn may use the connection: the writer's thread, or a lone caller's own, which saves
 * two switches from thread to thread. */
#include "store/writer.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "store/wal.h"

/* Ops in the order they came. */
struct queue {
    struct wcow_store_op *first;
    struct wcow_store_op *last;
    size_t n;
};

struct wcow_writer {
    struct wcow_db *db;
    struct wcow_wal wal;

    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t wake;
    struct queue waiting;
    size_t wanted; /* the writer sleeps until so many wait */
    bool turn;     /* somebody uses the connection */
    bool stopping;
    struct wcow_store_stats stats;

    /* with the turn */
    bool has_remains; /* of a transaction that failed, in the log */
    size_t expected;  /* callers at work, as the last batch showed them */
    uint64_t took_ns; /* a transaction, smoothed */

    /* For rounds, which give them while the next transaction runs. */
    pthread_mutex_t answers_mutex;
    struct queue answers;

    pthread_mutex_t wake_mutex; /* guards what follows, also while it is called */
    void (*wake_rounds)(void *arg);
    void *wake_arg;

    pthread_t thread;
    bool has_thread;
};

enum {
    GATHER_SHARE = 4,        /* wait for others at most this part of what a transaction takes... */
    GATHER_MAX_NS = 1000000, /* ...and this long */
    IN_PLACE_NS = 3000000,   /* a slower disk has a thread of its own wait for it */
    ERASE_TRIES = 3,
    ERASE_AGAIN_NS = 1000000000,
};

/* The round this thread is in. */
static _Thread_local struct {
    const struct wcow_writer *writer; /* what is submitted here waits for the end */
    struct queue rest;
} this_round;

static void queue_add(struct queue *q, struct wcow_store_op *first, struct wcow_store_op *last,
                      size_t n)
{
    if (q->last)
        q->last->next = first;
    else
        q->first = first;
    q->last = last;
    q->n += n;
}

static struct queue queue_take(struct queue *q)
{
    struct queue taken = *q;
    *q = (struct queue){0};
    return taken;
}

static uint64_t now_ns(void)
{
    struct timespec t = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

/* Close the op's savepoint; false where that cannot be done. */
static bool end_savepoint(struct wcow_db *db, const struct wcow_store_op *op)
{
    struct wcow_error ignored = {0};
    if (op->code < 0 && wcow_db_exec(db, "ROLLBACK TO op", &ignored) < 0)
        return false;
    return wcow_db_exec(db, "RELEASE op", &ignored) == WCOW_OK;
}

/* One op in its savepoint. False where the whole transaction is lost: on some errors (disk full)
 * sqlite rolls all of it back by itself. */
static bool run_one(struct wcow_db *db, struct wcow_store_op *op)
{
    op->code = wcow_db_exec(db, "SAVEPOINT op", &op->err);
    if (op->code < 0)
        return false;
    op->code = op->run(db, op->arg, &op->err);
    if (sqlite3_get_autocommit(db->handle) == 0 && end_savepoint(db, op))
        return true;
    if (op->code == WCOW_OK) {
        if (op->undo)
            op->undo(op->arg);
        op->code = WCOW_FAIL(&op->err, WCOW_E_IO, "metadata.db: the transaction was rolled back");
    }
    return false;
}

static void roll_back(struct wcow_db *db)
{
    if (sqlite3_get_autocommit(db->handle) == 0)
        (void)sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
}

/* The ops before @p end that went well did not come to be: take back what they did outside. */
static void undo_until(struct wcow_store_op *first, const struct wcow_store_op *end,
                       const struct wcow_error *why)
{
    for (struct wcow_store_op *op = first; op != end; op = op->next) {
        if (op->code != WCOW_OK)
            continue;
        if (op->undo)
            op->undo(op->arg);
        op->code = why->code;
        op->err = *why;
    }
}

static void fail_all(struct wcow_store_op *first, const struct wcow_error *why)
{
    for (struct wcow_store_op *op = first; op; op = op->next) {
        op->code = why->code;
        op->err = *why;
    }
}

/* A COMMIT whose sync fails is rolled back, but all of it may stand in the log, and would count
 * after a crash although its callers were told that it failed, and may have seen that it did. The
 * next transaction begins where that one began, and ends it. @return whether it is over */
static bool erase_remains(struct wcow_db *db)
{
    struct wcow_error ignored = {0};
    for (int i = 0; i < ERASE_TRIES; i++) {
        if (wcow_db_touch(db, &ignored) == WCOW_OK)
            return true;
        roll_back(db);
    }
    return false;
}

/* With the transaction to itself an op needs no savepoint. @return whether its COMMIT failed */
static bool run_alone(struct wcow_db *db, struct wcow_store_op *op)
{
    op->code = op->run(db, op->arg, &op->err);
    bool ran = op->code == WCOW_OK;
    bool commits = ran && sqlite3_get_autocommit(db->handle) == 0;
    if (commits)
        op->code = wcow_db_exec(db, "COMMIT", &op->err);
    else if (ran)
        op->code = WCOW_FAIL(&op->err, WCOW_E_IO, "metadata.db: the transaction was rolled back");
    if (op->code == WCOW_OK)
        return false;
    roll_back(db);
    if (ran && op->undo)
        op->undo(op->arg);
    return commits;
}

/* A transaction of all ops from @p first on. @return whether the ops are to be answered: false
 * where another program has the database, and this thread must not wait for that. */
static bool run_batch(struct wcow_writer *w, struct wcow_store_op *first, bool may_wait)
{
    struct wcow_db *db = w->db;
    struct wcow_error why = {0};
    wcow_db_wait_when_busy(db, may_wait);
    int r = wcow_db_exec(db, "BEGIN IMMEDIATE", &why);
    if (r == WCOW_E_UNAVAILABLE && !may_wait)
        return false;
    if (r < 0) {
        fail_all(first, &why);
        return true;
    }
    if (!first->next) {
        w->has_remains = run_alone(db, first) && !erase_remains(db);
        return true;
    }
    for (struct wcow_store_op *op = first; op; op = op->next) {
        if (run_one(db, op))
            continue;
        roll_back(db);
        why = op->err;
        undo_until(first, op, &why);
        fail_all(op, &why);
        return true;
    }
    bool failed = wcow_db_exec(db, "COMMIT", &why) < 0;
    if (failed) {
        roll_back(db);
        undo_until(first, NULL, &why);
    }
    w->has_remains = failed && !erase_remains(db);
    return true;
}

/* ---- the threads ---- */

/* @return those that have something to do after it, which are therefore still there */
static struct queue answer_all(struct wcow_store_op *first)
{
    struct queue rest = {0};
    for (struct wcow_store_op *op = first, *next = NULL; op; op = next) {
        next = op->next; /* done may free the op */
        bool stays = op->after != NULL;
        op->code = wcow_db_blame(op->code, &op->err);
        op->done(op->arg, op->code, &op->err);
        if (!stays)
            continue;
        op->next = NULL;
        queue_add(&rest, op, op, 1);
    }
    return rest;
}

/* Answers the ops of rounds on this thread; what comes after waits for the end of the round. */
static void answer_here(struct wcow_store_op *first)
{
    struct queue rest = answer_all(first);
    if (rest.first)
        queue_add(&this_round.rest, rest.first, rest.last, rest.n);
}

static void finish_all(struct wcow_store_op *first)
{
    for (struct wcow_store_op *op = first, *next = NULL; op; op = next) {
        next = op->next; /* after may free the op */
        op->after(op->arg);
    }
}

/* Callers that were answered a moment ago, or are about to be, mostly have a next op: waiting for
 * them a fraction of what a transaction takes saves them, and the disk, a whole one. A caller alone
 * waits for nobody. With the mutex held. */
static void gather(struct wcow_writer *w)
{
    uint64_t wait_ns = w->took_ns / GATHER_SHARE;
    if (w->waiting.n >= w->expected || w->stopping)
        return;
    uint64_t until_ns = now_ns() + (wait_ns < GATHER_MAX_NS ? wait_ns : GATHER_MAX_NS);
    const struct timespec until = {.tv_sec = (time_t)(until_ns / 1000000000U),
                                   .tv_nsec = (long)(until_ns % 1000000000U)};
    w->wanted = w->expected;
    int e = 0;
    while (w->waiting.n < w->wanted && !w->stopping && e == 0)
        e = pthread_cond_timedwait(&w->wake, &w->mutex, &until);
}

/* Until nobody has the turn and there is work, or the end, or remains are to be tried again. With
 * the mutex held. */
static void wait_for_work(struct wcow_writer *w)
{
    int e = 0;
    uint64_t until_ns = now_ns() + ERASE_AGAIN_NS;
    const struct timespec until = {.tv_sec = (time_t)(until_ns / 1000000000U),
                                   .tv_nsec = (long)(until_ns % 1000000000U)};
    while (w->turn || (!w->waiting.first && !w->stopping && e == 0))
        e = !w->turn && w->has_remains ? pthread_cond_timedwait(&w->wake, &w->mutex, &until)
                                       : pthread_cond_wait(&w->wake, &w->mutex);
}

/* Takes the turn too. Nothing once the writer stops and all is done. */
static struct queue take_waiting(struct wcow_writer *w)
{
    struct queue batch = {0};
    (void)pthread_mutex_lock(&w->mutex);
    for (;;) {
        w->wanted = 1;
        wait_for_work(w);
        w->turn = true;
        gather(w);
        batch = queue_take(&w->waiting);
        bool is_over = w->stopping;
        if (batch.first)
            break;
        (void)pthread_mutex_unlock(&w->mutex);
        if (w->has_remains)
            w->has_remains = !erase_remains(w->db);
        (void)pthread_mutex_lock(&w->mutex);
        w->turn = false;
        if (is_over)
            break;
    }
    (void)pthread_mutex_unlock(&w->mutex);
    return batch;
}

static size_t size_class(size_t n)
{
    size_t i = 0;
    while (i + 1 < WCOW_STORE_BATCH_SIZES && n > (size_t)1 << i)
        i++;
    return i;
}

/* @return how many came meanwhile */
static size_t note(struct wcow_writer *w, size_t n)
{
    (void)pthread_mutex_lock(&w->mutex);
    w->stats.transactions++;
    w->stats.operations += n;
    w->stats.by_size[size_class(n)]++;
    if (n > w->stats.largest_batch)
        w->stats.largest_batch = n;
    size_t waiting = w->waiting.n;
    (void)pthread_mutex_unlock(&w->mutex);
    return waiting;
}

static void give_turn(struct wcow_writer *w)
{
    (void)pthread_mutex_lock(&w->mutex);
    w->turn = false;
    bool wake = w->waiting.first || w->stopping || w->has_remains;
    (void)pthread_mutex_unlock(&w->mutex);
    if (wake)
        (void)pthread_cond_signal(&w->wake);
}

/* What could not be run goes before what came meanwhile. */
static void put_back(struct wcow_writer *w, struct queue *batch)
{
    (void)pthread_mutex_lock(&w->mutex);
    struct queue later = queue_take(&w->waiting);
    queue_add(&w->waiting, batch->first, batch->last, batch->n);
    if (later.first)
        queue_add(&w->waiting, later.first, later.last, later.n);
    (void)pthread_mutex_unlock(&w->mutex);
}

/* Takes those of rounds out of @p batch and has them answered there: that thread has the callers'
 * connections, and sends all answers at once. */
static void answer_in_rounds(struct wcow_writer *w, struct queue *batch)
{
    struct queue all = queue_take(batch);
    struct queue theirs = {0};
    for (struct wcow_store_op *op = all.first, *next = NULL; op; op = next) {
        next = op->next;
        op->next = NULL;
        queue_add(op->in_round ? &theirs : batch, op, op, 1);
    }
    if (!theirs.first)
        return;
    (void)pthread_mutex_lock(&w->answers_mutex);
    queue_add(&w->answers, theirs.first, theirs.last, theirs.n);
    (void)pthread_mutex_unlock(&w->answers_mutex);
    w->wake_rounds(w->wake_arg);
}

static void answer(struct wcow_writer *w, struct queue *batch)
{
    (void)pthread_mutex_lock(&w->wake_mutex);
    if (w->wake_rounds)
        answer_in_rounds(w, batch);
    (void)pthread_mutex_unlock(&w->wake_mutex);
    finish_all(answer_all(batch->first).first);
}

/* With the turn. @return false where the batch has to wait for another program */
static bool run(struct wcow_writer *w, const struct queue *batch, bool may_wait)
{
    uint64_t begin_ns = now_ns();
    if (!run_batch(w, batch->first, may_wait))
        return false;
    w->took_ns = (w->took_ns * 3 + (now_ns() - begin_ns)) / 4;
    w->expected = batch->n + note(w, batch->n);
    return true;
}

static void *write_loop(void *arg)
{
    struct wcow_writer *w = arg;
    for (;;) {
        struct queue batch = take_waiting(w);
        if (!batch.first)
            return NULL;
        (void)run(w, &batch, true);
        answer(w, &batch);
        wcow_wal_tend(&w->wal);
        give_turn(w);
    }
}

/* ---- rounds ---- */

void wcow_writer_begin_round(struct wcow_writer *w)
{
    this_round.writer = w;
}

/* The only op that waits, with the turn; or nothing. A log that wants care is the thread's. */
static struct queue take_lone(struct wcow_writer *w, bool alone)
{
    struct queue lone = {0};
    (void)pthread_mutex_lock(&w->mutex);
    bool wake = w->waiting.n >= w->wanted && w->waiting.first;
    if (alone && !w->turn && !w->stopping && w->waiting.n == 1 && w->expected <= 1 &&
        w->took_ns < IN_PLACE_NS && !w->has_remains && !wcow_wal_is_due(&w->wal)) {
        lone = queue_take(&w->waiting);
        w->turn = true;
        wake = false;
    }
    (void)pthread_mutex_unlock(&w->mutex);
    if (wake)
        (void)pthread_cond_signal(&w->wake);
    return lone;
}

void wcow_writer_end_round(struct wcow_writer *w, bool alone)
{
    this_round.writer = NULL;
    struct queue lone = take_lone(w, alone);
    if (!lone.first)
        return;
    if (run(w, &lone, false))
        answer_here(lone.first);
    else
        put_back(w, &lone);
    give_turn(w);
}

struct wcow_db *wcow_writer_borrow(struct wcow_writer *w)
{
    if (this_round.writer != w)
        return NULL;
    (void)pthread_mutex_lock(&w->mutex);
    bool rests =
        !w->turn && !w->waiting.first && !w->stopping && w->expected <= 1 && !w->has_remains;
    w->turn = w->turn || rests;
    (void)pthread_mutex_unlock(&w->mutex);
    return rests ? w->db : NULL;
}

void wcow_writer_give_back(struct wcow_writer *w)
{
    roll_back(w->db);
    give_turn(w);
}

void wcow_writer_answer_round(struct wcow_writer *w)
{
    (void)pthread_mutex_lock(&w->answers_mutex);
    struct queue answers = queue_take(&w->answers);
    (void)pthread_mutex_unlock(&w->answers_mutex);
    answer_here(answers.first);
}

void wcow_writer_wake_rounds(struct wcow_writer *w, void (*wake)(void *arg), void *arg)
{
    (void)pthread_mutex_lock(&w->wake_mutex);
    w->wake_rounds = wake;
    w->wake_arg = arg;
    (void)pthread_mutex_unlock(&w->wake_mutex);
}

void wcow_writer_after_round(struct wcow_writer *w)
{
    (void)w;
    finish_all(queue_take(&this_round.rest).first);
}

void wcow_writer_submit(struct wcow_writer *w, struct wcow_store_op *op)
{
    op->next = NULL;
    op->in_round = this_round.writer == w;
    (void)pthread_mutex_lock(&w->mutex);
    queue_add(&w->waiting, op, op, 1);
    bool wake = w->waiting.n >= w->wanted && this_round.writer != w;
    (void)pthread_mutex_unlock(&w->mutex);
    if (wake)
        (void)pthread_cond_signal(&w->wake);
}

struct wcow_store_stats wcow_writer_stats(struct wcow_writer *w)
{
    (void)pthread_mutex_lock(&w->mutex);
    struct wcow_store_stats stats = w->stats;
    (void)pthread_mutex_unlock(&w->mutex);
    return stats;
}

/* ---- beginning and end ---- */

static void init_sync(struct wcow_writer *w)
{
    pthread_condattr_t attr;
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&w->wake, &attr);
    (void)pthread_condattr_destroy(&attr);
    (void)pthread_mutex_init(&w->mutex, NULL);
    (void)pthread_mutex_init(&w->answers_mutex, NULL);
    (void)pthread_mutex_init(&w->wake_mutex, NULL);
}

int wcow_writer_new(struct wcow_db **db, const char *db_path, struct wcow_writer **ret,
                    struct wcow_error *err)
{
    WCOW_CLEANUP(wcow_writer_free_p) struct wcow_writer *w = calloc(1, sizeof(*w));
    if (!w)
        return WCOW_FAIL(err, WCOW_E_NOMEM, "out of memory for the store's writer");
    init_sync(w);
    w->db = WCOW_TAKE_PTR(*db); /* before the thread starts */
    int r = wcow_wal_start(&w->wal, w->db, db_path, err);
    if (r < 0)
        return r;
    int e = pthread_create(&w->thread, NULL, write_loop, w);
    if (e)
        return WCOW_FAIL(err, WCOW_E_LIMIT, "cannot start the store's thread: %d", e);
    w->has_thread = true;
    *ret = WCOW_TAKE_PTR(w);
    return WCOW_OK;
}

void wcow_writer_stop(struct wcow_writer *w)
{
    if (!w)
        return;
    (void)pthread_mutex_lock(&w->mutex);
    w->stopping = true;
    (void)pthread_cond_signal(&w->wake);
    (void)pthread_mutex_unlock(&w->mutex);
    if (w->has_thread)
        (void)pthread_join(w->thread, NULL);
    w->has_thread = false;
    finish_all(answer_all(queue_take(&w->answers).first).first); /* no rounds come any more */
    wcow_wal_stop(&w->wal);
}

void wcow_writer_free(struct wcow_writer *w)
{
    if (!w)
        return;
    wcow_writer_stop(w);
    wcow_db_close(w->db);
    (void)pthread_mutex_destroy(&w->wake_mutex);
    (void)pthread_mutex_destroy(&w->answers_mutex);
    (void)pthread_cond_destroy(&w->wake);
    (void)pthread_mutex_destroy(&w->mutex);
    free(w);
}
